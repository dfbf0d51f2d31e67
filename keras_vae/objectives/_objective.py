import abc


class Objective(abc.ABC):
    """What a `VAEModel` minimises: a function of the terms of one forward pass.

    Subclasses give `__call__`, keep their arguments as attributes and return them in
    `get_config`. `num_samples` is the number of latent samples an example that the model draws.
    """

    num_samples = 1

    @abc.abstractmethod
    def __call__(self, terms):
        """Returns the loss of each example in nats, of shape `(B,)`, for these `Terms`."""

    @abc.abstractmethod
    def get_config(self):
        """Returns the arguments of the constructor."""

    @classmethod
    def from_config(cls, config):
        """Returns the objective that has these constructor arguments."""
        return cls(**config)

    def __repr__(self):
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"
