import math
import typing

import tensorflow as tf

from keras_vae._checks import choice, count, distributions, real_numbers
from keras_vae._tfp import tfd
from keras_vae._types import Array, Estimator, Integer

ESTIMATORS = ("weighted", "stratified")


class KLDecomposition(typing.NamedTuple):
    """The three parts of the mean KL divergence, one estimate for each example, in nats.

    Attributes:
        mutual_information: `(B,)`, I_q(x; z).
        total_correlation: `(B,)`, KL(q(z) || prod_j q(z_j)).
        dimension_wise_kl: `(B,)`, sum_j KL(q(z_j) || p(z_j)).
    """

    mutual_information: tf.Tensor
    total_correlation: tf.Tensor
    dimension_wise_kl: tf.Tensor


def total_correlation(
    q: tfd.Distribution, z: Array, dataset_size: Integer, estimator: Estimator = "weighted"
) -> tf.Tensor:
    """Returns an estimate of the total correlation of the aggregate posterior, by example.

    How far the latents are from being independent over the whole data set. Its mean over the
    batch is what beta-TCVAE penalises.

        TC = KL(q(z) || prod_j q(z_j)),  q(z) = 1/N sum_n q(z|x_n)                      [nats]

    The weighted estimate has the published constants, 1 / (N B) for each pair of examples: its
    gradient is right and its value up to (d - 1) log(N) too high. The stratified one has no such
    bias; take it for the value.

    Args:
        q: A `tfd.Distribution` q(z|x) with independent latents.
        z: One sample of each posterior.
        dataset_size: Integer, N.
        estimator: "weighted" or "stratified" minibatch estimate of q(z). Defaults to "weighted".

    Shapes:
        q: batch shape `(B,)`, event shape `(d,)`.
        z: `(B, d)`.
        returns: `(B,)`.

    Raises:
        ValueError: If `estimator` is unknown or the latents of `q` are not independent.

    Reference:
        Chen et al., "Isolating Sources of Disentanglement in Variational Autoencoders", 2018,
        equation 2 and appendix C.

    Example:
        >>> from keras_vae.families import MultivariateNormalDiag
        >>> q = MultivariateNormalDiag(2)([[[0.0, 0.0]], [[0.0, 0.0]]])
        >>> total_correlation(q, q.sample(seed=1), dataset_size=1).numpy()
        array([0.], dtype=float32)
    """
    owner = "total_correlation"
    log_joint, log_marginals = _log_aggregate(q, z, dataset_size, estimator, owner)
    return log_joint - tf.reduce_sum(log_marginals, axis=-1)


def kl_decomposition(
    q: tfd.Distribution,
    p: tfd.Distribution,
    z: Array,
    dataset_size: Integer,
    estimator: Estimator = "weighted",
) -> KLDecomposition:
    """Returns the mean KL divergence in three parts, which add up to its Monte Carlo estimate.

        E_x KL(q(z|x) || p(z)) = I_q(x; z) + KL(q(z) || prod_j q(z_j))
                                 + sum_j KL(q(z_j) || p(z_j))                           [nats]

    Args:
        q: A `tfd.Distribution` q(z|x) with independent latents.
        p: A `tfd.Distribution`, the prior.
        z: One sample of each posterior.
        dataset_size: Integer, the number of examples that q(z) averages over.
        estimator: "weighted" or "stratified". Defaults to "weighted".

    Shapes:
        q: batch shape `(B,)`, event shape `(d,)`.
        z: `(B, d)`.
        returns: `KLDecomposition`, each part `(B,)`.

    Raises:
        ValueError: If `estimator` is unknown or the latents of `q` are not independent.

    Reference:
        Chen et al., "Isolating Sources of Disentanglement in Variational Autoencoders", 2018,
        equation 2.

    Example:
        >>> from keras_vae.families import MultivariateNormalDiag
        >>> q = MultivariateNormalDiag(2)([[[3.0, 0.0]], [[0.0, 0.0]]])
        >>> parts = kl_decomposition(q, q, q.sample(seed=1), dataset_size=1)
        >>> float(sum(parts)[0])
        0.0
    """
    owner = "kl_decomposition"
    distributions(q, p, owner)
    log_joint, log_marginals = _log_aggregate(q, z, dataset_size, estimator, owner)
    log_product = tf.reduce_sum(log_marginals, axis=-1)
    return KLDecomposition(
        mutual_information=q.log_prob(z) - log_joint,
        total_correlation=log_joint - log_product,
        dimension_wise_kl=log_product - p.log_prob(z),
    )


def _log_aggregate(q, z, dataset_size, estimator, owner):
    """Returns the estimates of log q(z_i), `(B,)`, and of log q(z_ij), `(B, d)`."""
    choice(estimator, "estimator", owner, ESTIMATORS)
    dataset_size = count(dataset_size, "dataset_size", owner)
    elements = _elements(q, owner)
    z = real_numbers(z, "z", owner, rank=2)
    if not z.shape.is_compatible_with(elements.batch_shape):
        raise ValueError(
            f"{owner} expects z to be one sample of each posterior. Received: z of shape "
            f"{tuple(z.shape)} for posteriors of shape {tuple(elements.batch_shape)}. "
            "Take q.sample()."
        )
    # Entry (i, k, j): log q(z_ij | x_k).
    log_prob = elements.log_prob(z[:, tf.newaxis])
    weights = _weighted if estimator == "weighted" else _stratified
    log_weights = tf.cast(weights(tf.shape(z)[0], dataset_size), log_prob.dtype)
    log_joint = tf.reduce_logsumexp(log_weights + tf.reduce_sum(log_prob, axis=-1), axis=1)
    log_marginals = tf.reduce_logsumexp(log_weights[..., tf.newaxis] + log_prob, axis=1)
    return log_joint, log_marginals


def _weighted(batch_size, dataset_size):
    """Every example of the batch speaks for N examples: log 1 / (N B)."""
    value = -math.log(dataset_size) - tf.math.log(tf.cast(batch_size, tf.float32))
    return tf.fill((batch_size, batch_size), value)


def _stratified(batch_size, dataset_size):
    """Log of the weights of sampling without replacement, with the example's own among them.

    The example itself stands for 1 of N; of the M = B - 1 others, one carries what is left over,
    (N - M) / (N M), and the rest 1 / M each. Each row sums to 1.
    """
    others = tf.cast(batch_size - 1, tf.float32)
    size = tf.cast(dataset_size, tf.float32)
    identity = tf.eye(batch_size)
    neighbour = tf.roll(identity, shift=1, axis=1)
    weights = tf.fill((batch_size, batch_size), 1.0 / others)
    weights = tf.where(neighbour > 0, (size - others) / (size * others), weights)
    return tf.math.log(tf.where(identity > 0, 1.0 / size, weights))


def _elements(q, owner):
    """Returns the distribution of the single latents, batch shape `(B, d)`."""
    if isinstance(q, tfd.MultivariateNormalDiag):
        return tfd.Normal(q.loc, q.stddev())
    if isinstance(q, tfd.Independent) and not q.distribution.event_shape.rank:
        return q.distribution
    raise ValueError(
        f"{owner} expects a posterior with independent latents. "
        f"Received: q={type(q).__name__}. Take the family MultivariateNormalDiag."
    )
