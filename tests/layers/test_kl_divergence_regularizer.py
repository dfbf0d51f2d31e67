"""`layers.KLDivergenceRegularizer`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import KLDivergenceRegularizer, Sampling, families, layers, priors
from keras_vae.losses import NegativeLogLikelihood


def divergence(z_mean, z_log_var):
    """KL of each example from the standard normal, in float64."""
    z_mean, z_log_var = np.float64(z_mean), np.float64(z_log_var)
    return 0.5 * np.sum(np.exp(z_log_var) + z_mean**2 - 1 - z_log_var, axis=-1)


@pytest.fixture
def params():
    rng = np.random.default_rng(1)
    return [rng.normal(size=(5, 3)).astype("float32") for _ in range(2)]


@pytest.fixture
def restore_policy():
    yield
    keras.config.set_dtype_policy("float32")


def test_one_import_path():
    assert KLDivergenceRegularizer is layers.KLDivergenceRegularizer


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("family", [None, families.MultivariateNormalDiag(3)])
def test_adds_the_mean_divergence_once_and_returns_its_input(params, joined, family):
    layer = KLDivergenceRegularizer(family)
    inputs = np.concatenate(params, -1) if joined else params
    outputs = layer(inputs)
    for output, given in zip(keras.tree.flatten(outputs), keras.tree.flatten(inputs), strict=True):
        np.testing.assert_array_equal(output, given)
    assert len(layer.losses) == 1
    assert layer.losses[0].shape == ()
    expected = divergence(*params).mean()
    np.testing.assert_allclose(layer.losses[0], expected, rtol=1e-5)
    np.testing.assert_allclose(layer.kl_metric.result(), expected, rtol=1e-5)


def test_the_gradient_is_that_of_the_mean_divergence(params):
    layer = KLDivergenceRegularizer(weight=2.0)
    tensors = [tf.constant(part) for part in params]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        layer(tensors)
        loss = layer.losses[0]
    by_mean, by_log_variance = tape.gradient(loss, tensors)
    np.testing.assert_allclose(by_mean, 2.0 * params[0] / 5, rtol=1e-5)
    np.testing.assert_allclose(by_log_variance, np.exp(params[1]) / 5 - 0.2, rtol=1e-4, atol=1e-6)


def test_weights(params):
    layer = KLDivergenceRegularizer(weight=3.0)
    assert layer.trainable_weights == []
    assert [weight.name for weight in layer.non_trainable_weights] == ["kl_weight"]
    assert float(layer.kl_weight) == 1.0
    layer.kl_weight.assign(0.25)
    layer(params)
    expected = divergence(*params).mean()
    np.testing.assert_allclose(layer.losses[0], 0.75 * expected, rtol=1e-5)
    # What is logged has no weights.
    np.testing.assert_allclose(layer.kl_metric.result(), expected, rtol=1e-5)


def test_no_weight_no_loss(params):
    layer = KLDivergenceRegularizer(weight=0.0)
    layer(params)
    assert layer.losses[0] == 0.0


def test_free_nats_are_free_for_each_example(params):
    exact = divergence(*params)
    free_nats = float(np.median(exact))
    layer = KLDivergenceRegularizer(free_nats=free_nats)
    layer(params)
    expected = np.maximum(exact, free_nats).mean()
    assert expected > max(exact.mean(), free_nats)
    np.testing.assert_allclose(layer.losses[0], expected, rtol=1e-5)
    np.testing.assert_allclose(layer.kl_metric.result(), exact.mean(), rtol=1e-5)


def test_monte_carlo_is_unbiased_and_draws_anew():
    number = 20_000
    params = [np.tile(row, (number, 1)).astype("float32") for row in ([1.0, 0.5], [-1.0, 0.3])]
    layer = KLDivergenceRegularizer(method="monte_carlo", seed=1)
    losses = []
    for _ in range(2):
        layer(params)
        losses.append(float(layer.losses[0]))
    exact = divergence(*params)[0]
    # Var(log q - log p) of independent entries: sum of (v - 1)^2 / 2 + mu^2 v.
    variance = np.exp([-1.0, 0.3])
    standard_error = np.sqrt(np.sum((variance - 1) ** 2 / 2 + [1.0, 0.25] * variance) / number)
    assert losses[0] != losses[1]
    assert abs(losses[0] - exact) < 4 * standard_error
    assert abs(losses[1] - exact) < 4 * standard_error
    again = KLDivergenceRegularizer(method="monte_carlo", seed=1)
    again(params)
    assert float(again.losses[0]) == losses[0]


def test_exact_needs_a_closed_form():
    """TFP has none for independent scalars and a vector."""
    params = tf.zeros((5, 6))
    family = families.Normal(3, scale="per_element")
    with pytest.raises(ValueError, match=r"closed form. Received: q=Independent\(Normal\)"):
        KLDivergenceRegularizer(family, method="exact")(params)
    layer = KLDivergenceRegularizer(family)
    layer(params)
    np.testing.assert_allclose(layer.losses[0], 0.0, atol=1e-6)


def test_full_covariance():
    family = families.MultivariateNormalTriL(3)
    layer = KLDivergenceRegularizer(family, method="exact")
    params = np.random.default_rng(1).normal(size=(5, 9)).astype("float32")
    layer(params)
    covariance, mean = family(params).covariance().numpy(), params[:, :3]
    expected = 0.5 * (
        np.trace(covariance, axis1=1, axis2=2)
        + np.sum(mean**2, -1)
        - 3
        - np.linalg.slogdet(covariance)[1]
    )
    np.testing.assert_allclose(layer.losses[0], expected.mean(), rtol=1e-4)


def test_deterministic_posterior_is_pulled_to_the_mode_of_the_prior():
    layer = KLDivergenceRegularizer(families.Deterministic(3))
    z = tf.ones((5, 3))
    layer(z)
    np.testing.assert_allclose(layer.losses[0], 1.5 + 1.5 * np.log(2 * np.pi), rtol=1e-6)


def test_learned_prior(params):
    prior = priors.TrainablePrior(families.MultivariateNormalDiag(3))
    layer = KLDivergenceRegularizer(prior=prior)
    assert len(layer.trainable_weights) == 1
    with tf.GradientTape() as tape:
        layer(params)
        loss = layer.losses[0]
    np.testing.assert_allclose(loss, divergence(*params).mean(), rtol=1e-5)
    (gradient,) = tape.gradient(loss, layer.trainable_weights)
    # At a prior of N(0, 1): d KL / d loc = -mean(mu); d / d log_variance = (1 - E z^2) / 2.
    mean, variance = params[0].mean(0), (np.exp(params[1]) + params[0] ** 2).mean(0)
    expected = np.concatenate([-mean, (1 - variance) / 2])
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", [None, families.MultivariateNormalDiag(3)])
def test_prior_of_the_network(params, family):
    """Hierarchical models: the parameters of the prior at call time."""
    rng = np.random.default_rng(2)
    loc, log_variance = rng.normal(size=(2, 5, 3)).astype("float32")
    layer = KLDivergenceRegularizer(family)
    outputs = layer(params, prior_params=[loc, log_variance])
    np.testing.assert_array_equal(outputs[0], params[0])
    ratio = np.exp(params[1] - log_variance)
    shift = (params[0] - loc) ** 2 / np.exp(log_variance)
    expected = 0.5 * np.sum(ratio + shift - 1 - np.log(ratio), -1).mean()
    np.testing.assert_allclose(layer.losses[0], expected, rtol=1e-5)
    layer(params, prior_params=params)
    np.testing.assert_allclose(layer.losses[0], 0.0, atol=1e-6)


def test_one_prior_only(params):
    layer = KLDivergenceRegularizer(prior=priors.StandardNormal(3))
    with pytest.raises(ValueError, match=r"expects one prior. Received: prior=.* prior_params"):
        layer(params, prior_params=params)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        (None, "kl_divergence"),
        ("kl_divergence_regularizer_7", "kl_divergence"),
        ("top", "top_kl_divergence"),
        ("kl_divergence_regularizer_top", "kl_divergence_regularizer_top_kl_divergence"),
    ],
)
def test_metric_name(name, metric):
    layer = KLDivergenceRegularizer(name=name)
    assert [metric.name for metric in layer._metrics] == [metric]


def small_model(**kwargs):
    """A model of the tutorials' shape whose sample is its mean: the loss is known exactly."""
    inputs = keras.Input((4,))
    z_mean, z_log_var = keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)
    z_mean, z_log_var = KLDivergenceRegularizer(**kwargs)([z_mean, z_log_var])
    encoder = keras.Model(inputs, [z_mean, z_log_var])
    return keras.Model(inputs, keras.layers.Dense(4)(z_mean)), encoder


