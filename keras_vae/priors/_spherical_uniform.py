from typing import Any

from keras_vae._numerics import as_shape
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Array, Config, Encode, Shape
from keras_vae.families._family import independent_over_leading_axes
from keras_vae.priors._prior import Prior


@serializable
class SphericalUniform(Prior):
    """The uniform distribution on the unit sphere, without weights.

    The prior of posteriors on the sphere, such as the von Mises-Fisher and the power spherical
    distribution, both of which have a closed form for the divergence from it. Points that are
    not on the sphere are not noticed.

        log p(z) = lgamma(d / 2) - log(2) - d/2 log(pi),  |z| = 1                       [nats]

    Args:
        event_shape: Integer or tuple. Shape of one latent, whose last axis d is the space that
            the sphere lies in. Axes before the last one are spheres independent of each other.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        samples: `(..., *event_shape)`, of length 1 along the last axis.

    Raises:
        TypeError: If `event_shape` is not made of integers.
        ValueError: If `event_shape` is empty, has a size below 1, or if d is below 2.

    Reference:
        Davidson et al., "Hyperspherical Variational Auto-Encoders", 2018, section 3.2.

    Example:
        >>> import numpy as np
        >>> z = SphericalUniform(3).distribution().sample(5, seed=1)
        >>> np.linalg.norm(z, axis=-1).round(5)
        array([1., 1., 1., 1., 1.], dtype=float32)
    """

    event_shape: tuple[int, ...]

    def __init__(self, event_shape: Shape, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_shape = as_shape(event_shape, type(self).__name__)
        if self.event_shape[-1] < 2:
            raise ValueError(
                "SphericalUniform expects an event_shape with a last axis of at least 2. "
                f"Received: event_shape={event_shape!r}. A circle has the shape (2,)."
            )

    def distribution(
        self,
        *,
        encode: Encode | None = None,
        condition: Array | None = None,
    ) -> tfd.Distribution:
        del encode, condition
        *leading, dimension = self.event_shape
        sphere = tfd.SphericalUniform(dimension, batch_shape=leading, dtype=self._wide_dtype)
        return independent_over_leading_axes(sphere, self.event_shape)

    def get_config(self) -> Config:
        return {**super().get_config(), "event_shape": self.event_shape}
