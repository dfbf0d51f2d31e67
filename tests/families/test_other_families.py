"""What belongs to one family alone."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import families, priors
from keras_vae.divergences import kl_divergence


def test_bernoulli_of_grey_values_is_the_binary_cross_entropy():
    rng = np.random.default_rng(1)
    x, logits = rng.uniform(size=(5, 3)), rng.normal(size=(5, 3))
    probability = 1 / (1 + np.exp(-logits))
    expected = np.sum(x * np.log(probability) + (1 - x) * np.log1p(-probability), -1)
    np.testing.assert_allclose(families.Bernoulli(3).log_likelihood(x, logits), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_continuous_bernoulli_integrates_to_one(dtype):
    """For logits up to the bound; the midpoint rule with a step far below 1 / logits."""
    logits = np.array([[-80], [-30], [-3], [-0.1], [-1e-3], [0], [1e-3], [0.05], [2], [80]], dtype)
    number = 50_000
    x = (np.arange(number) + 0.5) / number
    family = families.ContinuousBernoulli(1)
    params = np.broadcast_to(logits[None], (number, len(logits), 1))
    x = np.broadcast_to(x[:, None, None], params.shape)
    log_density = family.log_likelihood(x.reshape(-1, 1), params.reshape(-1, 1)).numpy()
    integral = np.exp(log_density.astype("float64")).reshape(number, -1).mean(0)
    # Midpoint rule: logits^2 / (24 number^2); float32: 80 * 2^-24 in the exponent.
    np.testing.assert_allclose(integral, 1.0, atol=2e-5 if dtype == "float32" else 1e-6)


@pytest.mark.parametrize("logits", [0.0, 1e-6, 0.5, -4.0, 20.0, 80.0, -80.0])
def test_continuous_bernoulli_mean_and_samples(logits):
    number = 20_000
    distribution = families.ContinuousBernoulli(1)(np.array([[logits]], "float32"))
    x = (np.arange(number) + 0.5) / number
    density = np.exp(logits * (x - (logits > 0)))
    density /= density.sum()
    mean = np.sum(density * x)
    stddev = math.sqrt(np.sum(density * (x - mean) ** 2))
    np.testing.assert_allclose(distribution.mean(), [[mean]], rtol=1e-3)
    samples = families.ContinuousBernoulli(1).sample([[[logits]]], number, seed=1).numpy()
    assert samples.min() >= 0.0
    assert samples.max() <= 1.0
    assert abs(samples.mean() - mean) < 5 * stddev / math.sqrt(number)


@pytest.mark.parametrize("logits", [1e4, -1e4, 1e9])
def test_continuous_bernoulli_logits_are_led_back(logits):
    logits = tf.constant([[logits]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = -families.ContinuousBernoulli(1).log_likelihood([[0.5]], logits)
    assert tape.gradient(loss, logits).numpy() * np.sign(logits) > 0.1


@pytest.mark.parametrize("log_variance", [1e4, -1e4, 1e12, -1e12])
def test_diagonal_log_variance_is_led_back(log_variance):
    params = tf.constant([[0.0, log_variance]])
    family = families.MultivariateNormalDiag(1)
    losses = {
        "likelihood": lambda: -family.log_likelihood([[1.0]], params),
        "divergence": lambda: kl_divergence(
            family(params), priors.StandardNormal(1).distribution()
        ),
        "sample": lambda: family.sample(params, seed=1) ** 2,
    }
    for name, function in losses.items():
        with tf.GradientTape() as tape:
            tape.watch(params)
            loss = function()
        gradient = tape.gradient(loss, params).numpy()[0, 1]
        assert np.isfinite(loss).all(), name
        # Descending the square of a sample asks for a smaller scale, which at the lower bound
        # leads outwards.
        stopped = name == "sample" and log_variance < 0
        assert gradient == 0.0 if stopped else gradient * np.sign(log_variance) > 0.1, name


def test_deterministic_sample_is_the_parameter():
    loc = tf.random.stateless_normal((4, 2, 3), (1, 2))
    np.testing.assert_array_equal(families.Deterministic((2, 3)).sample(loc, seed=1), loc)
    np.testing.assert_array_equal(families.Deterministic((2, 3)).sample(loc, 2)[1], loc)


@pytest.mark.parametrize("event_shape", [(3,), (2, 3)])
@pytest.mark.parametrize("method", ["exact", "monte_carlo"])
def test_deterministic_divergence_is_minus_the_log_prior(event_shape, method):
    loc = tf.random.stateless_normal((4, *event_shape), (1, 2), dtype=tf.float64)
    prior = priors.StandardNormal(event_shape, dtype="float64").distribution()
    divergence = kl_divergence(families.Deterministic(event_shape)(loc), prior, loc, method)
    axes = tuple(range(1, loc.shape.rank))
    expected = np.sum(0.5 * loc.numpy() ** 2 + 0.5 * math.log(2 * math.pi), axis=axes)
    np.testing.assert_allclose(divergence, expected)


def test_deterministic_is_no_likelihood():
    text = r"Deterministic expects to be a posterior. Received: .* Take Normal"
    with pytest.raises(ValueError, match=text):
        families.Deterministic(2).log_likelihood(np.zeros((1, 2)), np.zeros((1, 2)))
