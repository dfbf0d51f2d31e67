"""The exact divergence, its estimate, and the closed form in float64 are one number."""

import math

import numpy as np
import pytest
import tensorflow_probability as tfp

from keras_vae import families, priors
from keras_vae.divergences import kl_divergence

tfd = tfp.distributions
FAMILIES = {
    "diag": families.MultivariateNormalDiag,
    "tril": families.MultivariateNormalTriL,
    "normal": lambda shape: families.Normal(shape, scale="per_element"),
}
SIZE = 3
# TFP has no closed form for a pair of a vector and of independent scalars.
PAIRS = [
    ("diag", "diag"),
    ("tril", "tril"),
    ("diag", "tril"),
    ("tril", "diag"),
    ("normal", "normal"),
]


def random(name, batch, seed):
    family = FAMILIES[name](SIZE)
    return family(np.random.default_rng(seed).normal(size=(batch, family.params_size)))


def covariance(distribution):
    if isinstance(distribution, tfd.Independent):
        return np.stack([np.diag(row) for row in distribution.variance().numpy()])
    return distribution.covariance().numpy()


def closed_form(q, p):
    """KL of normal distributions in numpy: from any covariances, without their factors."""
    values = []
    means = zip(q.mean().numpy(), p.mean().numpy(), strict=True)
    for (m_q, m_p), s_q, s_p in zip(means, covariance(q), covariance(p), strict=True):
        shift = m_p - m_q
        values.append(
            0.5
            * (
                np.trace(np.linalg.solve(s_p, s_q))
                + shift @ np.linalg.solve(s_p, shift)
                - len(shift)
                + np.linalg.slogdet(s_p)[1]
                - np.linalg.slogdet(s_q)[1]
            )
        )
    return np.array(values)


@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_closed_form_in_both_directions(q, p):
    q, p = random(q, 5, 1), random(p, 5, 2)
    forward, reverse = closed_form(p, q), closed_form(q, p)
    np.testing.assert_allclose(kl_divergence(q, p, method="exact"), reverse, rtol=1e-10)
    np.testing.assert_allclose(kl_divergence(p, q, method="exact"), forward, rtol=1e-10)
    assert np.all(np.abs(forward - reverse) > 0.01)


@pytest.mark.parametrize("name", ["diag", "tril"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_from_the_standard_normal(name, dtype):
    """1/2 (tr S + mu'mu - d - log |S|)"""
    family = FAMILIES[name](SIZE)
    params = np.random.default_rng(1).normal(size=(5, family.params_size))
    q, exact = family(params.astype(dtype)), family(params)
    s, mu = covariance(exact), exact.mean().numpy()
    expected = 0.5 * (
        np.trace(s, axis1=1, axis2=2) + np.sum(mu**2, -1) - SIZE - np.linalg.slogdet(s)[1]
    )
    prior = priors.StandardNormal(SIZE, dtype=dtype).distribution()
    tolerance = 1e-11 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(kl_divergence(q, prior), expected, rtol=tolerance)


@pytest.mark.parametrize("event_shape", [(4,), (2, 3), (2, 2, 3)])
@pytest.mark.parametrize("name", ["diag", "tril"])
def test_summed_over_all_axes_of_the_event_and_none_of_the_batch(name, event_shape):
    family, last = FAMILIES[name](event_shape), FAMILIES[name](event_shape[-1])
    params = np.random.default_rng(1).normal(size=(5, *family.params_shape))
    value = kl_divergence(
        family(params), priors.StandardNormal(event_shape, dtype="float64").distribution()
    )
    rows = params.reshape(5, -1, params.shape[-1])
    prior = priors.StandardNormal(event_shape[-1], dtype="float64").distribution()
    expected = sum(kl_divergence(last(rows[:, i]), prior).numpy() for i in range(rows.shape[1]))
    np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize(("q", "p"), PAIRS)
def test_estimate(q, p):
    number = 10_000
    q, p = random(q, 4, 1), random(p, 4, 2)
    exact = kl_divergence(q, p, method="exact").numpy()
    z = q.sample(number, seed=(1, 2))
    estimate = kl_divergence(q, p, z, method="monte_carlo").numpy()
    standard_error = np.std(q.log_prob(z) - p.log_prob(z), axis=0) / math.sqrt(number)
    np.testing.assert_array_less(np.abs(estimate - exact), 4 * standard_error)
    # The test can tell a direction from the other, and a sum from a mean.
    wrong = kl_divergence(p, q, method="exact").numpy()
    assert np.any(np.abs(estimate - wrong) > 8 * standard_error)
    assert np.any(np.abs(estimate - exact / SIZE) > 8 * standard_error)


def test_learned_prior_at_the_posterior_has_no_divergence():
    for name in ("diag", "tril"):
        family = FAMILIES[name](SIZE)
        params = np.random.default_rng(1).normal(size=(family.params_size,)).astype("float32")
        prior = priors.TrainablePrior(family)
        prior.params.assign(params)
        value = kl_divergence(family(np.stack([params] * 4)), prior.distribution())
        np.testing.assert_allclose(value, 0.0, atol=1e-5)
