"""Every prior in a `VAEModel`: trained, saved, reloaded, sampled and evaluated."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, evaluation, families, priors

FEATURES, LATENT, CLASSES, EXAMPLES = 4, 3, 2, 12


def conditional():
    network = keras.Sequential([keras.Input((CLASSES,)), keras.layers.Dense(2 * LATENT)])
    return priors.ConditionalPrior(network, families.MultivariateNormalDiag(LATENT))


def conditional_built_by_data():
    network = keras.Sequential([keras.layers.Dense(2 * LATENT)])
    return priors.ConditionalPrior(network, families.MultivariateNormalDiag(LATENT))


# For each prior the posterior, None for the usual one.
PRIORS = {
    "standard_normal": (lambda: priors.StandardNormal(LATENT), None),
    "trainable": (
        lambda: priors.TrainablePrior(families.MultivariateNormalTriL(LATENT)),
        families.MultivariateNormalTriL,
    ),
    "mixture_diag": (lambda: priors.MixturePrior(LATENT, 3), None),
    "mixture_full": (lambda: priors.MixturePrior(LATENT, 3, "full"), None),
    "vamp": (lambda: priors.VampPrior(FEATURES, 5), None),
    "vamp_tril": (lambda: priors.VampPrior(FEATURES, 5), families.MultivariateNormalTriL),
    "vamp_normal": (lambda: priors.VampPrior(FEATURES, 5), families.Normal),
    "vamp_bounded": (lambda: priors.VampPrior(FEATURES, 5, bounded=True), None),
    "vamp_on_sphere": (lambda: priors.VampPrior(FEATURES, 5), families.PowerSpherical),
    "conditional": (conditional, None),
    "conditional_built_by_data": (conditional_built_by_data, None),
    "spherical_uniform": (lambda: priors.SphericalUniform(LATENT), families.PowerSpherical),
    "uniform_categorical": (
        lambda: priors.UniformCategorical(LATENT),
        families.RelaxedOneHotCategorical,
    ),
    "flow": (lambda: priors.FlowPrior(LATENT, num_layers=4, hidden_units=(8,)), None),
}
# test_combinations.py trains and saves one of every class too.
ORDINARY = {
    *("trainable", "mixture_full", "vamp_tril", "vamp_bounded", "conditional_built_by_data"),
    "flow",
}
every_prior = pytest.mark.parametrize(
    ("make", "posterior"),
    [
        pytest.param(*prior, id=name, marks=() if name in ORDINARY else pytest.mark.stress)
        for name, prior in PRIORS.items()
    ],
)


def network(inputs, outputs, condition, policy=None):
    entries = [keras.Input((inputs,)), *([keras.Input((CLASSES,))] if condition else [])]
    hidden = keras.layers.Concatenate()(entries) if condition else entries[0]
    hidden = keras.layers.Dense(8, "tanh", dtype=policy)(hidden)
    return keras.Model(
        entries if condition else entries[0], keras.layers.Dense(outputs, dtype=policy)(hidden)
    )


def build(make, posterior, policy=None):
    family = (posterior or families.MultivariateNormalDiag)(LATENT)
    prior = make()
    condition = isinstance(prior, priors.ConditionalPrior)
    model = VAEModel(
        network(FEATURES, family.params_size, condition, policy),
        network(LATENT, FEATURES, condition, policy),
        posterior=family,
        prior=prior,
        seed=1,
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(EXAMPLES, FEATURES)).astype("float32")
    labels = np.eye(CLASSES, dtype="float32")[rng.integers(CLASSES, size=EXAMPLES)]
    return model, ({"x": x, "condition": labels} if condition else x)


# Eagerly; in a graph and under XLA: test_combinations.py.
@every_prior
def test_it_trains_and_comes_back(make, posterior, tmp_path):
    model, data = build(make, posterior)
    before = [weight.numpy() for weight in model.prior.weights]
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    logs = model.fit(data, batch_size=EXAMPLES // 2, verbose=0).history
    assert logs["skipped_steps"] == [0.0]
    assert np.isfinite(logs["loss"][0])
    for weight, value in zip(model.prior.weights, before, strict=False):
        assert np.any(weight.numpy() != value), weight.path

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == len(model.weights)
    for saved, weight in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(saved.numpy(), weight.numpy(), err_msg=weight.path)
    condition = data["condition"] if isinstance(data, dict) else None
    samples = [m.sample(EXAMPLES, seed=3, condition=condition) for m in (model, loaded)]
    assert samples[0].shape == (EXAMPLES, FEATURES)
    np.testing.assert_array_equal(*samples)


def test_a_prior_that_is_saved_before_data_build_it_is_trained(tmp_path):
    model, data = build(*PRIORS["conditional_built_by_data"])
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    logs = loaded.fit(data, batch_size=EXAMPLES, verbose=0).history
    assert logs["skipped_steps"] == [0.0]
    assert len(loaded.optimizer.variables) == 2 + 2 * len(loaded.trainable_weights)


@pytest.mark.parametrize(
    "name", ["mixture_full", "vamp", "conditional", "flow", "uniform_categorical"]
)
def test_mixed_precision(name):
    make, posterior = PRIORS[name]
    model, data = build(make, posterior, policy="mixed_float16")
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    logs = model.fit(data, batch_size=EXAMPLES, verbose=0).history
    assert logs["skipped_steps"] == [0.0]
    assert np.isfinite(logs["loss"][0])


def stress(*names):
    return [pytest.param(name, marks=pytest.mark.stress) for name in names]


@pytest.mark.parametrize("name", ["vamp", *stress(*sorted(set(PRIORS) - {"vamp"}))])
def test_a_loaded_model_has_the_same_log_likelihood(name, tmp_path):
    model, data = build(*PRIORS[name])
    # What data build is built by it: what is not there cannot be saved.
    expected = evaluation.log_likelihood(model, data, num_samples=20, seed=3).log_prob
    assert np.all(np.isfinite(expected))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = evaluation.log_likelihood(loaded, data, num_samples=20, seed=3).log_prob
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize(
    "name",
    ["vamp", "conditional", *stress("mixture_full", "spherical_uniform", "flow")]
    + ["uniform_categorical"],
)
def test_export(name, tmp_path):
    model, data = build(*PRIORS[name])
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["sample"]
    arguments = {"num_samples": tf.constant(EXAMPLES), "seed": tf.constant([3, 0])}
    condition = data["condition"] if isinstance(data, dict) else None
    if condition is not None:
        arguments["condition"] = tf.constant(condition)
    np.testing.assert_allclose(
        served(**arguments)["sample"],
        model.sample(EXAMPLES, seed=(3, 0), condition=condition),
        rtol=1e-5,
        atol=1e-5,
    )


def test_the_vamp_prior_is_trained_through_the_encoder():
    """The prior's part of the gradient reaches encoder and pseudo-inputs alike."""
    model, _ = build(*PRIORS["vamp"])
    z = tf.ones((5, LATENT))
    weights = [model.prior.pseudo_inputs.value, *[w.value for w in model.encoder.weights]]
    with tf.GradientTape() as tape:
        log_prob = model.prior.distribution(encode=model.encode).log_prob(z)
    for gradient in tape.gradient(log_prob, weights):
        assert np.any(gradient != 0.0)


