"""`families.RelaxedOneHotCategorical`: a discrete distribution with relaxed samples."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import families, priors
from keras_vae.divergences import kl_divergence

NUMBER = 20_000
every_shape = pytest.mark.parametrize("event_shape", [(2,), (5,), (3, 4), (2, 2, 3)], ids=str)


def logits_of(event_shape, batch=3, seed=1):
    return np.random.default_rng(seed).normal(scale=2.0, size=(batch, *event_shape))


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def kl(q, p):
    axes = tuple(range(1, q.ndim))
    return np.sum(q * (np.log(q) - np.log(p)), axis=axes)


@every_shape
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("temperature", [0.1, 5.0])
def test_divergence_from_the_uniform_prior(event_shape, dtype, temperature):
    logits = logits_of(event_shape).astype(dtype)
    q = families.RelaxedOneHotCategorical(event_shape, temperature)(logits)
    policy = "float64" if dtype == "float64" else None
    p = priors.UniformCategorical(event_shape, dtype=policy).distribution()
    value = kl_divergence(q, p, method="exact")
    pi = softmax(logits.astype("float64"))
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(value, kl(pi, 1.0 / event_shape[-1]), rtol=tolerance)
    # log K - H(q) for each of the variables.
    num_variables = np.prod(event_shape[:-1])
    entropy = -np.sum(pi * np.log(pi), axis=tuple(range(1, pi.ndim)))
    expected = num_variables * np.log(event_shape[-1]) - entropy
    np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)


@every_shape
def test_divergence_from_another_one_and_from_a_learned_prior(event_shape):
    a, b = logits_of(event_shape), logits_of(event_shape, seed=2)
    family = families.RelaxedOneHotCategorical(event_shape)
    value = kl_divergence(family(a), family(b), method="exact")
    np.testing.assert_allclose(value, kl(softmax(a), softmax(b)), rtol=1e-12)
    prior = priors.TrainablePrior(family, dtype="float64")
    prior.params.assign(b[0])
    value = kl_divergence(family(a), prior.distribution(), method="exact")
    np.testing.assert_allclose(value, kl(softmax(a), softmax(b[:1])), rtol=1e-12)


def test_codes_have_the_same_divergence():
    """`Categorical` holds the same distributions, of codes in place of one-hot vectors."""
    a, b = (logits_of((2, 4), seed=seed) for seed in (1, 2))
    codes, vectors = (
        families.Categorical(2, num_classes=4),
        families.RelaxedOneHotCategorical((2, 4)),
    )
    values = [
        kl_divergence(f(a.reshape(3, -1)), f(b.reshape(3, -1)), method="exact")
        for f in (codes, vectors)
    ]
    np.testing.assert_allclose(*values, rtol=1e-12)


def test_the_probabilities_of_all_events_sum_to_one():
    corners = itertools.product(np.eye(3), repeat=2)
    x = np.array([np.stack(corner) for corner in corners])
    logits = np.repeat(logits_of((2, 3), batch=1), len(x), axis=0)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-6)):
        log_prob = families.RelaxedOneHotCategorical((2, 3)).log_likelihood(x, logits.astype(dtype))
        np.testing.assert_allclose(np.sum(np.exp(log_prob)), 1.0, atol=tolerance)


@pytest.mark.parametrize("temperature", [1e-4, 0.3, 3.0])
def test_the_largest_entry_of_a_sample_is_distributed_by_the_softmax(temperature):
    logits = logits_of((2, 4), batch=2)
    family = families.RelaxedOneHotCategorical((2, 4), temperature)
    z = family.sample(logits.astype("float32"), NUMBER, seed=3).numpy()
    pi = softmax(logits)
    for samples in (z, family(logits).sample(NUMBER, seed=3).numpy()):
        frequency = np.eye(4)[samples.argmax(axis=-1)].mean(axis=0)
        np.testing.assert_array_less(
            np.abs(frequency - pi), 4 * np.sqrt(pi * (1 - pi) / NUMBER) + 1e-9
        )


def test_the_distribution_itself_draws_one_hot_vectors():
    z = families.RelaxedOneHotCategorical((2, 4), 3.0)(logits_of((2, 4))).sample(50, seed=1).numpy()
    assert set(np.unique(z)) == {0.0, 1.0}
    np.testing.assert_array_equal(z.sum(axis=-1), 1.0)


@pytest.mark.parametrize(
    ("temperature", "jit_compile"), [(0.2, False), (0.7, False), (2.0, False), (0.7, True)]
)
def test_two_classes_have_the_logistic_distribution(temperature, jit_compile):
    """z_0 = sigmoid((l + L) / t) for a logistic L and the difference l of the logits."""
    family = families.RelaxedOneHotCategorical(2, temperature)
    sample = tf.function(lambda p: family.sample(p, NUMBER, seed=5), jit_compile=jit_compile)
    z = sample(tf.constant([[0.8, 0.1]])).numpy()[:, 0, 0]
    for value in (0.05, 0.3, 0.5, 0.8, 0.99):
        share = 1 / (1 + np.exp(0.7 - temperature * np.log(value / (1 - value))))
        error = abs(np.mean(z <= value) - share)
        assert error < 4 * np.sqrt(share * (1 - share) / NUMBER)


def test_gradients_of_samples_are_those_of_their_mean():
    """Against the derivative of the mean of z_0^2, integrated over the logistic noise."""
    temperature, difference = 0.5, 0.7
    u = (np.arange(100_000) + 0.5) / 100_000
    z = 1 / (1 + np.exp(-(difference + np.log(u / (1 - u))) / temperature))
    expected = np.mean(2 * z * z * (1 - z) / temperature)
    error = np.std(2 * z * z * (1 - z) / temperature) / np.sqrt(NUMBER)
    logits = tf.constant([[difference, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        samples = families.RelaxedOneHotCategorical(2, temperature).sample(logits, NUMBER, seed=2)
        mean = tf.reduce_mean(samples[..., 0] ** 2)
    gradient = tape.gradient(mean, logits).numpy()[0]
    np.testing.assert_allclose(gradient, [expected, -expected], atol=4 * error)


def test_cold_samples_are_nearly_one_hot_and_hot_ones_nearly_uniform():
    logits = logits_of((3, 4)).astype("float32")
    family = families.RelaxedOneHotCategorical((3, 4), 0.01)
    largest = family.sample(logits, 1000, seed=1).numpy().max(axis=-1)
    # Below 0.99 only where two noisy logits are closer than 0.01 log(99): their distance has a
    # density of at most 1/4 for each of the 6 pairs.
    assert np.mean(largest < 0.99) < 6 * 0.5 * 0.01 * np.log(99)
    family.temperature.assign(1e4)
    np.testing.assert_allclose(family.sample(logits, 1000, seed=1), 0.25, atol=2e-3)


@pytest.mark.parametrize(
    ("temperature", "scale", "jit_compile"),
    [(t, scale, False) for t in (1e-4, 0.5) for scale in (1.0, 1e4, 1e9)] + [(1e-4, 1e4, True)],
)
def test_samples_and_gradients_stay_in_range(temperature, scale, jit_compile):
    family = families.RelaxedOneHotCategorical((2, 3), temperature)
    signs = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], (40, 2, 3))
    signs[0], signs[1] = 1.0, -1.0
    prior = priors.UniformCategorical((2, 3)).distribution()

    @tf.function(jit_compile=jit_compile)
    def run(params):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(params)
            z = family.sample(params, 20, seed=1)
            first, kl = z[..., 0], kl_divergence(family(params), prior)
        return z, kl, tape.gradient(first, params), tape.gradient(kl, params)

    z, kl, *gradients = run(tf.constant(scale * signs, tf.float32))
    assert np.min(z) >= 0.0
    assert np.max(z) <= 1.0
    np.testing.assert_allclose(np.sum(z, axis=-1), 1.0, atol=1e-6)
    assert np.min(kl) > -1e-5
    assert np.max(kl) < 2 * np.log(3) + 1e-5
    for gradient in gradients:
        assert np.isfinite(gradient).all()


def test_noise_decides_between_equal_logits_of_any_size():
    family = families.RelaxedOneHotCategorical(2, 0.01)
    z = family.sample(tf.fill((1, 2), 1e9), 1000, seed=1).numpy()[:, 0, 0]
    assert abs(np.mean(z) - 0.5) < 4 * 0.5 / np.sqrt(1000)


def test_the_density_between_the_corners_is_linear_and_has_a_gradient():
    logits = logits_of((2, 3))
    family = families.RelaxedOneHotCategorical((2, 3))
    z = family.sample(logits, seed=1)
    with tf.GradientTape() as tape:
        tape.watch(z)
        log_prob = family(logits).log_prob(z)
    log_pi = np.log(softmax(logits))
    np.testing.assert_allclose(log_prob, np.sum(z * log_pi, axis=(1, 2)), rtol=1e-12)
    np.testing.assert_allclose(tape.gradient(log_prob, z), log_pi, rtol=1e-12)


@pytest.mark.parametrize(
    "vector", [[0, 0, 0], [1, 1, 0], [0.5, 0.5, 0], [2, -1, 0], [1, 1e-6, 0], [1, np.inf, 0]]
)
def test_data_that_is_not_one_hot_has_no_probability(vector):
    x = np.tile([[0.0, 1.0, 0.0]], (2, 2, 1))
    x[1, 1] = vector
    logits = tf.constant(logits_of((2, 3), batch=2))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = families.RelaxedOneHotCategorical((2, 3)).log_likelihood(x, logits)
    assert np.isfinite(value[0])
    assert value[1] == -np.inf
    assert np.isfinite(tape.gradient(value, logits)).all()


def test_a_vector_with_a_missing_entry_is_missing():
    logits = logits_of((2, 3), batch=1)
    x = np.array([[[1.0, np.nan, 0.0], [0.0, 0.0, 1.0]]])
    value = families.RelaxedOneHotCategorical((2, 3)).log_likelihood(x, logits)
    np.testing.assert_allclose(value, np.log(softmax(logits))[:, 1, 2], rtol=1e-12)


def test_moments_and_point_estimate():
    logits, family = logits_of((2, 3)), families.RelaxedOneHotCategorical((2, 3))
    pi = softmax(logits)
    np.testing.assert_allclose(family(logits).mean(), pi, rtol=1e-12)
    np.testing.assert_allclose(family(logits).stddev(), np.sqrt(pi * (1 - pi)), rtol=1e-12)
    point = family.point_estimate(logits)
    np.testing.assert_array_equal(point, np.eye(3)[pi.argmax(axis=-1)])


def test_the_temperature_is_a_variable_that_is_saved_and_not_trained():
    family = families.RelaxedOneHotCategorical(3, temperature=0.8)
    assert family.trainable_weights == []
    assert [weight.name for weight in family.weights] == ["temperature"]
    before = family.sample(tf.zeros((1, 3)), seed=1).numpy().max()
    family.temperature.assign(0.1)
    assert family.sample(tf.zeros((1, 3)), seed=1).numpy().max() > before
    # The configuration has the value to begin with; the weights have the present one.
    assert family.get_config()["temperature"] == 0.8
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(family))
    again.set_weights(family.get_weights())
    np.testing.assert_allclose(again.temperature.numpy(), 0.1, rtol=1e-6)


def test_a_schedule_may_end_at_zero():
    family = families.RelaxedOneHotCategorical(3)
    samples = []
    for temperature in (0.0, 1e-4):
        family.temperature.assign(temperature)
        samples.append(family.sample(tf.zeros((4, 3)), 50, seed=1))
    assert np.isfinite(samples[0]).all()
    np.testing.assert_array_equal(*samples)


@pytest.mark.parametrize(
    ("temperature", "error"),
    [(0.0, ValueError), (-1.0, ValueError), (np.inf, ValueError), ("cold", TypeError)],
)
def test_errors_of_the_temperature(temperature, error):
    text = r"RelaxedOneHotCategorical expects temperature to be a finite number of at least 0.0001"
    with pytest.raises(error, match=rf"{text}\. Received: temperature={temperature!r}"):
        families.RelaxedOneHotCategorical(3, temperature)


def test_one_class_is_no_choice():
    text = r"RelaxedOneHotCategorical expects an event_shape whose last axis is at least 2\."
    with pytest.raises(ValueError, match=text):
        families.RelaxedOneHotCategorical((3, 1))
