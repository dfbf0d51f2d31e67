"""The loss is the sum it says it is, in nats an example."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families, layers, objectives, priors, schedules
from keras_vae._random import standard_normal

LOG_2PI = np.log(2 * np.pi)


def weights_of(model):
    """Kernels and biases of a one-layer encoder and decoder in float64."""
    return [
        np.float64(variable.numpy())
        for network in (model.encoder, model.decoder)
        for variable in network.trainable_variables
    ]


def linear_model(regularizer=None, **arguments):
    encoder = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, bias_initializer="ones", kernel_regularizer=regularizer),
        ]
    )
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    return VAEModel(encoder, decoder, seed=3, **arguments)


def first_noise(model, shape):
    """The noise of the model's next step; its seed state is put back."""
    state = model.seed_generator.state.numpy()
    noise = standard_normal(shape, model._next_seed(), tf.float32)
    model.seed_generator.state.assign(state)
    return np.float64(noise)


def losses_by_hand(model, x, y, noise):
    """Reconstruction loss and KL divergence of each example in float64, without TensorFlow."""
    kernel, bias, decoder_kernel, decoder_bias = weights_of(model)
    loc, log_variance = np.split(np.float64(x) @ kernel + bias, 2, axis=-1)
    z = loc + np.exp(0.5 * log_variance) * noise
    mean = z @ decoder_kernel + decoder_bias
    reconstruction = 0.5 * np.sum((y - mean) ** 2 + LOG_2PI, axis=-1).mean(axis=0)
    kl = 0.5 * np.sum(loc**2 + np.exp(log_variance) - log_variance - 1.0, axis=-1)
    return reconstruction, kl


@pytest.mark.parametrize("kl_weight", [1.0, 0.25])
@pytest.mark.parametrize("beta", [1.0, 4.0, 0.0])
@pytest.mark.parametrize("num_samples", [1, 3])
def test_the_loss_is_what_numpy_computes_from_the_same_noise(kl_weight, beta, num_samples):
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    y = x + 0.5
    model = linear_model()
    model.compile(objective=objectives.ELBO(beta=beta, num_samples=num_samples), run_eagerly=True)
    model.kl_weight.assign(kl_weight)
    reconstruction, kl = losses_by_hand(model, x, y, first_noise(model, (num_samples, 6, 2)))
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    # Sums over features and latents, means over the batch; KL once, and without its weight.
    expected = {
        "reconstruction_loss": reconstruction.mean(),
        "kl_divergence": kl.mean(),
        "loss": reconstruction.mean() + kl_weight * beta * kl.mean(),
        "elbo": -(reconstruction.mean() + kl.mean()),
        "skipped_steps": 0.0,
    }
    assert logs.keys() == expected.keys()
    for name, value in expected.items():
        # About 50 float32 operations on numbers below 10.
        np.testing.assert_allclose(logs[name], value, rtol=1e-5, err_msg=name)


