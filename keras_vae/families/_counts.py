"""What the two negative binomial families share: their mean, with or without a library size."""

import abc

import tensorflow as tf

from keras_vae._numerics import LOG_VARIANCE_LIMIT, bounded
from keras_vae._tfp import tfd
from keras_vae._types import Config, Shape
from keras_vae.families._elementwise import ElementwiseFamily

# Infinity is no count; float32 has room for the logarithm of this one's factorial.
LARGEST_COUNT = 1e30


class OverdispersedCounts(ElementwiseFamily):
    """A family of counts with a mean and an inverse dispersion.

    Subclasses give the hook `_counts` and `parameter_names`, the log-mean first.
    """

    support = (0.0, LARGEST_COUNT)
    integers = True

    def __init__(self, event_shape: Shape, library_size: bool = False) -> None:
        super().__init__(event_shape)
        if not isinstance(library_size, bool):
            raise TypeError(
                f"{type(self).__name__} expects library_size to be True or False. "
                f"Received: library_size={library_size!r}. The sizes themselves are the last "
                "parameter, as logarithms."
            )
        self.library_size = library_size
        if library_size:
            self.parameter_names = (*self.parameter_names, "log_library")

    @abc.abstractmethod
    def _counts(self, log_mean, *parameters):
        """Returns the distribution of the entries, without the library size."""

    def _parameter_sizes(self, size):
        return (size,) * (len(self.parameter_names) - self.library_size) + (1,) * self.library_size

    def _elements(self, log_mean, *parameters):
        if self.library_size:
            *parameters, log_library = parameters
            log_mean = tf.nn.log_softmax(log_mean) + log_library
        return self._counts(bounded(log_mean), *parameters)

    def get_config(self) -> Config:
        return {**super().get_config(), "library_size": self.library_size}


def negative_binomial(log_mean, log_dispersion):
    """Returns TFP's negative binomial with this mean and inverse dispersion."""
    log_dispersion = bounded(log_dispersion, LOG_VARIANCE_LIMIT / 2)
    return tfd.NegativeBinomial(
        total_count=tf.exp(log_dispersion),
        logits=log_mean - log_dispersion,
        require_integer_total_count=False,
    )
