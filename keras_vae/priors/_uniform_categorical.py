from typing import Any

import tensorflow as tf

from keras_vae._numerics import as_shape
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Array, Config, Encode, Shape
from keras_vae.families._one_hot import one_hot_categorical
from keras_vae.priors._prior import Prior


@serializable
class UniformCategorical(Prior):
    """One-hot vectors, every class as probable as any other, without weights.

    The prior of `families.RelaxedOneHotCategorical`, whose KL divergence from it has a closed
    form. For a prior whose probabilities are learned, take `TrainablePrior` of that family.

        log p(z) = -log K,  z one-hot with K classes                                    [nats]
        KL(q || p) = log K - H(q)

    Args:
        event_shape: Integer or tuple. Shape of one latent, whose last axis has one entry for each
            class. Axes before it are variables independent of each other.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        samples: `(..., *event_shape)`, one-hot along the last axis.

    Raises:
        TypeError: If `event_shape` is not made of integers.
        ValueError: If `event_shape` is empty, has a size below 1, or its last axis is below 2.

    Reference:
        Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017, section 4.

    Example:
        >>> UniformCategorical((2, 4)).distribution().sample(seed=1).numpy().sum(axis=-1)
        array([1., 1.], dtype=float32)
    """

    event_shape: tuple[int, ...]

    def __init__(self, event_shape: Shape, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_shape = as_shape(event_shape, type(self).__name__)
        if self.event_shape[-1] < 2:
            raise ValueError(
                "UniformCategorical expects an event_shape with a last axis of at least 2. "
                f"Received: event_shape={event_shape!r}. A yes or no has the shape (2,)."
            )

    def distribution(
        self,
        *,
        encode: Encode | None = None,
        condition: Array | None = None,
    ) -> tfd.Distribution:
        del encode, condition
        return one_hot_categorical(tf.zeros(self.event_shape, self._wide_dtype), self.event_shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "event_shape": self.event_shape}
