import math

import tensorflow as tf

from keras_vae._checks import distributions, samples
from keras_vae._tfp import tfd
from keras_vae._types import Array


def js_divergence(q: tfd.Distribution, p: tfd.Distribution, z_q: Array, z_p: Array) -> tf.Tensor:
    """Returns the Jensen-Shannon divergence of q and p, estimated from samples of both.

    Symmetric and bounded, for distributions that hardly overlap. The estimate weighs every
    sample by how well it tells q from p, so that it lies between 0 and log 2 for any number of
    samples, and is unbiased.

        JS(q, p) = 1/2 KL(q || m) + 1/2 KL(p || m),  m = (q + p) / 2                    [nats]
                 = E_m[log 2 - H(q / (q + p))],  H the entropy of a coin

    Args:
        q: A `tfd.Distribution`.
        p: A `tfd.Distribution` with the same event shape.
        z_q: Samples of `q`, the samples on the first axis.
        z_p: Samples of `p`, the samples on the first axis.

    Shapes:
        q, p: batch shape `(B,)` or `()`.
        z_q, z_p: `(S, B, *event_shape)`; the two S may differ.
        returns: `(B,)`.

    Raises:
        TypeError: If `q` or `p` is no distribution, or samples are no numbers.
        ValueError: If the event shapes differ, or samples have another shape.

    Reference:
        Lin, "Divergence Measures Based on the Shannon Entropy", 1991, equation 4.1.

    Example:
        >>> from keras_vae.families import MultivariateNormalDiag
        >>> q = MultivariateNormalDiag(1)([[[0.0]], [[0.0]]])
        >>> js_divergence(q, q, q.sample(9, seed=1), q.sample(9, seed=2)).numpy()
        array([0.], dtype=float32)
    """
    owner = "js_divergence"
    distributions(q, p, owner)
    z_q, z_p = samples(z_q, "z_q", owner, q), samples(z_p, "z_p", owner, p)

    def mean_information(z):
        log_ratio = q.log_prob(z) - p.log_prob(z)
        # Where both densities underflow the sample tells nothing apart.
        log_ratio = tf.where(tf.math.is_nan(log_ratio), tf.zeros_like(log_ratio), log_ratio)
        return tf.reduce_mean(_information(log_ratio), axis=0)

    return 0.5 * (mean_information(z_q) + mean_information(z_p))


def _information(log_ratio):
    """Returns log 2 - H(sigmoid(log_ratio)), in [0, log 2] and finite for any log-ratio."""
    distance = tf.minimum(tf.abs(log_ratio), 80.0)
    entropy = tf.nn.softplus(-distance) + distance * tf.sigmoid(-distance)
    return tf.maximum(tf.constant(math.log(2.0), entropy.dtype) - entropy, 0.0)