def bernoulli_loss(x, logits):
    return np.sum(np.logaddexp(0, logits) - x * logits, axis=-1)


def data(number=7):
    return np.random.default_rng(1).integers(0, 2, (number, 4)).astype("float32")


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kl_weight", [1.0, 0.5])
def test_loss_of_a_functional_model_is_reconstruction_plus_divergence(jit_compile, kl_weight):
    model, encoder = small_model(weight=3.0)
    x = data()
    model.compile("sgd", NegativeLogLikelihood(families.Bernoulli(4)), jit_compile=jit_compile)
    regularizer = next(x for x in model.layers if isinstance(x, KLDivergenceRegularizer))
    regularizer.kl_weight.assign(kl_weight)
    logs = model.evaluate(x, x, batch_size=7, verbose=0, return_dict=True)
    reconstruction = bernoulli_loss(x, model(x)).mean()
    kl = divergence(*encoder(x)).mean()
    np.testing.assert_allclose(logs["loss"], reconstruction + 3.0 * kl_weight * kl, rtol=1e-5)
    np.testing.assert_allclose(logs["kl_divergence"], kl, rtol=1e-5)


def test_logged_divergence_is_the_mean_over_examples_of_batches_of_unequal_size():
    model, encoder = small_model()
    x = data(7)
    model.compile("sgd", NegativeLogLikelihood(families.Bernoulli(4)))
    logs = model.evaluate(x, x, batch_size=4, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["kl_divergence"], divergence(*encoder(x)).mean(), rtol=1e-5)


