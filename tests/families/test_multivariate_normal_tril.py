"""`families.MultivariateNormalTriL`: its covariance, and missing entries."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import families, priors
from keras_vae.divergences import kl_divergence
from keras_vae.families._invertible import INVERSE_LIMIT, invertible


def cholesky(scale_tril, size):
    scale = np.zeros((len(scale_tril), size, size))
    row, column = np.tril_indices(size)
    scale[:, row, column] = scale_tril
    diagonal = np.arange(size)
    scale[:, diagonal, diagonal] = np.exp(scale[:, diagonal, diagonal])
    return scale


def log_density(residual, covariance):
    square = residual @ np.linalg.solve(covariance, residual)
    return -0.5 * (square + np.linalg.slogdet(2 * np.pi * covariance)[1])


def value_and_gradient(family, x, params):
    params = tf.convert_to_tensor(params)
    with tf.GradientTape() as tape:
        tape.watch(params)
        value = family.log_likelihood(x, params)
    return value.numpy(), tape.gradient(value, params).numpy()


def test_covariance():
    scale_tril = np.random.default_rng(1).normal(size=(5, 6))
    distribution = families.MultivariateNormalTriL(3)([np.ones((5, 3)), scale_tril])
    scale = cholesky(scale_tril, 3)
    np.testing.assert_allclose(distribution.covariance(), scale @ scale.swapaxes(1, 2))
    np.testing.assert_array_equal(distribution.mean(), 1.0)


def test_samples_have_the_covariance():
    number = 20000
    scale_tril = np.random.default_rng(1).normal(size=(1, 6))
    params = np.concatenate([np.full((1, 3), 5.0), scale_tril], -1)
    samples = families.MultivariateNormalTriL(3).sample(params, number, seed=1).numpy()[:, 0]
    scale = cholesky(scale_tril, 3)[0]
    covariance = scale @ scale.T
    # Variance of the product of two centred normal variables: S_ii S_jj + S_ij^2.
    variance = np.diag(covariance)
    error = 5 * np.sqrt((np.outer(variance, variance) + covariance**2) / number)
    np.testing.assert_array_less(np.abs(np.cov(samples.T) - covariance), error)


def test_zero_parameters_are_the_standard_normal():
    distribution = families.MultivariateNormalTriL(3)(np.zeros((2, 9)))
    np.testing.assert_array_equal(distribution.covariance(), np.stack([np.eye(3)] * 2))


def test_a_triangular_scale_with_zeros_below_the_diagonal_is_the_diagonal_family():
    rng = np.random.default_rng(1)
    loc, log_variance, x = rng.normal(size=(3, 5, 3))
    scale_tril = np.zeros((5, 6))
    scale_tril[:, [0, 2, 5]] = log_variance / 2
    full = families.MultivariateNormalTriL(3).log_likelihood(x, [loc, scale_tril])
    diagonal = families.MultivariateNormalDiag(3).log_likelihood(x, [loc, log_variance])
    np.testing.assert_allclose(full, diagonal, rtol=1e-12)


@pytest.mark.parametrize("leading", [(), (2,)])
def test_missing_entries_are_marginalised(leading):
    """Every pattern of missing entries, against the marginal in float64."""
    rng = np.random.default_rng(1)
    size, patterns = 3, np.array(list(np.ndindex(2, 2, 2)), bool)
    loc, x = rng.normal(size=(2, *leading, 8, size))
    scale_tril = rng.normal(size=(*leading, 8, 6))
    expected = np.zeros((*leading, 8))
    for index in np.ndindex(*leading):
        scale = cholesky(scale_tril[index], size)
        covariance = scale @ scale.swapaxes(1, 2)
        for i, observed in enumerate(patterns):
            # One data point for all leading axes of the parameters.
            residual = (x[(0,) * len(leading)] - loc[index])[i, observed]
            expected[(*index, i)] = log_density(residual, covariance[i][np.ix_(observed, observed)])
    x = np.where(patterns, x[(0,) * len(leading)], np.nan)
    family = families.MultivariateNormalTriL(size)
    value, gradient = value_and_gradient(family, x, np.concatenate([loc, scale_tril], -1))
    np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-12)
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[..., 0, :], 0.0)
    single = np.concatenate([loc, scale_tril], -1).astype("float32")
    np.testing.assert_allclose(family.log_likelihood(x, single), expected, rtol=1e-4, atol=1e-4)


def test_gradient_where_entries_are_missing():
    """Every pattern, against automatic differentiation of the marginal's covariance."""
    rng = np.random.default_rng(1)
    size, patterns = 3, np.array(list(np.ndindex(2, 2, 2)), bool)
    family = families.MultivariateNormalTriL(size)
    x = np.where(patterns, rng.normal(size=(8, size)), np.nan)
    params = tf.constant(rng.normal(size=(8, family.params_size)))
    weights = tf.constant(rng.normal(size=8))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        value = tf.reduce_sum(weights * family.log_likelihood(x, params))
        expected = tf.constant(0.0, tf.float64)
        distribution = family(params)
        for i, observed in enumerate(patterns):
            places = np.flatnonzero(observed)
            rows = tf.gather(distribution.scale_tril[i], places)
            covariance = tf.matmul(rows, rows, transpose_b=True)
            residual = tf.gather(x[i] - distribution.loc[i], places)[:, tf.newaxis]
            square = tf.reduce_sum(residual * tf.linalg.solve(covariance, residual))
            log_determinant = tf.linalg.logdet(2 * np.pi * covariance)
            expected -= 0.5 * weights[i] * (square + log_determinant)
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    ours, theirs = tape.gradient(value, params), tape.gradient(expected, params)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