def test_a_schedule_moves_with_the_steps(build, data, tmp_path):
    beta = schedules.linear(1.0, 3.0, duration=4)
    model = build(posterior=families.MultivariateNormalDiag(2))
    model.compile(objective=objectives.ELBO(beta=beta))

    def betas(model, **arguments):
        # A step an epoch.
        logs = model.fit(data, batch_size=12, verbose=0, **arguments).history
        logs = {name: np.array(values) for name, values in logs.items()}
        return (logs["loss"] - logs["reconstruction_loss"]) / logs["kl_divergence"]

    np.testing.assert_allclose(betas(model, epochs=2), [1.0, 1.5], rtol=1e-5)
    logs = model.evaluate(data, verbose=0, return_dict=True)
    weighted = logs["loss"] - logs["reconstruction_loss"]
    np.testing.assert_allclose(weighted, 2.0 * logs["kl_divergence"], rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(betas(loaded, epochs=4), [2.0, 2.5, 3.0, 3.0], rtol=1e-5)


def test_a_schedule_that_cannot_be_saved_says_so(build, tmp_path):
    model = build()
    model.compile(objective=objectives.ELBO(beta=lambda step: 0.1 * step))
    with pytest.raises(ValueError, match=r"a function that Keras knows. Received: function=<func"):
        model.save(tmp_path / "model.keras")


@pytest.mark.parametrize(
    "likelihood",
    [
        "normal",
        *(pytest.param(n, marks=pytest.mark.stress) for n in ("bernoulli", "continuous_bernoulli")),
    ],
)
@pytest.mark.parametrize(("beta", "run_eagerly"), [(1.0, True), (0.5, False)])
def test_the_logged_terms_add_up_in_training_and_validation(likelihood, beta, run_eagerly):
    x = np.random.default_rng(0).uniform(size=(10, 3)).astype("float32")
    model = linear_model(likelihood=likelihood, regularizer=keras.regularizers.L2(0.1))
    objective = objectives.ELBO(beta=beta)
    model.compile(keras.optimizers.SGD(0.0), objective, run_eagerly=run_eagerly)
    model.kl_weight.assign(0.5)
    logs = model.fit(x, batch_size=4, validation_data=(x[:5],), epochs=2, verbose=0).history
    penalty = 0.1 * np.sum(weights_of(model)[0] ** 2)
    assert penalty > 1e-3
    for prefix in ("", "val_"):
        loss, reconstruction, kl, elbo = (
            np.array(logs[prefix + name])
            for name in ("loss", "reconstruction_loss", "kl_divergence", "elbo")
        )
        np.testing.assert_allclose(loss, reconstruction + 0.5 * beta * kl + penalty, rtol=1e-5)
        np.testing.assert_allclose(elbo, -(reconstruction + kl), rtol=1e-6)
        assert (kl > 0).all()


def test_twice_the_features_is_twice_the_reconstruction_loss_and_the_batch_does_not_matter(build):
    x = np.ones((4, 3), "float32")
    model = build(features=3)
    wide = build(features=6)
    for each in (model, wide):
        each.compile(run_eagerly=True)
        for variable in each.trainable_variables:
            variable.assign(tf.zeros_like(variable))
    one = model.evaluate(x, verbose=0, return_dict=True)
    two = wide.evaluate(np.ones((4, 6)), verbose=0, return_dict=True)
    many = model.evaluate(np.ones((40, 3)), batch_size=40, verbose=0, return_dict=True)
    np.testing.assert_allclose(one["reconstruction_loss"], 1.5 * (1 + LOG_2PI), rtol=1e-6)
    np.testing.assert_allclose(two["reconstruction_loss"], 3.0 * (1 + LOG_2PI), rtol=1e-6)
    for name in ("loss", "kl_divergence"):
        np.testing.assert_allclose(many[name], one[name], rtol=1e-6)


def test_sample_weights_weigh_the_examples(build, data):
    weights = np.linspace(0.0, 2.0, 12).astype("float32")
    model = build()
    model.compile(run_eagerly=True)
    each = [model.evaluate(data[i : i + 1], verbose=0, return_dict=True) for i in range(12)]
    logs = model.evaluate(data, data, sample_weight=weights, verbose=0, return_dict=True)
    for name in ("loss", "reconstruction_loss", "kl_divergence", "elbo"):
        # As in Keras: the sum of the weighted losses over the number of examples.
        expected = np.sum(weights * [example[name] for example in each]) / 12
        np.testing.assert_allclose(logs[name], expected, rtol=1e-5)
    column = model.evaluate(data, data, sample_weight=weights[:, None], verbose=0)
    np.testing.assert_allclose(column[0], logs["loss"], rtol=1e-6)


def test_examples_of_weight_zero_are_absent_from_the_gradient(build, data, assert_same):
    # Even where their own gradient is large.
    x = np.concatenate([data[:6], 100.0 * data[6:]])
    weighted, alone = build(), build()
    for model, rate in ((weighted, 0.1), (alone, 0.05)):
        # The mean is over all 12 examples, as Keras has it: half of the mean over the 6.
        model.compile(optimizer=keras.optimizers.SGD(rate), run_eagerly=True)
    weights = np.repeat([1.0, 0.0], 6)
    weighted.fit(x, x, sample_weight=weights, batch_size=12, verbose=0)
    alone.fit(x[:6], batch_size=6, verbose=0)
    assert_same(weighted.get_weights(), alone.get_weights(), rtol=1e-4, atol=1e-6)


def test_a_weight_for_each_entry_is_refused(build, data):
    model = build()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"one sample_weight an example.*Mark missing entries"):
        model.train_on_batch(data, data, sample_weight=np.ones((12, 4)))