def test_sample_weight_weighs_the_reconstruction():
    model, encoder = small_model()
    x, weight = data(), np.linspace(0, 2, 7)
    model.compile("sgd", NegativeLogLikelihood(families.Bernoulli(4)))
    logs = model.evaluate(x, x, sample_weight=weight, batch_size=7, verbose=0, return_dict=True)
    expected = (weight * bernoulli_loss(x, model(x))).mean() + divergence(*encoder(x)).mean()
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


def test_training_lowers_the_loss_and_logs_validation():
    inputs = keras.Input((4,))
    params = keras.layers.Dense(4)(inputs)
    family = families.MultivariateNormalDiag(2)
    params = KLDivergenceRegularizer(family)(params)
    model = keras.Model(inputs, keras.layers.Dense(4)(Sampling(family, seed=1)(params)))
    model.compile(keras.optimizers.Adam(0.05), NegativeLogLikelihood(families.Bernoulli(4)))
    x = data(64)
    history = model.fit(x, x, validation_data=(x, x), epochs=5, verbose=0).history
    assert set(history) == {"loss", "kl_divergence", "val_loss", "val_kl_divergence"}
    assert history["loss"][-1] < history["loss"][0]


def test_several_layers_in_nested_models():
    """Each adds its own divergence, wherever it is, and logs it under its own name."""
    inner_inputs = keras.Input((4,))
    inner = [keras.layers.Dense(2)(inner_inputs), keras.layers.Dense(2)(inner_inputs)]
    inner = KLDivergenceRegularizer(name="inner")(inner)
    nested = keras.Model(inner_inputs, inner)
    inputs = keras.Input((4,))
    z_mean, z_log_var = nested(inputs)
    top = [keras.layers.Dense(2)(z_mean), keras.layers.Dense(2)(z_mean)]
    top = KLDivergenceRegularizer(name="top")(top, prior_params=[z_mean, z_log_var])
    model = keras.Model(inputs, keras.layers.Dense(4)(top[0]))
    parts = keras.Model(inputs, [z_mean, z_log_var, *top])
    model.compile("sgd", NegativeLogLikelihood(families.Bernoulli(4)))
    x = data()
    logs = model.evaluate(x, x, batch_size=7, verbose=0, return_dict=True)
    m_p, v_p, m_q, v_q = (part.numpy() for part in parts(x))
    inner = divergence(m_p, v_p).mean()
    ratio = np.exp(v_q - v_p)
    top = 0.5 * np.sum(ratio + (m_q - m_p) ** 2 / np.exp(v_p) - 1 - np.log(ratio), -1).mean()
    np.testing.assert_allclose(logs["inner_kl_divergence"], inner, rtol=1e-5)
    np.testing.assert_allclose(logs["top_kl_divergence"], top, rtol=1e-4)
    expected = bernoulli_loss(x, model(x)).mean() + inner + top
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


