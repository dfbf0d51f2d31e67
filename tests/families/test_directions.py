"""`families.VonMisesFisher` and `families.PowerSpherical`: points on a sphere."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae import divergences, families, priors

tfd = tfp.distributions
FAMILIES = [families.PowerSpherical, families.VonMisesFisher]
both = pytest.mark.parametrize("family", FAMILIES)
stress = pytest.mark.stress


def parameters(size, log_concentration, batch=3):
    loc = np.random.default_rng(1).normal(size=(batch, size))
    # The poles, where reflections degenerate.
    loc[0], loc[1] = 0.0, -np.eye(size)[0]
    return np.concatenate([loc, np.full((batch, 1), log_concentration)], -1)


@both
@pytest.mark.parametrize("size", [2, *(pytest.param(size, marks=stress) for size in (3, 5)), 20])
@pytest.mark.parametrize(
    "log_concentration", [-8.0, 3.0, *(pytest.param(value, marks=stress) for value in (0.0, 8.0))]
)
def test_samples_are_unit_vectors_with_the_right_moments_and_finite_gradients(
    family, size, log_concentration
):
    number = 10_000
    params = tf.constant(parameters(size, log_concentration), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(params)
        samples = family(size).sample(params, number, seed=3)
        last = tf.reduce_mean(samples[..., -1])
    np.testing.assert_allclose(np.linalg.norm(samples, axis=-1), 1.0, atol=2e-6)
    assert np.isfinite(tape.gradient(last, params)).all()
    exact = family(size)(parameters(size, log_concentration))
    variance = exact.variance().numpy()
    samples = samples.numpy().astype("float64")
    error = np.abs(samples.mean(0) - exact.mean())
    np.testing.assert_array_less(error, 5 * np.sqrt(variance / number) + 1e-7)
    # The angle from mu on a circle has heavy squares: the error of the variance from the samples.
    squares = (samples - exact.mean().numpy()) ** 2
    error = np.abs(squares.mean(0) - variance)
    np.testing.assert_array_less(error, 5 * squares.std(0) / np.sqrt(number) + 1e-7)


@pytest.mark.parametrize(
    ("family", "size"),
    [
        pytest.param(families.PowerSpherical, 2, marks=stress),
        (families.PowerSpherical, 5),
        (families.VonMisesFisher, 3),
        # Without the correction for rejection: close in many dimensions alone.
        (families.VonMisesFisher, 40),
    ],
)
def test_gradients_of_samples_are_those_of_the_mean(family, size):
    params = tf.constant(parameters(size, 1.0, batch=4)[2:], tf.float64)
    gradients = []
    for function in (
        lambda params: tf.reduce_mean(family(size).sample(params, 100_000, seed=1), 0),
        lambda params: family(size)(params).mean(),
    ):
        with tf.GradientTape() as tape:
            tape.watch(params)
            value = tf.reduce_sum(function(params)[..., -1])
        gradients.append(tape.gradient(value, params).numpy())
    # The standard error of a mean of 1e5 terms of size 1 is 3e-3.
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-2 / np.sqrt(size))


# To compile the other one takes ten seconds.
@pytest.mark.parametrize(
    "family", [pytest.param(families.PowerSpherical, marks=stress), families.VonMisesFisher]
)
@pytest.mark.parametrize("size", [pytest.param(2, marks=stress), 3, pytest.param(10, marks=stress)])
def test_gradients_of_samples_compile_with_xla(family, size):
    params = tf.constant(parameters(size, 2.0), tf.float32)

    @tf.function(jit_compile=True)
    def compiled(params):
        with tf.GradientTape() as tape:
            tape.watch(params)
            value = tf.reduce_sum(family(size).sample(params, 100, seed=1)[..., -1])
        return tape.gradient(value, params)

    assert np.isfinite(compiled(params)).all()


@both
@pytest.mark.parametrize(
    ("size", "log_concentration"),
    [
        pytest.param(size, value, marks=() if (size, value) in ((2, 4.0), (8, 1.0)) else stress)
        for size in (2, 3, 8)
        for value in (-2.0, 1.0, 4.0)
    ],
)
def test_exact_divergence_from_the_uniform_distribution(family, size, log_concentration):
    q = family(size)(parameters(size, log_concentration)[2:])
    p = tfd.SphericalUniform(size, dtype=tf.float64)
    z = q.sample(20_000, seed=1)
    terms = (q.log_prob(z) - p.log_prob(z)).numpy()[:, 0]
    error = abs(terms.mean() - tfd.kl_divergence(q, p).numpy()[0])
    assert error < 5 * terms.std() / np.sqrt(len(terms))


def test_exact_divergence_between_the_two_families():
    """The one that TFP has in closed form, against samples."""
    params = tf.constant(np.random.default_rng(2).normal(size=(2, 3, 6)))
    q, p = (family(5)(each) for family, each in zip(FAMILIES, params, strict=True))
    log_ratio = [each.log_prob(q.sample(20_000, seed=(1, 2))) for each in (q, p)]
    log_ratio = (log_ratio[0] - log_ratio[1]).numpy()
    error = np.abs(log_ratio.mean(0) - divergences.kl_divergence(q, p, method="exact"))
    assert (error < 4 * log_ratio.std(0) / np.sqrt(len(log_ratio))).all()


@both
def test_a_direction_of_length_zero_has_a_gradient(family):
    params = tf.zeros((1, 4))
    with tf.GradientTape() as tape:
        tape.watch(params)
        value = family(3).log_likelihood([[0.0, 1.0, 0.0]], params)
    assert tape.gradient(value, params).numpy()[0, 1] > 0.1
    np.testing.assert_array_equal(family(3).point_estimate(params), [[1.0, 0.0, 0.0]])


@both
@pytest.mark.parametrize("length", [0.0, 0.9, 1.1, 1e4])
def test_data_off_the_sphere_has_no_probability(family, length):
    x = np.array([[[0.6, 0.8], [0.0, -1.0]], [[0.6, 0.8], [0.0, length]]])
    value = family((2, 2)).log_likelihood(x, np.ones((2, 2, 3))).numpy()
    assert np.isfinite(value[0])
    assert value[1] == -np.inf


@both
def test_a_vector_with_a_missing_entry_is_missing(family):
    x = np.array([[[0.6, 0.8], [0.0, -1.0]], [[0.6, 0.8], [np.nan, -1.0]]])
    params = np.random.default_rng(1).normal(size=(2, 2, 3))
    value = family((2, 2)).log_likelihood(x, params)
    expected = family(2).log_likelihood(x[1, :1], params[1, :1])
    np.testing.assert_allclose(value[1], expected[0])


@both
@pytest.mark.parametrize("size", [2, 3, 20])
def test_large_concentrations_keep_the_digits_of_float32(family, size):
    params = parameters(size, 8.0, batch=50).astype("float32")
    q, exact = family(size)(params), family(size)(params.astype("float64"))
    single, double = (
        tfd.kl_divergence(p, priors.SphericalUniform(size, dtype=p.dtype).distribution())
        for p in (q, exact)
    )
    np.testing.assert_allclose(single, double, rtol=1e-6)
    z = q.sample(9, seed=(1, 2))
    # Half the squared distance of z and mu times the concentration: the distance is sqrt(size /
    # concentration), and rounding moves both ends by one epsilon.
    atol = 2.0 * np.sqrt(size * np.exp(8.0)) * np.finfo("float32").eps
    np.testing.assert_allclose(
        q.log_prob(z), exact.log_prob(tf.cast(z, "float64")), rtol=1e-6, atol=atol
    )
