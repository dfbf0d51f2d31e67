"""Mean and standard deviation of any distribution, latent by latent."""

import numpy as np
import tensorflow as tf

_NUM_SAMPLES = 4096


def moments(distribution):
    """Returns mean and standard deviation of each latent, `(B, d)`, `(1, d)` without a batch."""
    try:
        values = distribution.mean(), distribution.stddev()
    except NotImplementedError:
        samples = samples_of(distribution)
        return samples.mean(axis=0), samples.std(axis=0)
    return tuple(_flat(value, distribution) for value in values)


def samples_of(distribution):
    """Returns samples, `(S, B, d)` or `(S, 1, d)`; the same ones at each call."""
    return _flat(distribution.sample(_NUM_SAMPLES, seed=tf.constant([20, 14])), distribution)


def _flat(value, distribution):
    """Returns `value` in double precision, with one axis for the batch and one for the event."""
    batch_size = np.prod(distribution.batch_shape, dtype=int)
    event_size = np.prod(distribution.event_shape, dtype=int)
    value = np.asarray(value, "float64")
    samples = value.shape[: value.ndim - len(distribution.batch_shape + distribution.event_shape)]
    return value.reshape(*samples, batch_size, event_size)
