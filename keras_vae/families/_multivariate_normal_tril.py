import math

import numpy as np
import tensorflow as tf

from keras_vae._numerics import LOG_VARIANCE_LIMIT, bounded, sum_event
from keras_vae._random import standard_normal
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae.families._family import Family, independent_over_leading_axes
from keras_vae.families._invertible import invertible, with_bounded_gradient

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
    real_valued = True

    def _parameter_sizes(self, size):
        return (size, size * (size + 1) // 2)

    def _distribution(self, loc, scale_tril):
        loc, scale = self._loc_and_scale(loc, scale_tril)
        normal = tfd.MultivariateNormalTriL(loc, scale)
        return independent_over_leading_axes(normal, self.event_shape)

    def _sample(self, shape, seed, loc, scale_tril):
        loc, scale = self._loc_and_scale(loc, scale_tril)
        noise = standard_normal(tf.concat([shape, tf.shape(loc)], 0), seed, loc.dtype)
        return loc + tf.linalg.matvec(scale, noise)

    def _log_likelihood(self, x, missing, loc, scale_tril, *, training):
        del training
        loc, scale = self._loc_and_scale(loc, scale_tril)
        log_prob = tf.cond(
            tf.reduce_any(missing),
            lambda: _log_marginal(x - loc, missing, scale),
            lambda: tfd.MultivariateNormalTriL(loc, scale).log_prob(x),
        )
        # An infinite residual overflows to NaN on its way to a density of zero; a NaN that comes
        # from the network stays one.
        parameters = tf.reduce_sum(loc, -1) + tf.reduce_sum(scale, [-2, -1])
        lost = tf.math.is_nan(log_prob) & ~tf.math.is_nan(parameters)
        log_prob = tf.where(~lost, log_prob, float("-inf"))
        leading = self.event_shape[:-1]
        return sum_event(log_prob, leading) if leading else log_prob

    def _expectation(self, x, missing, loc, scale_tril):
        loc, scale = self._loc_and_scale(loc, scale_tril)
        return _given_observed(loc, x, missing, scale)

    def _sample_missing(self, x, missing, seed, loc, scale_tril):
        event = self._sample([], seed, loc, scale_tril)
        return _given_observed(event, x, missing, self._loc_and_scale(loc, scale_tril)[1])

    def _loc_and_scale(self, loc, scale_tril):
        loc, scale_tril = with_bounded_gradient(loc), with_bounded_gradient(scale_tril)
        lower = _fill_rows(bounded(scale_tril, _SCALE_LIMIT), self.event_shape[-1])
        log_diagonal = bounded(tf.linalg.diag_part(lower), LOG_VARIANCE_LIMIT / 2)
        return loc, invertible(tf.linalg.set_diag(lower, tf.exp(log_diagonal)))


def _fill_rows(entries, size):
    """Returns lower triangular matrices, filled row by row."""
    rows, columns = np.tril_indices(size)
    places = rows * size + columns
    sources = np.zeros(size * size, "int32")
    sources[places] = np.arange(len(places))

    # Every entry has one place, so that the gradient is a gather too, not the slow scatter that
    # TensorFlow would make of it.
    @tf.custom_gradient
    def fill(entries):
        def gradient(upstream):
            return tf.gather(upstream, places, axis=-1)

        return tf.gather(entries, sources, axis=-1), gradient

    square = tf.concat([tf.shape(entries)[:-1], (size, size)], 0)
    return tf.linalg.band_part(tf.reshape(fill(entries), square), -1, 0)


def _observed_factor(observed, scale):
    """Returns the rows of the observed entries, their QR decomposition, signs, and their factor.

    A missing entry is made a standard normal variable, independent of the others. The factor of
    the covariance that remains comes from a QR decomposition of the factor that is there; the
    covariance itself has twice its digits, and float32 too few for a Cholesky decomposition.
    """
    rows = tf.where(observed[..., tf.newaxis], scale, tf.zeros_like(scale))
    others = tf.linalg.diag(tf.cast(~observed, scale.dtype))
    decomposed = tf.linalg.qr(tf.concat([tf.linalg.matrix_transpose(rows), others], -2))
    signs = tf.sign(tf.linalg.diag_part(decomposed.r))[..., tf.newaxis, :]
    return rows, decomposed, signs, invertible(tf.linalg.matrix_transpose(decomposed.r) * signs)


def _given_observed(event, x, missing, scale):
    """Returns the mean, or a draw, of all entries moved to one given the observed entries.

    event + C_.o C_oo^-1 (x_o - event_o),  C the covariance
    """
    observed = tf.broadcast_to(~missing, tf.shape(event))
    rows, _, _, factor = _observed_factor(observed, scale)
    residual = tf.where(observed, x - event, tf.zeros_like(event))[..., tf.newaxis]
    score = tf.linalg.triangular_solve(factor, residual)
    score = tf.linalg.triangular_solve(factor, score, adjoint=True)
    moved = tf.linalg.matmul(scale, tf.linalg.matmul(rows, score, transpose_a=True))
    return event + moved[..., 0]


def _log_marginal(residual, missing, scale):
    """Log-density of the observed entries: a missing one is observed at its mean."""
    observed = tf.broadcast_to(~missing, tf.shape(residual))

    # The gradient of a QR decomposition subtracts numbers that are larger than its result; this
    # one, of the log-density as a whole, has none of them.
    @tf.custom_gradient
    def log_marginal(residual, scale):
        _, decomposed, signs, factor = _observed_factor(observed, scale)
        whitened = tf.where(observed, residual, tf.zeros_like(residual))[..., tf.newaxis]
        whitened = tf.linalg.triangular_solve(factor, whitened)
        log_prob = (
            -0.5 * tf.reduce_sum(tf.square(whitened), axis=[-2, -1])
            - tf.reduce_sum(tf.math.log(tf.linalg.diag_part(factor)), axis=-1)
            - 0.5 * math.log(2 * math.pi) * tf.reduce_sum(tf.cast(observed, scale.dtype), axis=-1)
        )

        def gradient(upstream):
            # With M the rows, M' = Q R, C = M M' and s = C^-1 residual, the gradients are -s and
            # (s s' - C^-1) M = s (Q whitened)' - R^-1 Q'.
            upstream = upstream[..., tf.newaxis, tf.newaxis]
            orthogonal = (decomposed.q * signs)[..., : scale.shape[-1], :]
            score = tf.linalg.triangular_solve(factor, upstream * whitened, adjoint=True)
            inverse = tf.linalg.triangular_solve(
                factor, upstream * tf.linalg.matrix_transpose(orthogonal), adjoint=True
            )
            by_rows = tf.matmul(score, tf.matmul(orthogonal, whitened), transpose_b=True) - inverse
            by_rows = tf.where(observed[..., tf.newaxis], by_rows, tf.zeros_like(by_rows))
            return -score[..., 0], by_rows

        return log_prob, gradient

    return log_marginal(residual, scale)