def test_missing_entries_leave_the_likelihood(build, data):
    holes = data.copy()
    holes[0, 1] = holes[3, 0] = holes[3, 2] = np.nan
    holes[5] = np.nan
    model = build()
    model.compile(run_eagerly=True)
    logs = model.evaluate(holes, verbose=0, return_dict=True)
    # The networks see zeros in the holes.
    mean = np.float64(model.predict(np.nan_to_num(holes), verbose=0))
    expected = np.nansum(0.5 * ((holes - mean) ** 2 + LOG_2PI)) / 12
    np.testing.assert_allclose(logs["reconstruction_loss"], expected, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(holes, verbose=0), np.float32(mean))


@pytest.mark.parametrize(
    "likelihood",
    [
        "normal",
        pytest.param("bernoulli", marks=pytest.mark.stress),
        pytest.param("multivariate_normal_tril", marks=pytest.mark.stress),
    ],
)
def test_a_model_trains_on_data_with_holes(likelihood):
    family = {
        "normal": families.Normal(3),
        "bernoulli": families.Bernoulli(3),
        "multivariate_normal_tril": families.MultivariateNormalTriL(3),
    }[likelihood]
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(family.params_size)])
    model = VAEModel(encoder, decoder, likelihood=family, seed=1)
    x = np.random.default_rng(0).uniform(size=(64, 3))
    x[np.random.default_rng(1).uniform(size=x.shape) < 0.3] = np.nan
    model.compile(optimizer=keras.optimizers.Adam(0.03), metrics=["mse"])
    logs = model.fit(x, epochs=8, verbose=0).history
    assert logs["skipped_steps"] == [0] * 8
    assert np.isfinite(logs["loss"]).all()
    assert logs["loss"][-1] < logs["loss"][0]
    assert np.isfinite(logs["mse"]).all()


def test_metrics_compare_the_target_with_the_mean_reconstruction(build, data):
    y = data + 1.0
    model = build()
    model.compile(
        keras.optimizers.SGD(0.0),
        metrics=["mse", keras.metrics.MeanAbsoluteError()],
        run_eagerly=True,
    )
    error = model.predict(data, verbose=0) - y
    for logs in (
        model.evaluate(data, y, verbose=0, return_dict=True),
        {name: value[0] for name, value in model.fit(data, y, verbose=0).history.items()},
    ):
        np.testing.assert_allclose(logs["mse"], np.mean(error**2), rtol=1e-5)
        np.testing.assert_allclose(logs["mean_absolute_error"], np.mean(np.abs(error)), rtol=1e-5)


def test_weighted_metrics_have_the_weights(build, data):
    weights = np.linspace(0.0, 2.0, 12)
    model = build()
    model.compile(weighted_metrics=["mse"], run_eagerly=True)
    logs = model.evaluate(data, data, sample_weight=weights, verbose=0, return_dict=True)
    errors = np.mean((model.predict(data, verbose=0) - data) ** 2, axis=1)
    np.testing.assert_allclose(logs["mse"], np.average(errors, weights=weights), rtol=1e-5)


class AddsItsOutput(keras.layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(keras.ops.square(x)))
        return x


