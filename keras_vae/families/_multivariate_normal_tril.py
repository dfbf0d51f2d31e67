import math

import tensorflow as tf

from keras_vae._numerics import LOG_VARIANCE_LIMIT, bounded, sum_event
from keras_vae._random import standard_normal
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae.families._family import Family, independent_over_leading_axes

# Off-diagonal entries of a Cholesky factor share the range of its diagonal.
_SCALE_LIMIT = math.exp(LOG_VARIANCE_LIMIT / 2)


@serializable
class MultivariateNormalTriL(Family):
    """Normal distribution with a full covariance over the last axis of the event.

    As a posterior it can follow the correlations of the true posterior, at the price of
    d (d + 1) / 2 outputs for the covariance and matrix products of that size.

        params = [loc, scale_tril], scale_tril filled row by row
        L = tril(scale_tril), its diagonal exp(scale_tril_ii)
        log p(x) = -1/2 |L^-1 (x - loc)|^2 - sum_i log L_ii - d/2 log(2 pi)            [nats]

    Zero parameters give the standard normal distribution. Missing entries of the data are
    marginalised exactly. Axes before the last one are independent of each other.

    Args:
        event_shape: Integer or tuple. Shape of one event.

    Shapes:
        params: `(..., *event_shape[:-1], d + d (d + 1) / 2)` with `d = event_shape[-1]`, or a
            list of the two tensors.
        samples: `(..., *event_shape)`.

    Raises:
        ValueError: If `params` has another shape.

    Reference:
        Kingma and Welling, "An Introduction to Variational Autoencoders", 2019, section 2.5.1.

    Example:
        >>> import tensorflow as tf
        >>> family = MultivariateNormalTriL(3)
        >>> family.params_size
        9
        >>> family(tf.zeros((5, 9))).covariance().shape
        TensorShape([5, 3, 3])
    """

    parameter_names = ("loc", "scale_tril")

    def _parameter_sizes(self, size):
        return (size, size * (size + 1) // 2)

    def _distribution(self, loc, scale_tril):
        normal = tfd.MultivariateNormalTriL(loc, self._cholesky(scale_tril))
        return independent_over_leading_axes(normal, self.event_shape)

    def _sample(self, shape, seed, loc, scale_tril):
        noise = standard_normal(tf.concat([shape, tf.shape(loc)], 0), seed, loc.dtype)
        return loc + tf.linalg.matvec(self._cholesky(scale_tril), noise)

    def _log_likelihood(self, x, missing, loc, scale_tril, *, training):
        del training
        scale = self._cholesky(scale_tril)
        log_prob = tf.cond(
            tf.reduce_any(missing),
            lambda: _log_marginal(x, missing, loc, scale),
            lambda: tfd.MultivariateNormalTriL(loc, scale).log_prob(x),
        )
        # An infinite residual overflows to NaN on its way to a density of zero; a NaN that comes
        # from the network stays one.
        parameters = tf.reduce_sum(loc, -1) + tf.reduce_sum(scale, [-2, -1])
        lost = tf.math.is_nan(log_prob) & ~tf.math.is_nan(parameters)
        log_prob = tf.where(~lost, log_prob, float("-inf"))
        leading = self.event_shape[:-1]
        return sum_event(log_prob, leading) if leading else log_prob

    def _cholesky(self, scale_tril):
        size = self.event_shape[-1]
        rows = [row for row in range(size) for _ in range(row + 1)]
        columns = [column for row in range(size) for column in range(row + 1)]
        # One matrix product with a constant places the entries; it works on every device and
        # under XLA, for any number of leading axes.
        place = tf.scatter_nd(
            [[i, row, column] for i, (row, column) in enumerate(zip(rows, columns, strict=True))],
            tf.ones(len(rows), scale_tril.dtype),
            (len(rows), size, size),
        )
        lower = tf.tensordot(bounded(scale_tril, _SCALE_LIMIT), place, axes=1)
        log_diagonal = bounded(tf.linalg.diag_part(lower), LOG_VARIANCE_LIMIT / 2)
        return tf.linalg.set_diag(lower, tf.exp(log_diagonal))


def _log_marginal(x, missing, loc, scale):
    """Log-density of the observed entries.

    A missing entry is made a standard normal variable, independent of the others and observed at
    its mean. The factor of the covariance that remains comes from a QR decomposition of the
    factor that is there; the covariance itself has twice its digits, and float32 too few for a
    Cholesky decomposition of it.
    """
    observed = tf.cast(tf.broadcast_to(~missing, tf.shape(loc)), x.dtype)
    rows = scale * observed[..., tf.newaxis]
    factor = tf.concat([tf.linalg.matrix_transpose(rows), tf.linalg.diag(1.0 - observed)], -2)
    upper = tf.linalg.qr(factor).r
    residual = ((x - loc) * observed)[..., tf.newaxis]
    whitened = tf.linalg.triangular_solve(upper, residual, lower=False, adjoint=True)
    log_determinant = tf.reduce_sum(tf.math.log(tf.abs(tf.linalg.diag_part(upper))), axis=-1)
    num_observed = tf.reduce_sum(observed, axis=-1)
    return (
        -0.5 * tf.reduce_sum(tf.square(whitened), axis=[-2, -1])
        - log_determinant
        - 0.5 * math.log(2 * math.pi) * num_observed
    )