def test_missing_entries_where_the_covariance_has_more_digits_than_float32():
    """Standard deviations of e^-8 given the others, beside covariances of 1."""
    size = 3
    scale_tril = np.array([[0.0, 1.0, -8.0, 1.0, 0.5, -8.0]])
    scale = cholesky(scale_tril, size)[0]
    covariance = (scale @ scale.T)[:2, :2]
    residual = scale[:2, :2] @ [1.0, 2.0]
    x = np.array([[*residual, np.nan]])
    params = np.concatenate([np.zeros((1, size)), scale_tril], -1)
    value, gradient = value_and_gradient(
        families.MultivariateNormalTriL(size), x.astype("float32"), params.astype("float32")
    )
    expected = log_density(residual, covariance)
    # The residual has rounding errors of 6e-8, which is 2e-4 of the smallest standard deviation.
    np.testing.assert_allclose(value, [expected], atol=5e-3)
    assert np.isfinite(gradient).all()


def test_missing_entries_in_a_compiled_function():
    family = families.MultivariateNormalTriL(3)
    x = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
    x[0, 1] = x[1, :2] = np.nan
    params = tf.random.stateless_normal((4, 9), (1, 2))
    expected = value_and_gradient(family, x, params)

    @tf.function(jit_compile=True)
    def compiled(params):
        with tf.GradientTape() as tape:
            tape.watch(params)
            value = family.log_likelihood(x, params)
        return value, tape.gradient(value, params)

    for ours, theirs in zip(compiled(params), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [3, 5, 20])
@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_extreme_parameters_have_a_finite_divergence(size, scale):
    family = families.MultivariateNormalTriL(size)
    params = tf.fill((2, family.params_size), scale)
    prior = priors.StandardNormal(size).distribution()
    for ours, theirs in [(family(params), prior), (prior, family(params))]:
        assert np.isfinite(kl_divergence(ours, theirs)).all()
    with tf.GradientTape() as tape:
        tape.watch(params)
        divergence = kl_divergence(family(params), prior)
    assert np.isfinite(tape.gradient(divergence, params)).all()