def test_the_vamp_prior_with_the_data_as_pseudo_inputs_is_the_aggregate_posterior():
    model, x = build(lambda: priors.VampPrior(FEATURES, EXAMPLES), None)
    model.prior.pseudo_inputs.assign(x)
    z = np.random.default_rng(1).normal(size=(6, LATENT)).astype("float32")
    posterior = model.encode(x)
    loc, scale = posterior.mean().numpy().astype(float), posterior.stddev().numpy().astype(float)
    noise = (z[:, np.newaxis] - loc) / scale
    log_prob = np.sum(-0.5 * noise**2 - np.log(scale) - 0.5 * np.log(2 * np.pi), -1)
    expected = np.logaddexp.reduce(log_prob, axis=1) - np.log(EXAMPLES)
    actual = model.prior.distribution(encode=model.encode).log_prob(z)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_the_conditional_prior_samples_for_its_condition():
    model, data = build(*PRIORS["conditional"])
    kernel, bias = model.prior.network.weights
    kernel.assign(np.array([[50.0] * LATENT + [-20.0] * LATENT, [0.0] * 2 * LATENT]))
    bias.assign(tf.zeros_like(bias))
    z = model.prior.distribution(condition=data["condition"]).sample(seed=1).numpy()
    first = data["condition"][:, 0] == 1.0
    np.testing.assert_allclose(z[first], 50.0, atol=0.01)
    # 8 standard deviations.
    assert np.all(np.abs(z[~first]) < 8.0)
    with pytest.raises(ValueError, match="ConditionalPrior expects a condition"):
        model.sample(3)


def test_pseudo_inputs_leave_the_statistics_of_the_encoder_alone():
    encoder = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2 * LATENT),
        ]
    )
    decoder = keras.Sequential([keras.Input((LATENT,)), keras.layers.Dense(FEATURES)])
    model = VAEModel(encoder, decoder, prior=priors.VampPrior(FEATURES, 5), seed=1)
    model.prior.pseudo_inputs.assign(tf.fill((5, FEATURES), 100.0))
    model.compile(run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(EXAMPLES, FEATURES)).astype("float32")
    model.fit(x, batch_size=EXAMPLES, verbose=0)
    normalization = encoder.layers[0]
    # One step of the moving average, from the start at zero.
    expected = (1 - normalization.momentum) * x.mean(0)
    np.testing.assert_allclose(normalization.moving_mean, expected, rtol=1e-5, atol=1e-7)
