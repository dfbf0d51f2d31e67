"""The mixture of a batch of distributions."""

import math

import tensorflow as tf

from keras_vae._tfp import tfd


def mixture(logits, components):
    """Returns the mixture with these logits of the distributions along the only batch axis."""
    diagonal = isinstance(components, tfd.MultivariateNormalDiag)
    # Of float64 the products below would lose digits.
    fast = diagonal and components.dtype == tf.float32
    kind = _MixtureOfDiagonals if fast else tfd.MixtureSameFamily
    return kind(tfd.Categorical(logits=logits), components)


class _MixtureOfDiagonals(tfd.MixtureSameFamily):
    """Of normal distributions with diagonal covariance, whose densities are products of matrices.

        sum_d (x_d - m_d)^2 / s_d^2  =  x^2 . s^-2  -  2 x . (m s^-2)  +  m^2 . s^-2

    The difference itself is an array of samples x components x latents, which takes many times
    as long. The terms cancel: in float64 what is left is more exact than the sum of the
    differences in float32.
    """

    def _log_prob(self, x):
        loc, scale = (
            tf.cast(moment(), tf.float64)
            for moment in (self.components_distribution.mean, self.components_distribution.stddev)
        )
        wide, precision = tf.cast(x, tf.float64), tf.square(1.0 / scale)
        square = tf.tensordot(tf.square(wide), precision, [[-1], [-1]])
        square -= 2.0 * tf.tensordot(wide, loc * precision, [[-1], [-1]])
        square += tf.reduce_sum(tf.square(loc) * precision, axis=-1)
        constant = tf.reduce_sum(tf.math.log(scale) + 0.5 * math.log(2.0 * math.pi), axis=-1)
        log_weights = tf.nn.log_softmax(tf.cast(self.mixture_distribution.logits, tf.float64))
        log_prob = tf.reduce_logsumexp(log_weights - constant - 0.5 * square, axis=-1)
        return tf.cast(log_prob, x.dtype)