def difficult_scales(size, spread):
    """Factors of standard deviations e^-spread, beside entries as large as 1."""
    entries = np.random.default_rng(2).uniform(-1, 1, (8, size * (size + 1) // 2))
    diagonal = np.cumsum(np.arange(1, size + 1)) - 1
    entries[:, diagonal] = -spread
    return entries


@pytest.mark.parametrize(("size", "spread"), [(2, 9.0), (3, 8.0), (5, 5.0), (20, 1.5), (20, 1.6)])
def test_what_float32_can_invert_is_left_alone(size, spread):
    """Up to the limit almost, and beyond the bound that is looked at first (the last row)."""
    entries = difficult_scales(size, spread)
    scale = cholesky(entries, size)
    assert np.abs(np.linalg.inv(scale)).max() < INVERSE_LIMIT
    family = families.MultivariateNormalTriL(size)
    distribution = family([np.zeros((8, size)), entries])
    np.testing.assert_allclose(distribution.scale_tril, scale, rtol=1e-14)
    noise = np.random.default_rng(3).normal(size=(8, size, 1))
    x = (scale @ noise)[..., 0]
    value = family.log_likelihood(x, [np.zeros((8, size)), entries])
    log_determinant = -entries[:, np.cumsum(np.arange(1, size + 1)) - 1].sum(-1)
    expected = -0.5 * (np.square(noise).sum((1, 2)) + size * math.log(2 * math.pi))
    np.testing.assert_allclose(value, expected + log_determinant, rtol=1e-4)


@pytest.mark.parametrize(
    ("size", "jit_compile"),
    [
        *((size, False) for size in (3, 5, 20)),
        (3, True),
        pytest.param(20, True, marks=pytest.mark.stress),
    ],
)
def test_what_float32_cannot_invert_is_held_at_the_limit(size, jit_compile):
    scale = tf.constant(cholesky(difficult_scales(size, 10.0), size))
    held = tf.function(invertible, jit_compile=jit_compile)(scale).numpy()
    largest = np.abs(np.linalg.inv(held)).max((1, 2))
    np.testing.assert_array_less(largest, INVERSE_LIMIT * (1 + 1e-4))
    # Where something was shrunk, it was shrunk to the limit and no further.
    changed = (held != scale.numpy()).any((1, 2))
    assert changed.any()
    np.testing.assert_allclose(largest[changed], INVERSE_LIMIT, rtol=1e-4)
    # Whole rows shrink, and never the diagonal.
    rows, columns = np.tril_indices(size, -1)
    shares = np.zeros((len(held), size, size))
    shares[:, rows, columns] = held[:, rows, columns] / scale.numpy()[:, rows, columns]
    for row in range(1, size):
        np.testing.assert_allclose(shares[:, row, :row].T, [shares[:, row, 0]] * row)
    np.testing.assert_array_less(shares, 1 + 1e-12)
    np.testing.assert_array_equal(
        np.diagonal(held, axis1=1, axis2=2), np.diagonal(scale, axis1=1, axis2=2)
    )


def test_one_difficult_scale_leaves_the_others_alone():
    entries = np.concatenate([difficult_scales(5, 10.0), difficult_scales(5, 0.0)])
    scale = cholesky(entries, 5)
    held = invertible(tf.constant(scale)).numpy()
    np.testing.assert_array_equal(held[8:], scale[8:])
    assert (held[:8] != scale[:8]).any()


def test_extreme_parameters_are_led_back():
    """Descending the gradient from where the network was thrown ends at an ordinary density."""
    family = families.MultivariateNormalTriL(5)
    params = tf.Variable(tf.fill((1, family.params_size), -30.0))
    optimizer = keras.optimizers.Adam(0.5)
    x = np.random.default_rng(1).normal(size=(1, 5)).astype("float32")

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(family.log_likelihood(x, params))
        optimizer.apply_gradients([(tape.gradient(loss, params), params)])
        return loss

    losses = [step().numpy() for _ in range(300)]
    assert np.isfinite(losses).all()
    assert losses[0] > 1e20
    assert losses[-1] < 30


def test_the_gradient_of_an_unlikely_event_can_be_squared():
    family = families.MultivariateNormalTriL(20)
    params = tf.fill((1, family.params_size), -1e4)
    x = np.zeros((1, 20), "float32")
    x[0, 3] = np.nan
    for data in (np.zeros((1, 20), "float32"), x):
        value, gradient = value_and_gradient(family, data, params)
        assert value < -1e20
        assert np.isfinite(np.square(gradient).sum())


def test_a_nan_of_the_network_is_not_hidden():
    params = np.zeros((2, 5), "float32")
    params[0, 3] = np.nan
    value = families.MultivariateNormalTriL(2).log_likelihood(np.zeros((2, 2)), params).numpy()
    np.testing.assert_array_equal(np.isnan(value), [True, False])


@pytest.mark.parametrize("diagonal", [1e4, -1e4, 1e12])
def test_a_bounded_scale_is_led_back(diagonal):
    params = tf.constant([[0.0, diagonal]])
    family = families.MultivariateNormalTriL(1)
    with tf.GradientTape() as tape:
        tape.watch(params)
        loss = -family.log_likelihood([[1.0]], params)
    assert tape.gradient(loss, params).numpy()[0, 1] * np.sign(diagonal) > 0.1