def penalized_model():
    encoder = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.5)),
            AddsItsOutput(),
        ]
    )
    decoder = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(3, bias_regularizer="l1", bias_initializer="ones")]
    )
    return VAEModel(encoder, decoder, seed=1)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_penalties_of_the_networks_count_once(run_eagerly):
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    model = penalized_model()
    model.compile(optimizer=keras.optimizers.SGD(0.0), run_eagerly=run_eagerly)
    kernel, bias, _, decoder_bias = weights_of(model)
    expected = 0.5 * np.sum(kernel**2) + np.mean((x @ kernel + bias) ** 2)
    expected += 0.01 * np.sum(np.abs(decoder_bias))
    # The second call would show losses that pile up.
    for _ in range(2):
        logs = model.fit(x, batch_size=8, verbose=0).history
        penalty = logs["loss"][0] - logs["reconstruction_loss"][0] - logs["kl_divergence"][0]
        np.testing.assert_allclose(penalty, expected, rtol=1e-4)


def test_penalties_have_their_gradient(build):
    x = np.zeros((4, 4), "float32")
    regularizer = {"kernel_regularizer": keras.regularizers.L2(0.5)}
    plain, penalized = build(), build(layer=regularizer)
    before = penalized.encoder.layers[-1].kernel.numpy()
    for model in (plain, penalized):
        model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
        model.fit(x, verbose=0)
    # d/dw 0.5 w^2 = w, and the penalty is not averaged over the batch.
    difference = (
        plain.encoder.layers[-1].kernel.numpy() - penalized.encoder.layers[-1].kernel.numpy()
    )
    np.testing.assert_allclose(difference, 0.1 * before, rtol=1e-4, atol=1e-6)


def test_the_kl_divergence_cannot_be_counted_twice():
    inputs = keras.Input((3,))
    outputs = layers.KLDivergenceRegularizer(families.MultivariateNormalDiag(2), name="kl")(
        keras.layers.Dense(4)(inputs)
    )
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"without a KLDivergenceRegularizer.*ends in 'kl'"):
        VAEModel(keras.Model(inputs, outputs), decoder)


def test_the_kl_divergence_cannot_be_counted_twice_in_a_sequential():
    encoder = keras.Sequential([keras.layers.Dense(4), layers.KLDivergenceRegularizer()])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="without a KLDivergenceRegularizer"):
        VAEModel(encoder, decoder)


@pytest.mark.parametrize("name", ["loss", "loss_weights"])
def test_a_loss_is_refused(build, name):
    model = build()
    with pytest.raises(ValueError, match=f"Received: {name} in compile.*set by the likelihood"):
        model.compile(**{name: "mse"})


def test_an_unknown_objective_is_refused(build):
    model = build()
    with pytest.raises(ValueError, match="one of 'elbo'"):
        model.compile(objective="elbow")
    with pytest.raises(TypeError, match="expects an objective or its name"):
        model.compile(objective=tf.reduce_mean)


def test_a_trainable_prior_and_a_learned_scale_are_trained(data):
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    prior = priors.TrainablePrior(families.MultivariateNormalDiag(2))
    likelihood = families.Normal(4, scale="learned")
    model = VAEModel(encoder, decoder, likelihood=likelihood, prior=prior, seed=1)
    assert len(model.trainable_variables) == 6
    model.compile(optimizer="adam", run_eagerly=True)
    model.fit(data, verbose=0)
    assert (prior.params.numpy() != 0).all()
    assert likelihood.log_variance.numpy() != 0


def test_the_optimal_scale_is_the_spread_of_the_residuals(build, data):
    model = build(likelihood=families.Normal(4, scale="optimal"))
    model.compile(optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
    logs = model.fit(data, batch_size=12, verbose=0).history
    variance = np.mean((data - model.predict(data, verbose=0)) ** 2, dtype=np.float64)
    expected = 2.0 * (np.log(2 * np.pi * variance) + 1.0)
    np.testing.assert_allclose(logs["reconstruction_loss"], [expected], rtol=1e-5)
