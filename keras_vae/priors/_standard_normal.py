from typing import Any

import tensorflow as tf

from keras_vae._numerics import as_shape
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Array, Config, Encode, Shape
from keras_vae.families import MultivariateNormalDiag
from keras_vae.priors._prior import Prior


@serializable
class StandardNormal(Prior):
    """Normal prior with mean 0 and variance 1, without weights.

    The usual prior: the posterior's KL divergence from it has a closed form.

        log p(z) = -1/2 sum_i z_i^2 + log(2 pi)                                         [nats]

    Args:
        event_shape: Integer or tuple. Shape of one latent.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        samples: `(..., *event_shape)`.

    Raises:
        ValueError: If `event_shape` is empty or has a size below 1.

    Reference:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, section 3.

    Example:
        >>> StandardNormal(2).distribution().sample(5, seed=1).shape
        TensorShape([5, 2])
    """

    event_shape: tuple[int, ...]

    def __init__(self, event_shape: Shape, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_shape = as_shape(event_shape, type(self).__name__)

    def distribution(
        self,
        *,
        encode: Encode | None = None,
        condition: Array | None = None,
    ) -> tfd.Distribution:
        del encode, condition
        zeros = tf.zeros(self.event_shape, self._wide_dtype)
        return MultivariateNormalDiag(self.event_shape)([zeros, zeros])

    def get_config(self) -> Config:
        return {**super().get_config(), "event_shape": self.event_shape}
