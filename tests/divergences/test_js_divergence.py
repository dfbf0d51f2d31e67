"""`divergences.js_divergence`: bounds, symmetry and numeric integration."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae import families
from keras_vae.divergences import js_divergence

tfd = tfp.distributions
LOG_2 = math.log(2.0)


def normal(params, size=1, dtype="float64"):
    return families.MultivariateNormalDiag(size)(np.array(params, dtype))


def samples(q, p, number):
    return q.sample(number, seed=(1, 2)), p.sample(number, seed=(3, 4))


@pytest.mark.parametrize(
    ("q", "p"), [((0, 0), (0, 0.1)), ((0, 0), (1, 0)), ((0, 0), (2, 1)), ((-3, -1), (3, 2))]
)
def test_against_numeric_integration(q, p):
    z = np.linspace(-30, 30, 200_001)
    log_q, log_p = (normal([d]).log_prob(z[:, None]).numpy() for d in (q, p))
    log_m = np.logaddexp(log_q, log_p) - LOG_2
    integrand = 0.5 * np.exp(log_q) * (log_q - log_m) + 0.5 * np.exp(log_p) * (log_p - log_m)
    expected = np.sum(integrand) * (z[1] - z[0])
    # 100 estimates from 100 samples each: their mean, and its standard error.
    q, p = normal([q] * 100), normal([p] * 100)
    estimates = js_divergence(q, p, *samples(q, p, 100)).numpy()
    error = 4 * np.std(estimates) / 10
    assert error < 0.02
    assert abs(np.mean(estimates) - expected) <= error + 1e-12


def test_symmetric():
    q, p = normal([[0.0, 1.0, 0.5, 0.0]], 2), normal([[1.0, 1.0, -0.5, 0.3]], 2)
    z_q, z_p = samples(q, p, 10)
    np.testing.assert_allclose(js_divergence(q, p, z_q, z_p), js_divergence(p, q, z_p, z_q))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_between_zero_and_log_two_for_any_samples(dtype):
    """Also for samples that belong to neither distribution, and however many there are."""
    rng = np.random.default_rng(1)
    tolerance = np.finfo(dtype).eps
    for scale in (0.01, 1.0, 100.0, 1e4):
        q = normal(scale * rng.normal(size=(50, 4)), 2, dtype)
        p = normal(scale * rng.normal(size=(50, 4)), 2, dtype)
        z = (scale * rng.normal(size=(2, 1, 50, 2))).astype(dtype)
        value = js_divergence(q, p, z[0], z[1]).numpy()
        assert value.shape == (50,)
        assert np.all(value >= 0.0)
        assert np.all(value <= LOG_2 + tolerance)


def test_zero_for_equal_distributions():
    q = normal([[0.0, 0.3]])
    np.testing.assert_array_equal(js_divergence(q, q, *samples(q, q, 10)), [0.0])


def test_log_two_for_disjoint_distributions():
    q, p = normal([[-1e4, 0.0]]), normal([[1e4, 0.0]])
    np.testing.assert_allclose(js_divergence(q, p, *samples(q, p, 10)), [LOG_2], rtol=1e-12)
    q, p = tfd.Uniform(0.0, 1.0), tfd.Uniform(2.0, 3.0)
    value = js_divergence(q, p, *samples(q, p, 10))
    np.testing.assert_allclose(value, LOG_2, rtol=1e-6)


def test_half_of_log_two_for_half_an_overlap():
    """Uniforms on [0, 1] and [1/2, 3/2]: half of each sample tells all, the other half nothing."""
    q, p = tfd.Uniform(np.float64(0.0), 1.0), tfd.Uniform(np.float64(0.5), 1.5)
    z = (np.arange(100) + 0.5) / 100
    np.testing.assert_allclose(js_divergence(q, p, z, z + 0.5), 0.5 * LOG_2, rtol=1e-12)


def test_samples_of_two_numbers():
    q, p = normal([[0.0, 0.0]] * 3), normal([[1.0, 0.0]] * 3)
    value = js_divergence(q, p, q.sample(5, seed=(1, 2)), p.sample(9, seed=(3, 4)))
    assert value.shape == (3,)


def test_gradients_are_finite():
    params = tf.constant([[0.0, 0.0], [1e4, -1e4], [-1e4, 1e4]])
    family = families.MultivariateNormalDiag(1)
    p = family(tf.zeros((3, 2)))
    with tf.GradientTape() as tape:
        tape.watch(params)
        z = family.sample(params, 10, seed=(1, 2))
        value = js_divergence(family(params), p, z, p.sample(10, seed=(3, 4)))
    assert np.isfinite(value).all()
    assert np.isfinite(tape.gradient(value, params)).all()


def test_errors():
    q = normal([[0.0, 0.0]])
    other = normal(np.zeros((1, 6)), 3)
    with pytest.raises(
        TypeError, match=r"js_divergence expects two TFP distributions. Received: p"
    ):
        js_divergence(q, None, np.zeros((1, 1)), np.zeros((1, 1)))
    with pytest.raises(ValueError, match=r"js_divergence expects .* of one shape. Received: event"):
        js_divergence(q, other, np.zeros((1, 1)), np.zeros((1, 3)))