def test_hierarchy_on_symbolic_tensors_keeps_shapes():
    inputs = [keras.Input((3,)) for _ in range(4)]
    outputs = KLDivergenceRegularizer()(inputs[:2], prior_params=inputs[2:])
    assert [tuple(output.shape) for output in outputs] == [(None, 3)] * 2
    model = keras.Model(inputs, outputs)
    model([np.zeros((2, 3), "float32")] * 4)
    assert len(model.losses) == 1


@pytest.mark.parametrize("prior", [None, "learned"])
def test_save_and_load(tmp_path, prior):
    if prior:
        prior = priors.TrainablePrior(families.MultivariateNormalDiag(2))
    model, _ = small_model(prior=prior, weight=2.0, method="monte_carlo", seed=3, name="kl")
    model.compile("adam", NegativeLogLikelihood(families.Bernoulli(4)), run_eagerly=True)
    x = data()
    model.get_layer("kl").kl_weight.assign(0.5)
    model.fit(x, x, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert float(again.get_layer("kl").kl_weight) == 0.5
    expected = model.evaluate(x, x, verbose=0, return_dict=True)
    assert again.evaluate(x, x, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-6)
    for ours, theirs in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_config_round_trip():
    layer = KLDivergenceRegularizer(
        families.MultivariateNormalTriL(3),
        priors.StandardNormal(3, name="p"),
        weight=2.0,
        free_nats=0.5,
        method="exact",
        seed=4,
        name="kl",
    )
    saved = keras.saving.serialize_keras_object(layer)
    assert saved["registered_name"] == "keras_vae>KLDivergenceRegularizer"
    again = keras.saving.deserialize_keras_object(saved)
    assert again.get_config() == layer.get_config()
    assert (again.weight, again.free_nats, again.method, again.seed) == (2.0, 0.5, "exact", 4)
    assert again.prior.name == "p"


@pytest.mark.parametrize(
    ("policy", "dtype"), [("mixed_float16", "float16"), ("mixed_bfloat16", "bfloat16")]
)
@pytest.mark.usefixtures("restore_policy")
def test_divergence_in_float32_under_half_precision(policy, dtype):
    keras.config.set_dtype_policy(policy)
    for prior in (None, priors.TrainablePrior(families.MultivariateNormalDiag(3))):
        layer = KLDivergenceRegularizer(prior=prior)
        # In half precision this divergence is infinite.
        z_mean, z_log_var = tf.fill((5, 3), tf.cast(512.0, dtype)), tf.zeros((5, 3), dtype)
        outputs = layer([z_mean, z_log_var])
        assert outputs[0].dtype == dtype
        assert layer.losses[0].dtype == "float32"
        np.testing.assert_allclose(layer.losses[0], 1.5 * 512.0**2, rtol=1e-6)


@pytest.mark.parametrize(
    "policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.stress)]
)
@pytest.mark.usefixtures("restore_policy")
def test_training_a_functional_model_in_half_precision(policy):
    keras.config.set_dtype_policy(policy)
    model, encoder = small_model()
    x = data()
    model.compile("adam", NegativeLogLikelihood(families.Bernoulli(4)))
    model.fit(x, x, epochs=2, verbose=0)
    logs = model.evaluate(x, x, batch_size=7, verbose=0, return_dict=True)
    logits, *params = (tf.cast(part, tf.float64).numpy() for part in (model(x), *encoder(x)))
    kl = divergence(*params).mean()
    # The network's outputs are halves; from there on all is float32.
    np.testing.assert_allclose(logs["kl_divergence"], kl, rtol=0.02, atol=0.02)
    expected = bernoulli_loss(x, logits).mean() + kl
    np.testing.assert_allclose(logs["loss"], expected, rtol=0.02)


@pytest.mark.usefixtures("restore_policy")
def test_float64_policy(params):
    keras.config.set_dtype_policy("float64")
    layer = KLDivergenceRegularizer(prior=priors.StandardNormal(3))
    layer([part.astype("float64") for part in params])
    np.testing.assert_allclose(layer.losses[0], divergence(*params).mean(), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "int64", "float16"])
