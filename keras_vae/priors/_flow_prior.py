import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_vae._checks import count, counts, from_keras
from keras_vae._numerics import as_shape
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Activation, Array, Config, Encode, Integer, Shape
from keras_vae.priors._coupling_flow import CouplingFlow, coupling_masks
from keras_vae.priors._prior import Prior


@serializable
class FlowPrior(Prior):
    """A normalizing flow: standard normal noise, bent by layers of affine couplings (RealNVP).

    The most flexible of the learned priors, with a density that is exact and quick to compute.
    Every layer moves half of the entries by a network of the other half; its log-scale is held
    in [-3, 3]. The flow starts near the identity, as a standard normal distribution. Its KL
    divergence has no closed form: it is estimated from samples.

        z = f(noise),  log p(z) = log N(f^-1(z); 0, 1) + log |det d f^-1 / d z|         [nats]

    With 2 ceil(log2 d) layers each of the d entries has met every other one. A single entry has
    none to meet: for d = 1 the flow is an affine map.

    Args:
        event_shape: Integer or tuple. Shape of one latent, d entries in all.
        num_layers: Integer >= 1, the number of couplings. Defaults to 6.
        hidden_units: Tuple of integers, the hidden layers of each network. Defaults to (64, 64).
        activation: Keras activation of the hidden layers. Defaults to "relu".
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        samples: `(..., *event_shape)`.

    Raises:
        TypeError: If a number is no integer.
        ValueError: If a number is below 1.

    Reference:
        Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2017, equations 4
        to 8.

    Example:
        >>> prior = FlowPrior(2, num_layers=4, hidden_units=(16,))
        >>> prior.distribution().sample(3, seed=1).shape
        TensorShape([3, 2])
    """

    event_shape: tuple[int, ...]

    def __init__(
        self,
        event_shape: Shape,
        num_layers: Integer = 6,
        hidden_units: Sequence[Integer] = (64, 64),
        activation: Activation = "relu",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.event_shape = as_shape(event_shape, owner)
        self.num_layers = count(num_layers, "num_layers", owner)
        self.hidden_units = counts(hidden_units, "hidden_units", owner)
        self.activation = from_keras(
            keras.activations.get, activation, "activation", type(self).__name__
        )
        self._size = math.prod(self.event_shape)
        self.networks = [self._network(f"coupling_{i}") for i in range(self.num_layers)]

    def _network(self, name):
        # A density wants all the digits of float32, whatever the dtype policy.
        dtype = self._wide_dtype
        hidden = [
            keras.layers.Dense(units, self.activation, dtype=dtype) for units in self.hidden_units
        ]
        # Near zero for a start near the identity; at zero the layers before have no gradient.
        small = keras.initializers.RandomNormal(stddev=1e-3)
        last = keras.layers.Dense(2 * self._size, kernel_initializer=small, dtype=dtype)
        return keras.Sequential([keras.Input((self._size,), dtype=dtype), *hidden, last], name=name)

    def distribution(
        self,
        *,
        encode: Encode | None = None,
        condition: Array | None = None,
    ) -> tfd.Distribution:
        del encode, condition
        masks = coupling_masks(self.num_layers, self._size)
        return CouplingFlow(list(self.networks), masks, self.event_shape, self._wide_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "event_shape": self.event_shape,
            "num_layers": self.num_layers,
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
        }
