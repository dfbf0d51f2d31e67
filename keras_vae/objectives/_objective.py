import abc

import keras
import tensorflow as tf

from keras_vae._configurable import Configurable
from keras_vae._types import Config
from keras_vae.objectives._terms import Terms


class Objective(Configurable, abc.ABC):
    """What a `VAEModel` minimises: a function of the terms of one forward pass.

    Subclasses give `__call__`, keep their arguments as attributes and return them in
    `get_config`. `num_samples` is the number of latent samples an example that the model draws.

    One that holds variables or networks is a Keras layer as well, `class GECO(Objective,
    keras.layers.Layer)`, and makes them in its constructor. They become weights of the model that
    it is compiled with, which trains and saves them.
    """

    num_samples = 1
    # Names of further values that the objective puts into `terms.log`, each `(B,)`.
    logged: tuple[str, ...] = ()

    @abc.abstractmethod
    def __call__(self, terms: Terms) -> tf.Tensor:
        """Returns the loss of each example in nats, of shape `(B,)`, for these `Terms`."""

    def parts(self) -> tuple[keras.layers.Layer, ...]:
        """Returns the Keras layers that hold the objective's state, a tuple."""
        # No property: Keras follows each attribute of a layer when it loads weights, and would
        # go round in a circle.
        return (self,) if isinstance(self, keras.layers.Layer) else ()

    @abc.abstractmethod
    def get_config(self) -> Config:
        """Returns the arguments of the constructor."""
