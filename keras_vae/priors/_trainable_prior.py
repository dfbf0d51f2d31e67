from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_vae._registry import deserialized, serializable, serialized
from keras_vae._tfp import tfd
from keras_vae._types import Array, Config, Encode
from keras_vae.families import Family
from keras_vae.priors._prior import Prior

if TYPE_CHECKING:
    from typing_extensions import Self


@serializable
class TrainablePrior(Prior):
    """A prior of any family whose parameters are weights, trained with the model.

    The parameters start at zero: for the normal families that is the standard normal
    distribution.

        p(z) = family(params), params a weight

    Args:
        family: A `keras_vae.families.Family` over the latents.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        samples: `(..., *family.event_shape)`.

    Raises:
        TypeError: If `family` is not a family.

    Reference:
        Chen et al., "Variational Lossy Autoencoder", 2017, section 3.2 (learned priors).

    Example:
        >>> from keras_vae.families import MultivariateNormalDiag
        >>> prior = TrainablePrior(MultivariateNormalDiag(2))
        >>> prior.distribution().mean().numpy()
        array([0., 0.], dtype=float32)
    """

    def __init__(self, family: Family, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(family, Family):
            raise TypeError(
                "TrainablePrior expects a family of distributions. "
                f"Received: family={family!r}. For example "
                "TrainablePrior(families.MultivariateNormalDiag(2))."
            )
        self.family = family
        self.params = self.add_weight(
            name="params", shape=family.params_shape, initializer="zeros", autocast=False
        )

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
        del encode, condition
        return self.family(tf.convert_to_tensor(self.params))

    def get_config(self) -> Config:
        return {**super().get_config(), "family": serialized(self.family)}

    @classmethod
    def from_config(cls, config: Config) -> "Self":
        return cls(**deserialized(config, "family"))
