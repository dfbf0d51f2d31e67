"""Keeps triangular scales where float32 can divide by them, and their gradients within bounds."""

import math

import numpy as np
import tensorflow as tf

from keras_vae._numerics import LOG_VARIANCE_LIMIT

# Write the scale as D U, with D its diagonal: an entry of its inverse is one of U^-1, divided by
# an entry of D of at least exp(-10). Where it passes exp(10) / epsilon, one of U^-1 passes
# 1 / epsilon. A triangular solve has relative errors of epsilon times these entries, so that
# float32 has no digit left there.
INVERSE_LIMIT = math.exp(LOG_VARIANCE_LIMIT / 2) / float(np.finfo("float32").eps)

# With K the largest entry of the inverse and r the residual, the log-density is of the size
# (K r)^2, and its gradient by the scale K^3 r^2, which leaves float32's range first. Optimizers
# square gradients, which leaves it beyond 1e19; there is room here for the sum over a batch.
_GRADIENT_LIMIT = 1e15


def invertible(scale):
    """Returns `scale` with the entries of its inverse held in [-INVERSE_LIMIT, INVERSE_LIMIT].

    Row after row, what is left of the diagonal shrinks by one factor where the same row of the
    inverse would pass the limit. Every other scale comes back unchanged. The diagonal never
    changes. The factors count as constants in the gradient, so that one that leads back passes.

    Args:
        scale: Lower triangular matrices with a positive diagonal, `(..., d, d)`.

    Returns:
        Tensor of the same shape.
    """
    fixed = tf.stop_gradient(scale)
    diagonal = tf.linalg.diag_part(fixed)
    # With what is left of the diagonal made negative, nothing cancels in the inverse: its sums
    # over rows bound the entries of the true one, for the price of one solve.
    worst = tf.linalg.set_diag(-tf.abs(fixed), diagonal)
    bound = tf.linalg.triangular_solve(worst, tf.ones_like(diagonal)[..., tf.newaxis])
    # What overflowed, or has become NaN on the way, does not fit either.
    fits = tf.reduce_all(bound <= INVERSE_LIMIT)
    shares = tf.cond(fits, lambda: tf.ones_like(diagonal), lambda: _shares(fixed))
    return tf.linalg.set_diag(scale * shares[..., tf.newaxis], tf.linalg.diag_part(scale))


def _shares(scale):
    """Returns the factor of each row, `(..., d)`, building the inverse row by row."""
    size = scale.shape[-1]
    diagonal = tf.linalg.diag_part(scale)
    left = tf.linalg.set_diag(scale, tf.zeros_like(diagonal))

    inverse, shares = tf.zeros_like(scale), []
    for row in range(size):
        here = tf.one_hot(row, size, dtype=scale.dtype)
        pivot = diagonal[..., row, tf.newaxis]
        mixed = tf.linalg.matvec(inverse, left[..., row, :], transpose_a=True)
        largest = tf.reduce_max(tf.abs(mixed), axis=-1, keepdims=True)
        shares.append(tf.minimum(INVERSE_LIMIT * pivot / largest, 1.0))
        inverse_row = (here - shares[-1] * mixed) / pivot
        inverse += here[:, tf.newaxis] * inverse_row[..., tf.newaxis, :]
    return tf.concat(shares, axis=-1)


@tf.custom_gradient
def with_bounded_gradient(x):
    """Returns `x`; each entry of its gradient is held in a range that can be squared in float32."""

    def gradient(upstream):
        return tf.clip_by_value(upstream, -_GRADIENT_LIMIT, _GRADIENT_LIMIT)

    return tf.identity(x), gradient
