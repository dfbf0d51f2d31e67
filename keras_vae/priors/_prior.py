import abc
from typing import Any, NoReturn

import keras

from keras_vae._tfp import tfd
from keras_vae._types import Array, Encode


class Prior(keras.layers.Layer, abc.ABC):
    """The distribution p(z) of the latents: a Keras layer, since it may hold weights.

    Subclasses give `distribution` and `event_shape`, the shape of one latent (None for a prior
    that learns it from the encoder).
    """

    event_shape: tuple[int, ...] | None = None

    def __init__(self, **kwargs: Any) -> None:
        # Priors are not called: nothing is to be cast to the dtype policy.
        super().__init__(autocast=False, **kwargs)
        self.built = True

    @abc.abstractmethod
    def distribution(
        self,
        *,
        encode: Encode | None = None,
        condition: Array | None = None,
    ) -> tfd.Distribution:
        """Returns p(z), or p(z | condition), as a `tfd.Distribution`.

        Args:
            encode: The model's function x -> q(z|x), for priors made of encoded points.
            condition: Tensor of shape `(B, ...)`, for priors that depend on one.
        """

    def call(self, inputs: Any) -> NoReturn:
        """Not used: a distribution cannot travel between layers."""
        raise NotImplementedError(f"{type(self).__name__} is used through `distribution()`.")

    @property
    def _wide_dtype(self):
        return "float64" if self.variable_dtype == "float64" else "float32"
