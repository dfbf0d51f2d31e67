import abc

import keras
import tensorflow as tf

from keras_vae._configurable import Configurable
from keras_vae._schedule import scalar
from keras_vae._types import Config, Scalar
from keras_vae.objectives._terms import Terms


class Penalty(Configurable, abc.ABC):
    """What `Penalized` adds to an objective: a function of the terms of one forward pass.

    Subclasses give the hook `_value` and `name`, under which the value is logged without its
    weight. What else is worth logging they put into `terms.log`, and its names into `logged`.

    One that holds variables or networks is a Keras layer as well, `class Critic(Penalty,
    keras.layers.Layer)`, and makes them in its constructor. That of the layer comes first, and
    with the penalty's name, so that no other is made up:
    `keras.layers.Layer.__init__(self, **{"name": self.name, **kwargs})`.

    Args:
        weight: Number >= 0 or schedule.
    """

    name: str = None  # type: ignore[assignment]
    # Names of further values that the penalty puts into `terms.log`, each `(B,)`.
    logged: tuple[str, ...] = ()

    def __init__(self, weight: Scalar = 1.0) -> None:
        self.weight = scalar(weight, "weight", type(self).__name__)

    def __call__(self, terms: Terms) -> tf.Tensor:
        """Returns the penalty without its weight, `(B,)` or `()`, for these `Terms`."""
        return self._value(terms)

    def own_loss(self, terms: Terms) -> tf.Tensor | None:
        """Returns what trains the penalty's own weights, `(B,)` or `()`, or None.

        `Penalized` takes its gradient and not its value: it is no part of the loss.
        """
        return None

    @abc.abstractmethod
    def _value(self, terms):
        """Returns the penalty of each example, `(B,)`, or of the batch, `()`."""

    def parts(self) -> tuple[keras.layers.Layer, ...]:
        """Returns the Keras layers that hold the penalty's state, a tuple."""
        return (self,) if isinstance(self, keras.layers.Layer) else ()

    def get_config(self) -> Config:
        """Returns the arguments of the constructor."""
        return {"weight": self.weight}
