"""What a family knows of entries that are missing, beyond leaving them out of the likelihood."""

import tensorflow as tf


class FillsMissing:
    """The part of a family that imputation needs: hooks with defaults for independent entries.

    Where entries depend on each other, or an average of events is no event, a family has its own.
    """

    def _missing_events(self, missing):
        """Returns which entries are drawn anew, of the shape of `missing`."""
        return missing

    def _expectation(self, x, missing, *parameters):
        """Returns what is averaged over latents, given the entries of `x` that are there.

        The mean, or the probabilities of classes; its axes after those of the batch are free.
        """
        del x, missing
        return self._point_estimate(*parameters)

    def _event_of(self, expectation):
        """Returns the event that stands for an average of expectations."""
        return expectation

    def _sample_missing(self, x, missing, seed, *parameters):
        """Returns a draw for each of the parameters, given the entries of `x` that are there."""
        del x, missing
        return self._sample([], seed, *parameters)


class FillsVectors(FillsMissing):
    """For vectors on the last axis that are there, or missing, as a whole."""

    def _missing_events(self, missing):
        some = tf.reduce_any(missing, axis=-1, keepdims=True)
        return tf.broadcast_to(some, tf.shape(missing))
