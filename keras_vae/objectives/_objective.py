import abc

from keras_vae._configurable import Configurable


class Objective(Configurable, abc.ABC):
    """What a `VAEModel` minimises: a function of the terms of one forward pass.

    Subclasses give `__call__`, keep their arguments as attributes and return them in
    `get_config`. `num_samples` is the number of latent samples an example that the model draws.
    """

    num_samples = 1
    # Names of further values that the objective puts into `terms.log`, each `(B,)`.
    logged = ()

    @abc.abstractmethod
    def __call__(self, terms):
        """Returns the loss of each example in nats, of shape `(B,)`, for these `Terms`."""

    @abc.abstractmethod
    def get_config(self):
        """Returns the arguments of the constructor."""
