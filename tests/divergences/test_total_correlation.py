"""Estimates of the aggregate posterior against the closed form of a Gaussian one."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae.divergences import kl_decomposition, total_correlation
from keras_vae.divergences._total_correlation import _stratified

tfd = tfp.distributions

# Means of the posteriors ~ N(0, C), their noise 0.5: the aggregate is N(0, C + 0.25 I).
NOISE = 0.5
COVARIANCE = np.array([[1.0, 0.6], [0.6, 1.0]]) + NOISE**2 * np.eye(2)
TOTAL_CORRELATION = 0.5 * math.log(np.prod(np.diag(COVARIANCE)) / np.linalg.det(COVARIANCE))
MUTUAL_INFORMATION = 0.5 * math.log(np.linalg.det(COVARIANCE) / NOISE**4)
# sum_j KL(N(0, v_j) || N(0, 1))
DIMENSION_WISE = np.sum(0.5 * (np.diag(COVARIANCE) - 1 - np.log(np.diag(COVARIANCE))))


def posterior(num_examples, seed):
    rng = np.random.default_rng(seed)
    means = rng.multivariate_normal(np.zeros(2), COVARIANCE - NOISE**2 * np.eye(2), num_examples)
    return tfd.MultivariateNormalDiag(means, [NOISE, NOISE])


def prior():
    return tfd.MultivariateNormalDiag(np.zeros(2), np.ones(2))


def test_full_batch_reaches_the_closed_form():
    """With all N examples in the batch q(z) is the aggregate itself, up to sampling.

    The standard error of each part is estimated from its spread over the examples; the 2000
    examples themselves vary as much again around the Gaussian, hence 6 of them.
    """
    q = posterior(2000, seed=1)
    parts = kl_decomposition(q, prior(), q.sample(seed=(1, 2)), 2000, "stratified")
    expected = (MUTUAL_INFORMATION, TOTAL_CORRELATION, DIMENSION_WISE)
    for part, value in zip(parts, expected, strict=True):
        error = np.std(part) / math.sqrt(len(part))
        assert abs(np.mean(part) - value) < 6 * error


@pytest.mark.parametrize("estimator", ["weighted", "stratified"])
def test_the_parts_add_up_to_the_divergence(estimator):
    q = posterior(16, seed=2)
    z = q.sample(seed=(1, 2))
    parts = kl_decomposition(q, prior(), z, 1000, estimator)
    np.testing.assert_allclose(sum(parts), q.log_prob(z) - prior().log_prob(z), rtol=1e-9)
    np.testing.assert_allclose(parts[1], total_correlation(q, z, 1000, estimator))


def test_stratified_minibatches_have_little_bias():
    """Batches of 64 of a data set of 2000: within 0.1 nats of the full batch on average."""
    everything = posterior(2000, seed=1)
    rng = np.random.default_rng(5)

    @tf.function
    def decomposed(loc, seed):
        q = tfd.MultivariateNormalDiag(loc, [NOISE, NOISE])
        z = q.sample(seed=(seed, 1))
        return kl_decomposition(q, prior(), z, 2000, "stratified")

    estimates = []
    for seed in range(100):
        chosen = rng.choice(2000, 64, replace=False)
        parts = decomposed(everything.loc.numpy()[chosen], tf.constant(seed))
        estimates.append([np.mean(part) for part in parts])
    information, correlation, _ = np.mean(estimates, axis=0)
    assert information == pytest.approx(MUTUAL_INFORMATION, abs=0.1)
    assert correlation == pytest.approx(TOTAL_CORRELATION, abs=0.1)


def test_mutual_information_stays_below_the_log_of_the_data_set():
    """Posteriors that do not overlap: I(x; z) = log N; more shows a wrong weight matrix."""
    q = tfd.MultivariateNormalDiag(100.0 * np.arange(16)[:, None] * np.ones((1, 2)), [0.1, 0.1])
    parts = kl_decomposition(q, prior(), q.sample(seed=(1, 2)), 500, "stratified")
    np.testing.assert_allclose(parts.mutual_information, math.log(500), rtol=1e-6)


@pytest.mark.parametrize(("batch_size", "dataset_size"), [(2, 2), (5, 5), (5, 100), (64, 60000)])
def test_stratified_weights_fill_the_diagonal_and_their_rows_sum_to_one(batch_size, dataset_size):
    weights = np.exp(_stratified(batch_size, dataset_size))
    np.testing.assert_allclose(np.diag(weights), 1 / dataset_size, rtol=1e-6)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-6)
    # Every column speaks for as much as every other: no column is the diagonal's.
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-6)


def test_weighted_estimate_is_the_published_formula():
    q = posterior(8, seed=3)
    z = q.sample(seed=(1, 2)).numpy()
    log_prob = -0.5 * ((z[:, None] - q.loc.numpy()[None]) / NOISE) ** 2
    log_prob -= math.log(NOISE) + 0.5 * math.log(2 * math.pi)
    constant = math.log(8 * 100)
    joint = np.log(np.exp(log_prob.sum(-1)).sum(1)) - constant
    marginals = np.log(np.exp(log_prob).sum(1)) - constant
    expected = joint - marginals.sum(-1)
    np.testing.assert_allclose(total_correlation(q, z, 100, "weighted"), expected, rtol=1e-6)


def test_batch_of_one_and_independent_entries():
    q = tfd.Independent(tfd.Laplace(np.zeros((1, 2)), np.ones((1, 2))), 1)
    for estimator in ("weighted", "stratified"):
        assert np.isfinite(total_correlation(q, q.sample(seed=(1, 2)), 10, estimator)).all()


def test_errors():
    q = posterior(4, seed=1)
    with pytest.raises(ValueError, match=r"expects estimator .* Received: estimator='best'"):
        total_correlation(q, q.sample(seed=(1, 2)), 10, "best")
    full = tfd.MultivariateNormalTriL(tf.zeros((4, 2)), tf.eye(2))
    with pytest.raises(
        ValueError, match=r"independent latents\. Received: q=MultivariateNormalTriL"
    ):
        total_correlation(full, full.sample(seed=(1, 2)), 10)