@pytest.mark.parametrize("prior", [None, priors.StandardNormal(3)])
@pytest.mark.parametrize("hierarchical", [False, True])
def test_inputs_of_another_dtype(dtype, prior, hierarchical):
    params = [np.ones((5, 3), dtype), np.zeros((5, 3), dtype)]
    if hierarchical:
        layer = KLDivergenceRegularizer()
        layer(params, prior_params=[tf.zeros((5, 3))] * 2)
    else:
        layer = KLDivergenceRegularizer(prior=prior)
        layer(params)
    np.testing.assert_allclose(layer.losses[0], 1.5)


@pytest.mark.parametrize("batch", [0, 1])
def test_small_batches(batch):
    layer = KLDivergenceRegularizer()
    layer([tf.ones((batch, 3)), tf.zeros((batch, 3))])
    np.testing.assert_allclose(layer.losses[0], 1.5 * batch)
    np.testing.assert_allclose(layer.kl_metric.result(), 1.5 * batch)


@pytest.mark.parametrize("scale", [1e4, -1e4, 1e9])
@pytest.mark.parametrize("method", ["exact", "monte_carlo"])
def test_extreme_parameters(scale, method):
    params = tf.fill((5, 6), scale)
    layer = KLDivergenceRegularizer(method=method)
    with tf.GradientTape() as tape:
        tape.watch(params)
        layer(params)
        loss = layer.losses[0]
    assert np.isfinite(loss)
    gradient = tape.gradient(loss, params).numpy()
    assert np.isfinite(gradient).all()
    if method == "exact":
        assert np.all(gradient[:, :3] * np.sign(scale) > 0)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"family": "normal"}, TypeError, r"family of distributions or None. Received: family="),
        ({"prior": "normal"}, TypeError, r"a prior or None. Received: prior='normal'"),
        ({"weight": -1.0}, ValueError, r"weight to be .* at least 0. Received: weight=-1.0"),
        ({"weight": "1"}, TypeError, r"weight to be .* Received: weight='1'"),
        ({"weight": np.nan}, ValueError, r"weight to be a finite number .* Received: weight=nan"),
        ({"free_nats": -0.1}, ValueError, r"free_nats to be .* Received: free_nats=-0.1"),
        ({"free_nats": None}, TypeError, r"free_nats to be .* Received: free_nats=None"),
        ({"method": "mc"}, ValueError, r"method to be one of 'auto', .* Received: method='mc'"),
        ({"seed": 1.5}, TypeError, r"integer seed or None. Received: seed=1.5"),
    ],
)
def test_arguments(arguments, error, text):
    with pytest.raises(error, match="KLDivergenceRegularizer expects .*" + text):
        KLDivergenceRegularizer(**arguments)


def test_inputs_of_the_wrong_shapes(params):
    with pytest.raises(ValueError, match=r"\[z_mean, z_log_var\] of one shape. Received: params"):
        KLDivergenceRegularizer()([*params, params[0]])
    with pytest.raises(ValueError, match=r"MultivariateNormalDiag expects .* Received"):
        KLDivergenceRegularizer()(params, prior_params=[params[0][:, :2], params[1][:, :2]])
    with pytest.raises(ValueError, match=r"events of one shape. Received: event shapes"):
        KLDivergenceRegularizer(prior=priors.StandardNormal(1))(params)
    with pytest.raises(ValueError, match=r"MultivariateNormalDiag expects params of shape"):
        KLDivergenceRegularizer(families.MultivariateNormalDiag(2))(np.zeros((5, 6), "float32"))
