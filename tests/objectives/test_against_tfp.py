"""The bounds and their gradients against `tfp.vi.monte_carlo_variational_loss`."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae.families import MultivariateNormalDiag
from keras_vae.objectives import IWAE, LatentPath, RenyiBound, Terms
from keras_vae.priors import StandardNormal

RNG = np.random.default_rng(6)
PARAMS = RNG.normal(size=(5, 6))
X, DECODER = RNG.normal(size=(5, 4)), RNG.normal(size=(3, 4))
FAMILY = MultivariateNormalDiag(3)
PRIOR = StandardNormal(3, dtype="float64").distribution()
ESTIMATORS = tfp.vi.GradientEstimators
# Our objective; samples and samples of each importance-weighted bound; TFP's gradient.
CASES = {
    "elbo": (RenyiBound(alpha=1.0, num_samples=6), 6, 1, ESTIMATORS.REPARAMETERIZATION),
    "iwae": (IWAE(6), 1, 6, ESTIMATORS.REPARAMETERIZATION),
    "miwae": (IWAE(6, num_groups=2), 2, 3, ESTIMATORS.REPARAMETERIZATION),
    "dreg": (IWAE(6, gradient="dreg"), 1, 6, ESTIMATORS.DOUBLY_REPARAMETERIZED),
}


def log_likelihood(z):
    """log N(x; z D, 1) up to its constant, for any number of samples before the batch."""
    return -0.5 * tf.reduce_sum(tf.square(X - tf.tensordot(z, DECODER, 1)), -1)


@pytest.mark.parametrize("name", CASES)
def test_value_and_encoder_gradient(name):
    objective, sample_size, importance_sample_size, estimator = CASES[name]
    params, drawn = tf.constant(PARAMS), []

    def target(z):
        drawn.append(z)
        return PRIOR.log_prob(z) + log_likelihood(z)

    with tf.GradientTape() as tape:
        tape.watch(params)
        expected = tfp.vi.monte_carlo_variational_loss(
            target,
            FAMILY(params),
            sample_size=sample_size,
            importance_sample_size=importance_sample_size,
            stopped_surrogate_posterior=FAMILY(tf.stop_gradient(params)),
            gradient_estimator=estimator,
            seed=(1, 2),
        )
    expected_gradient = tape.gradient(expected, params)
    # The same noise: in both the samples of a bound are side by side.
    z = tf.reshape(drawn[-1], (-1, 5, 3))
    q = FAMILY(tf.constant(PARAMS))
    noise = (z - q.mean()) / q.stddev()
    with tf.GradientTape() as tape:
        tape.watch(params)
        q = FAMILY(params)
        z = q.mean() + q.stddev() * noise
        path = LatentPath(z)
        terms = Terms(
            posterior=q,
            frozen_posterior=FAMILY(tf.stop_gradient(params)),
            prior=PRIOR,
            z=z,
            path=path,
            log_likelihood=log_likelihood(path.z),
            kl_weight=tf.constant(1.0),
            step=tf.constant(0),
        )
        value = objective(terms)
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    np.testing.assert_allclose(tape.gradient(value, params), expected_gradient, rtol=1e-8)
