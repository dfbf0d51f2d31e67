from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_vae._random import Seeded
from keras_vae._registry import deserialized, serializable
from keras_vae._types import BatchShape, Config, Integer, Params
from keras_vae.families import Family
from keras_vae.layers._parameters import check_family, family_for, serialized_family, shapes_of

if TYPE_CHECKING:
    from typing_extensions import Self


@serializable
class Sampling(Seeded, keras.layers.Layer):
    """Draws z from the distribution whose parameters come in, by reparameterisation.

    The layer between an encoder and a decoder. Gradients pass through the sample to the
    parameters. It draws in training and in inference alike; the distribution is float32 or wider
    under every dtype policy, and the state of the noise is saved with the model.

        z = mean + exp(log_var / 2) * eps,  eps ~ N(0, 1)       for the default family

    Args:
        family: A `keras_vae.families.Family`, or None for `[z_mean, z_log_var]`. Defaults to
            None.
        seed: Integer or None. Defaults to None, a random start.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        inputs: `(B, *family.params_shape)`, or a list of tensors: the parameters in parts.
        outputs: `(B, *family.event_shape)`.

    Raises:
        TypeError: If `family` is not a family or `seed` no integer.
        ValueError: If the shapes of the inputs do not fit the family.

    Reference:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, section 2.4.

    Example:
        >>> import tensorflow as tf
        >>> z_mean, z_log_var = tf.zeros((5, 2)), tf.zeros((5, 2))
        >>> Sampling(seed=1)([z_mean, z_log_var]).shape
        TensorShape([5, 2])
    """

    def __init__(
        self, family: Family | None = None, seed: Integer | None = None, **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        check_family(family, type(self).__name__)
        self.family = family
        self._set_seed(seed)
        self.built = True

    def call(self, inputs: Params) -> tf.Tensor:
        family = family_for(self.family, shapes_of(inputs), type(self).__name__)
        z = family.sample(inputs, seed=self._next_seed())
        # The widest normal distribution of the family goes beyond the largest half, 65504.
        return tf.saturate_cast(z, self.compute_dtype)

    def compute_output_shape(self, input_shape: BatchShape | Sequence[BatchShape]) -> BatchShape:
        family = family_for(self.family, input_shape, type(self).__name__)
        batch = input_shape[0][0] if isinstance(input_shape[0], (tuple, list)) else input_shape[0]
        return (batch, *family.event_shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "family": serialized_family(self.family), "seed": self.seed}

    @classmethod
    def from_config(cls, config: Config) -> "Self":
        return cls(**deserialized(config, "family"))
