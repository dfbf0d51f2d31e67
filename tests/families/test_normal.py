"""`families.Normal`: the four scales."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.families import Normal

LOG_TWO_PI = math.log(2 * math.pi)


def test_a_scale_of_one_over_root_two_is_the_squared_error():
    x, loc = np.random.default_rng(1).normal(size=(2, 5, 4, 3))
    value = Normal((4, 3), scale=1 / math.sqrt(2)).log_likelihood(x, loc)
    squared_error = np.sum((x - loc) ** 2, axis=(1, 2))
    np.testing.assert_allclose(-value, squared_error + 6 * math.log(math.pi), rtol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 0.1, 2, np.float32(0.5), np.int64(3)])
def test_a_number_is_the_scale(scale):
    family = Normal(3, scale=scale)
    assert family.weights == []
    assert type(family.scale) is float
    np.testing.assert_allclose(family(np.zeros((2, 3))).stddev(), float(scale))


def test_a_scale_from_the_network():
    family = Normal(2, scale="per_element")
    assert family.params_size == 4
    assert family.weights == []
    log_variance = np.array([[0.0, 2.0], [-4.0, 1.0]])
    distribution = family([np.zeros((2, 2)), log_variance])
    np.testing.assert_allclose(distribution.variance(), np.exp(log_variance))


def test_a_learned_scale_is_one_trainable_weight_that_finds_the_scale_of_the_data():
    family = Normal(4, scale="learned")
    assert [tuple(weight.shape) for weight in family.trainable_weights] == [()]
    np.testing.assert_array_equal(family(np.zeros((2, 4))).stddev(), 1.0)
    x = np.random.default_rng(1).normal(scale=0.2, size=(50, 4)).astype("float32")
    optimizer = keras.optimizers.Adam(0.1)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(family.log_likelihood(x, np.zeros((50, 4), "float32")))
        (gradient,) = tape.gradient(loss, family.trainable_weights)
        optimizer.apply([gradient], family.trainable_weights)

    for _ in range(200):
        train()
    # At the optimum the loss is flat: a tenth of a percent is far below its curvature.
    np.testing.assert_allclose(family.log_variance, np.log(np.mean(x**2)), atol=2e-3)


@pytest.mark.parametrize("samples", [(), (3,)])
def test_the_optimal_scale_is_the_root_mean_squared_residual(samples):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, 4))
    loc = 0.3 * rng.normal(size=(*samples, 5, 4))
    x[0, 0] = np.nan
    family = Normal(4, scale="optimal")
    assert family.trainable_weights == []
    value = family.log_likelihood(x, loc, training=True)
    squares = (x - loc) ** 2
    variance = np.nanmean(squares)
    expected = -0.5 * np.nansum(squares / variance, axis=-1)
    expected -= 0.5 * np.sum(~np.isnan(squares), axis=-1) * (math.log(variance) + LOG_TWO_PI)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    # No other variance has a larger likelihood.
    for other in (0.99 * variance, 1.01 * variance):
        worse = Normal(4, scale=math.sqrt(other)).log_likelihood(x, loc)
        assert np.sum(worse) < np.sum(value)
    # The running estimate has moved a tenth of the way from its start at 0.
    np.testing.assert_allclose(family.log_variance, 0.1 * math.log(variance), rtol=1e-6)


def test_the_running_estimate_of_the_optimal_scale_is_for_everything_outside_training():
    x = np.array([[3.0, -3.0]], "float32")
    family = Normal(2, scale="optimal")
    zeros = np.zeros((1, 2), "float32")
    for step in range(1, 60):
        family.log_likelihood(x, zeros, training=True)
        expected = (1 - 0.9**step) * math.log(9.0)
        np.testing.assert_allclose(family.log_variance, expected, rtol=1e-5)
    before = family.log_variance.numpy()
    value = family.log_likelihood(10 * x, zeros)
    assert family.log_variance.numpy() == before
    stddev = math.exp(before / 2)
    expected = -0.5 * 1800 / stddev**2 - 2 * math.log(stddev) - LOG_TWO_PI
    np.testing.assert_allclose(value, [expected], rtol=1e-5)
    np.testing.assert_allclose(family(zeros).stddev(), [[stddev] * 2], rtol=1e-6)


@pytest.mark.parametrize("x", [[np.nan, np.nan], [np.inf, 0.0], []])
def test_a_batch_that_tells_nothing_leaves_the_running_estimate(x):
    family = Normal(2, scale="optimal")
    family.log_variance.assign(1.5)
    x = np.reshape(x, (-1, 2)).astype("float32")
    family.log_likelihood(x, np.zeros_like(x), training=True)
    assert family.log_variance.numpy() == 1.5


@pytest.mark.parametrize("loc", [0.0, 1.0, 1e10])
def test_the_optimal_scale_stays_in_its_bounds(loc):
    """A perfect fit and a hopeless one have a finite loss and finite gradients."""
    loc = tf.fill((3, 2), loc)
    family = Normal(2, scale="optimal")
    with tf.GradientTape() as tape:
        tape.watch(loc)
        value = family.log_likelihood(np.zeros((3, 2), "float32"), loc, training=True)
    assert np.isfinite(value).all()
    assert np.isfinite(tape.gradient(value, loc)).all()
    assert -2.0 <= family.log_variance.numpy() <= 2.0


def test_the_gradient_of_the_optimal_loss_is_that_of_the_fixed_scale_it_found():
    x, loc = tf.random.stateless_normal((2, 6, 3), (1, 2), dtype=tf.float64)
    variance = tf.reduce_mean((x - loc) ** 2).numpy()
    gradients = []
    for family in (Normal(3, scale="optimal"), Normal(3, scale=math.sqrt(variance))):
        with tf.GradientTape() as tape:
            tape.watch(loc)
            value = tf.reduce_sum(family.log_likelihood(x, loc, training=True))
        gradients.append(tape.gradient(value, loc))
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-12)


@pytest.mark.parametrize("log_variance", [1e4, -1e4, 1e12, -1e12, 30.0, -30.0])
def test_a_bounded_scale_is_led_back(log_variance):
    """Gradient descent on -log p raises a scale that is too small and lowers one too large."""
    params = tf.constant([[0.0, log_variance]])
    family = Normal(1, scale="per_element")
    np.testing.assert_allclose(
        family(params).variance(), np.exp([[np.clip(log_variance, -20.0, 20.0)]]), rtol=1e-5
    )
    with tf.GradientTape() as tape:
        tape.watch(params)
        loss = -family.log_likelihood([[1.0]], params)
    gradient = tape.gradient(loss, params).numpy()[0, 1]
    assert gradient * np.sign(log_variance) > 0.1


def test_weights_come_back_with_a_saved_config_and_state():
    family = Normal((2, 3), scale="learned", name="pixels")
    config = family.get_config()
    assert (config["name"], config["event_shape"], config["scale"]) == ("pixels", (2, 3), "learned")
    again = Normal.from_config(config)
    assert again.name == "pixels"
    family.log_variance.assign(0.7)
    again.set_weights(family.get_weights())
    np.testing.assert_array_equal(
        again(np.zeros((1, 2, 3))).stddev(), family(np.zeros((1, 2, 3))).stddev()
    )


def test_half_precision_policy_keeps_the_scale_in_float32():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        family = Normal(2, scale="learned")
    finally:
        keras.config.set_dtype_policy("float32")
    family.log_variance.assign(0.123456)
    stddev = family(tf.zeros((1, 2), tf.float16)).stddev()
    np.testing.assert_allclose(stddev, math.exp(0.123456 / 2), rtol=1e-6)


@pytest.mark.parametrize(
    "scale",
    [0, 0.0, -1.0, math.inf, math.nan, 1e-5, 1e5, True, False, None, "wide", (1.0,), np.ones(2)],
    ids=repr,
)
def test_a_scale_that_is_none(scale):
    with pytest.raises(ValueError, match=r"Normal expects a scale that is .* Received: scale="):
        Normal(3, scale=scale)


def test_it_is_not_called_as_a_layer():
    with pytest.raises(NotImplementedError):
        Normal(3).call(np.zeros((1, 3)))
