"""`layers.Sampling`."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import Sampling, families, layers

NUMBER = 20_000


@pytest.fixture
def restore_policy():
    yield
    keras.config.set_dtype_policy("float32")


def check_moments(z, mean, variance, tolerance=0.0):
    """Five standard errors of the mean and of the variance, beside the rounding of the dtype."""
    z = np.asarray(tf.cast(z, tf.float64))
    number = len(z)
    np.testing.assert_array_less(
        np.abs(z.mean(0) - mean), 5 * np.sqrt(variance / number) + tolerance
    )
    np.testing.assert_array_less(
        np.abs(z.var(0) - variance), 5 * variance * np.sqrt(2 / number) + tolerance
    )


def parameters(number=NUMBER):
    mean, variance = np.array([1.0, -2.0, 0.0]), np.array([0.25, 4.0, 1.0])
    return mean, variance, [np.tile(mean, (number, 1)), np.tile(np.log(variance), (number, 1))]


def test_one_import_path():
    assert Sampling is layers.Sampling


def test_mean_and_log_variance():
    mean, variance, params = parameters()
    z = Sampling(seed=1)(params)
    assert z.shape == (NUMBER, 3)
    assert z.dtype == "float32"
    check_moments(z, mean, variance)
    # Entries and examples have noise of their own: correlations within 5 / sqrt(N).
    correlations = np.corrcoef(z.numpy().T)[np.triu_indices(3, 1)]
    assert np.all(np.abs(correlations) < 5 / math.sqrt(NUMBER))
    assert len(np.unique(z)) > 0.99 * z.numpy().size


@pytest.mark.parametrize("joined", [False, True])
def test_one_tensor_is_mean_and_log_variance_side_by_side(joined):
    _, _, params = parameters(5)
    expected = Sampling(seed=1)(params)
    family = families.MultivariateNormalDiag(3)
    inputs = np.concatenate(params, -1) if joined else params
    np.testing.assert_array_equal(Sampling(seed=1)(inputs), expected)
    np.testing.assert_array_equal(Sampling(family, seed=1)(inputs), expected)


def test_a_family_and_one_tensor():
    scale = np.array([[2.0, 0.0], [1.5, 0.5]])
    scale_tril = [math.log(2.0), 1.5, math.log(0.5)]
    params = np.tile(np.array([1.0, -1.0, *scale_tril]), (NUMBER, 1)).astype("float32")
    z = Sampling(families.MultivariateNormalTriL(2), seed=1)(params)
    covariance = scale @ scale.T
    check_moments(z, [1.0, -1.0], np.diag(covariance))
    variance = np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2
    error = np.abs(np.cov(z.numpy().T) - covariance)
    np.testing.assert_array_less(error, 5 * np.sqrt(variance / NUMBER))


@pytest.mark.parametrize("event_shape", [(2, 3), (2, 2, 3)])
def test_latents_of_higher_rank(event_shape):
    z = Sampling(seed=1)([tf.zeros((5, *event_shape))] * 2)
    assert z.shape == (5, *event_shape)
    layer = Sampling(families.MultivariateNormalDiag(event_shape))
    flat = layer(tf.zeros((5, layer.family.params_size)))
    assert flat.shape == (5, *event_shape)


def test_gradients_pass_through_the_sample():
    """dz / dmean = 1 and dz / dlog_var = (z - mean) / 2."""
    mean, log_variance = tf.random.stateless_normal((2, 5, 3), (1, 2))
    with tf.GradientTape() as tape:
        tape.watch([mean, log_variance])
        z = Sampling(seed=1)([mean, log_variance])
    by_mean, by_log_variance = tape.gradient(z, [mean, log_variance])
    np.testing.assert_array_equal(by_mean, 1.0)
    np.testing.assert_allclose(by_log_variance, (z - mean) / 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", [None, families.Deterministic(3)])
def test_same_seed_same_draws(family):
    params = tf.random.stateless_normal((5, 3 if family else 6), (1, 2))
    first, second = Sampling(family, seed=7), Sampling(family, seed=7)
    for _ in range(3):
        np.testing.assert_array_equal(first(params), second(params))
    if family is None:
        assert np.any(first(params) != Sampling(seed=8)(params))
        assert np.any(Sampling()(params) != Sampling()(params))


@pytest.mark.parametrize("jit_compile", [None, False, True])
@pytest.mark.parametrize("seed", [None, 1])
def test_successive_calls_differ(jit_compile, seed):
    """Noise is not baked into a compiled function when it is traced."""
    layer = Sampling(seed=seed)
    params = tf.zeros((4, 6))
    call = layer
    if jit_compile is not None:
        call = tf.function(layer.__call__, jit_compile=jit_compile)
    draws = np.stack([call(params).numpy() for _ in range(4)])
    assert len(np.unique(draws)) == draws.size


@pytest.mark.parametrize("training", [False, True])
def test_draws_in_training_and_in_inference(training):
    z = Sampling(seed=1)(tf.zeros((4, 6)), training=training)
    assert np.all(z != 0.0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_moments_in_a_compiled_function(jit_compile):
    """XLA has a random generator of its own."""
    mean, variance, params = parameters()
    params = [tf.constant(part, tf.float32) for part in params]
    compiled = tf.function(Sampling(seed=1).__call__, jit_compile=jit_compile)
    first, second = compiled(params), compiled(params)
    check_moments(first, mean, variance)
    check_moments(second, mean, variance)
    for i in range(3):
        correlation = np.corrcoef(first[:, i], second[:, i])[0, 1]
        assert abs(correlation) < 5 / math.sqrt(NUMBER)


@pytest.mark.parametrize(
    ("policy", "dtype", "digits"),
    [
        ("mixed_float16", "float16", 11),
        ("mixed_bfloat16", "bfloat16", 8),
        ("bfloat16", "bfloat16", 8),
        ("float64", "float64", 53),
    ],
)
@pytest.mark.usefixtures("restore_policy")
def test_dtype_policies(policy, dtype, digits):
    keras.config.set_dtype_policy(policy)
    mean, variance, params = parameters()
    layer = Sampling(seed=1)
    z = layer([tf.cast(part, dtype) for part in params])
    assert z.dtype == dtype
    assert layer.compute_output_spec([keras.KerasTensor((None, 3), dtype)] * 2).dtype == dtype
    # The mean and the log-variance are rounded on their way in, the sample on its way out.
    check_moments(z, mean, variance, tolerance=8 * 2.0**-digits)


@pytest.mark.parametrize("dtype", ["float64", "int64", "float16"])
def test_inputs_of_another_dtype(dtype):
    params = np.ones((5, 6), dtype)
    z = Sampling(seed=1)(params)
    assert z.dtype == "float32"
    expected = Sampling(seed=1)(params.astype("float32"))
    if dtype != "float64":  # float64 noise has bits of its own
        np.testing.assert_array_equal(z, expected)


@pytest.mark.parametrize("batch", [0, 1])
def test_small_batches(batch):
    assert Sampling()(tf.zeros((batch, 6))).shape == (batch, 3)


def functional_model(**kwargs):
    inputs = keras.Input((4,))
    z_mean, z_log_var = keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)
    z = Sampling(**kwargs)([z_mean, z_log_var])
    assert z.shape == (None, 2)
    return keras.Model(inputs, z)


def test_in_a_functional_model():
    model = functional_model(seed=1)
    x = np.ones((5, 4), "float32")
    assert model.predict(x, verbose=0).shape == (5, 2)
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((5, 2)), verbose=0)


def test_compute_output_shape():
    assert Sampling().compute_output_shape([(None, 3), (None, 3)]) == (None, 3)
    assert Sampling().compute_output_shape((None, 6)) == (None, 3)
    layer = Sampling(families.MultivariateNormalTriL(3))
    assert layer.compute_output_shape((7, 9)) == (7, 3)
    assert layer.compute_output_shape([(7, 3), (7, 6)]) == (7, 3)


@pytest.mark.parametrize("seed", [None, 1])
def test_saved_model_draws_next_what_it_would_have_drawn(tmp_path, seed):
    model = functional_model(seed=seed)
    x = np.ones((5, 4), "float32")
    for _ in range(3):
        model(x)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(x), model(x))
    np.testing.assert_array_equal(again(x), model(x))


def test_saved_weights_hold_the_seed_state(tmp_path):
    model, other = functional_model(seed=1), functional_model(seed=2)
    x = np.ones((5, 4), "float32")
    model(x)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other(x), model(x))


def test_config_round_trip():
    layer = Sampling(families.Normal((2, 3), scale="per_element"), seed=3, name="z")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert (again.name, again.seed, again.family.scale) == ("z", 3, "per_element")
    assert keras.saving.serialize_keras_object(layer)["registered_name"] == "keras_vae>Sampling"


def test_no_weights_to_train():
    assert Sampling().weights == []


@pytest.mark.parametrize("scale", [1e4, -1e4, 1e9])
def test_extreme_parameters(scale):
    params = tf.fill((5, 6), scale)
    with tf.GradientTape() as tape:
        tape.watch(params)
        z = Sampling(seed=1)(params)
    assert np.isfinite(z).all()
    assert np.isfinite(tape.gradient(z, params)).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.usefixtures("restore_policy")
def test_extreme_parameters_in_half_precision(policy):
    """Standard deviations of 2.2e4 beside a largest half of 65504."""
    keras.config.set_dtype_policy(policy)
    layer = Sampling(seed=1)
    z = layer(tf.fill((1000, 6), tf.cast(1e4, layer.compute_dtype)))
    assert np.isfinite(tf.cast(z, tf.float32)).all()
    assert tf.reduce_max(tf.cast(z, tf.float32)) > 6e4


@pytest.mark.parametrize("family", ["normal", 3, families.Normal])
def test_family_of_the_wrong_kind(family):
    text = r"Sampling expects a family of distributions or None. Received: family="
    with pytest.raises(TypeError, match=text):
        Sampling(family)


@pytest.mark.parametrize("seed", [1.0, "1", True, (1, 2)])
def test_seed_of_the_wrong_kind(seed):
    with pytest.raises(
        TypeError, match=r"Sampling expects an integer seed or None. Received: seed="
    ):
        Sampling(seed=seed)


def test_inputs_of_the_wrong_shapes():
    for shapes in [((5, 3), (5, 2)), ((5, 3), (4, 3)), ((5, 3),) * 3, ((5, 3),)]:
        text = r"expects \[z_mean, z_log_var\] of one shape. Received: params of the shapes"
        with pytest.raises(ValueError, match=text):
            Sampling()([tf.zeros(shape) for shape in shapes])
    with pytest.raises(ValueError, match=r"loc and log_variance side by side .* Received"):
        Sampling()(tf.zeros((5, 3)))
    with pytest.raises(ValueError, match=r"MultivariateNormalTriL expects params of shape"):
        Sampling(families.MultivariateNormalTriL(3))(tf.zeros((5, 6)))
    with pytest.raises(ValueError, match=r"MultivariateNormalTriL expects one tensor, or a list"):
        Sampling(families.MultivariateNormalTriL(3))([tf.zeros((5, 3))] * 2)
    with pytest.raises(ValueError, match="expects"):
        Sampling()(keras.Input((3,)))
