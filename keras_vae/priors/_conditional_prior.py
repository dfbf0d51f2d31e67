from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_vae._registry import deserialized, serializable, serialized
from keras_vae._tfp import tfd
from keras_vae._types import Array, Config, Encode
from keras_vae.families import Family
from keras_vae.priors._prior import Prior

if TYPE_CHECKING:
    from typing_extensions import Self


@serializable
class ConditionalPrior(Prior):
    """A prior that depends on the condition, through a network.

    For the conditional autoencoder: give the model `{"x": x, "condition": c}` and the latents of
    each condition have a distribution of their own.

        p(z | c) = family(network(c))

    Args:
        network: Keras model from the condition, `(B, ...)`, to the parameters of the family.
        family: A `keras_vae.families.Family` over the latents.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        condition: `(B, ...)`.
        samples: `(..., B, *family.event_shape)`: the distribution has the batch shape `(B,)`.

    Raises:
        TypeError: If `network` is no Keras model or `family` no family.
        ValueError: From `distribution` if there is no condition, or if the network's output does
            not fit the family.

    Reference:
        Sohn, Lee and Yan, "Learning Structured Output Representation using Deep Conditional
        Generative Models", 2015, equation 4.

    Example:
        >>> from keras_vae.families import MultivariateNormalDiag
        >>> network = keras.Sequential([keras.Input((10,)), keras.layers.Dense(4)])
        >>> prior = ConditionalPrior(network, MultivariateNormalDiag(2))
        >>> prior.distribution(condition=tf.one_hot([0, 3, 3], 10)).batch_shape
        TensorShape([3])
    """

    def __init__(self, network: keras.layers.Layer, family: Family, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(network, keras.layers.Layer):
            raise TypeError(
                "ConditionalPrior expects a Keras model from the condition to the parameters of "
                f"the family. Received: network={network!r}. For example keras.Sequential([...])."
            )
        if not isinstance(family, Family):
            raise TypeError(
                "ConditionalPrior expects a family of distributions. "
                f"Received: family={family!r}. For example "
                "ConditionalPrior(network, families.MultivariateNormalDiag(2))."
            )
        self.network = network
        self.family = family

    @property
    def event_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Shape of one latent."""
        return self.family.event_shape

    def distribution(
        self,
        *,
        encode: Encode | None = None,
        condition: Array | None = None,
    ) -> tfd.Distribution:
        del encode
        if condition is None:
            raise ValueError(
                "ConditionalPrior expects a condition. Received: condition=None. Give the model "
                "{'x': x, 'condition': condition} in fit, and sample(..., condition=condition)."
            )
        return self.family(self.network(tf.convert_to_tensor(condition)))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "network": serialized(self.network),
            "family": serialized(self.family),
        }

    @classmethod
    def from_config(cls, config: Config) -> "Self":
        return cls(**deserialized(config, "network", "family"))
