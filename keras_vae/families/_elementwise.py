"""Families whose entries each have a scalar distribution of their own."""

import abc

import tensorflow as tf

from keras_vae._numerics import sum_event
from keras_vae._tfp import tfd
from keras_vae.families._family import Family


class ElementwiseFamily(Family):
    """A family whose entries are independent: each has a scalar distribution of its own.

    Subclasses give the hook `_elements`, the distribution of the entries, `support`, the
    interval outside of which an entry has no probability, and `integers`, whether only whole
    numbers have one.
    """

    entries_independent = True
    integers = False

    @property
    def support(self) -> tuple[float, float] | None:
        """The least and the greatest value of an entry, or None for all real numbers."""
        return None

    @property
    def real_valued(self) -> bool:
        """Whether an entry may be any real number."""
        return self.support is None and not self.integers

    @abc.abstractmethod
    def _elements(self, *parameters):
        """Returns a distribution with scalar events and one batch member for each entry."""

    def _distribution(self, *parameters):
        return tfd.Independent(
            self._elements(*parameters), reinterpreted_batch_ndims=len(self.event_shape)
        )

    def _log_prob_elements(self, x, *parameters):
        return self._elements(*parameters).log_prob(x)

    def _log_likelihood(self, x, missing, *parameters, training):
        del training
        log_prob = self._log_prob_elements(x, *parameters)
        log_prob = tf.where(missing, tf.zeros_like(log_prob), log_prob)
        log_likelihood = sum_event(log_prob, self.event_shape)
        if self.support is None:
            return log_likelihood
        # Two reductions of the data, where a condition on each entry would cost three passes
        # over the samples.
        axes = list(range(1, x.shape.rank))
        low, high = self.support
        inside = (tf.reduce_min(x, axes) >= low) & (tf.reduce_max(x, axes) <= high)
        if self.integers:
            inside &= tf.reduce_all(tf.equal(x, tf.round(x)), axes)
        return tf.where(inside, log_likelihood, float("-inf"))

    def _entry_log_likelihood(self, x, missing, *parameters):
        log_prob = self._log_prob_elements(x, *parameters)
        if self.support is not None:
            low, high = self.support
            inside = (x >= low) & (x <= high)
            if self.integers:
                inside &= tf.equal(x, tf.round(x))
            log_prob = tf.where(inside, log_prob, float("-inf"))
        return tf.where(missing, tf.zeros_like(log_prob), log_prob)
