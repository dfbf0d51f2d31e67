"""Small numerical tools that every family shares."""

import numpy as np
import tensorflow as tf

# Standard deviations between 4.5e-5 and 2.2e4: beyond them float32 has no digits left for the
# residual that the scale divides.
LOG_VARIANCE_LIMIT = 20.0


def as_shape(value, owner, name="event_shape"):
    """Returns `value` as a tuple of positive integers, or raises with the argument's name."""
    shape = value
    if isinstance(shape, (int, np.integer)) and not isinstance(shape, bool):
        shape = (shape,)
    try:
        # Bytes are made of integers too, and a set has no order.
        shape = None if isinstance(shape, (bytes, set, dict)) else tuple(shape)
        integers = all(
            isinstance(size, (int, np.integer)) and not isinstance(size, bool) for size in shape
        )
    except TypeError:
        integers = False
    if not integers:
        raise TypeError(
            f"{owner} expects {name} to be one integer or a tuple of integers. "
            f"Received: {name}={value!r}. Give the shape of one data point, "
            "without the batch axis."
        )
    if not shape or any(size < 1 for size in shape):
        raise ValueError(
            f"{owner} expects {name} to have at least one axis and sizes of at least 1. "
            f"Received: {name}={value!r}. A scalar event has the shape (1,)."
        )
    return tuple(int(size) for size in shape)


def wide(x):
    """Returns `x` as a floating tensor of float32 or wider, whatever the dtype policy."""
    x = tf.convert_to_tensor(x)
    return x if x.dtype in (tf.float32, tf.float64) else tf.cast(x, tf.float32)


def bounded(x, limit=LOG_VARIANCE_LIMIT):
    """Clips `x` to [-limit, limit], with a gradient that leads back from outside.

    A plain clip has no gradient outside its bounds, so that a parameter that once left them
    would never come back. Here a gradient passes there if descending it leads inwards. One that
    leads further out is stopped: the value does not change there, and an optimizer would push the
    parameter on without an end. Inside the bounds value and gradient are those of `x`.
    """

    @tf.custom_gradient
    def clip(x):
        def gradient(upstream):
            outwards = ((x > limit) & (upstream < 0)) | ((x < -limit) & (upstream > 0))
            return tf.where(outwards, tf.zeros_like(upstream), upstream)

        return tf.clip_by_value(x, -limit, limit), gradient

    return clip(x)


def sum_event(x, event_shape):
    """Sums `x` over its last axes, as many as `event_shape` has."""
    return tf.reduce_sum(x, axis=list(range(-len(event_shape), 0)))
