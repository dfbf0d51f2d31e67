"""The evidence of a linear-Gaussian model is known: the parts must give it.

z ~ N(0, I), x | z ~ N(W z + b, s^2 I), so that x ~ N(b, W W' + s^2 I) and z | x is normal.
"""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import families, priors
from keras_vae.divergences import kl_divergence
from keras_vae.objectives import ELBO, Terms

SCALE, LATENT, DATA, BATCH = 0.7, 2, 4, 5
RNG = np.random.default_rng(3)
W, B = RNG.normal(size=(DATA, LATENT)), RNG.normal(size=DATA)
X = RNG.normal(size=(BATCH, DATA))
POSTERIOR = families.MultivariateNormalTriL(LATENT)


def evidence():
    covariance = W @ W.T + SCALE**2 * np.eye(DATA)
    residual = X - B
    square = np.sum(residual * np.linalg.solve(covariance, residual.T).T, axis=-1)
    return -0.5 * (square + np.linalg.slogdet(2 * np.pi * covariance)[1])


def true_posterior():
    """Parameters [loc, scale_tril] of p(z | x), the diagonal of the factor as its logarithm."""
    covariance = np.linalg.inv(np.eye(LATENT) + W.T @ W / SCALE**2)
    loc = (X - B) @ W @ covariance / SCALE**2
    factor = np.linalg.cholesky(covariance)
    np.fill_diagonal(factor, np.log(np.diag(factor)))
    return np.concatenate([loc, np.tile(factor[np.tril_indices(LATENT)], (BATCH, 1))], -1)


def terms(params, number):
    q = POSTERIOR(params)
    z = POSTERIOR.sample(params, number, seed=1)
    log_likelihood = families.Normal(DATA, scale=SCALE).log_likelihood(
        X, tf.linalg.matvec(tf.constant(W), z) + B
    )
    prior = priors.StandardNormal(LATENT, dtype="float64").distribution()
    return Terms(q, prior, z, log_likelihood, tf.constant(1.0), tf.constant(0))


def test_every_importance_weight_of_the_true_posterior_is_the_evidence():
    log_weight = terms(true_posterior(), 10).log_weight
    np.testing.assert_allclose(log_weight, np.tile(evidence(), (10, 1)), rtol=1e-10)


@pytest.mark.parametrize("distance", [0.0, 0.3])
def test_evidence_is_the_bound_plus_the_divergence_from_the_true_posterior(distance):
    number = 20_000
    params = true_posterior()
    other = params + distance * np.random.default_rng(4).normal(size=params.shape)
    made = terms(other, number)
    gap = kl_divergence(POSTERIOR(other), POSTERIOR(params), method="exact").numpy()
    # Chance is in the reconstruction alone: the divergences are exact.
    standard_error = np.std(made.log_likelihood, axis=0) / math.sqrt(number)
    error = np.abs(evidence() - (gap - ELBO()(made)))
    np.testing.assert_array_less(error, 4 * standard_error)
    assert np.all(gap >= -1e-12)
    if distance:
        # Large enough to be missed if it were left out.
        assert np.any(gap > 8 * standard_error)


def test_the_mean_importance_weight_is_the_evidence_for_any_posterior():
    number = 20_000
    params = true_posterior()
    other = params + 0.2 * np.random.default_rng(4).normal(size=params.shape)
    weight = np.exp(terms(other, number).log_weight - evidence())
    standard_error = np.std(weight, axis=0) / math.sqrt(number)
    np.testing.assert_array_less(np.abs(weight.mean(0) - 1.0), 4 * standard_error)
