"""Encoding, decoding, reconstructing, sampling: shapes, seeds and errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families, layers, objectives, priors
from keras_vae._tfp import tfd


@pytest.fixture
def model(build):
    return build(posterior=families.MultivariateNormalDiag(2))


def test_calling_and_predicting_are_deterministic_and_equal(model, data):
    model.compile()
    results = [
        model(data),
        model(data),
        model.reconstruct(data),
        model.predict(data, verbose=0),
        model.predict(data, batch_size=5, verbose=0),
        model.predict_on_batch(data),
        model(data, training=True),
        model.decode(model.encode(data).mean()).mean(),
    ]
    for result in results:
        assert result.shape == (12, 4)
        np.testing.assert_allclose(result, results[0], rtol=1e-5, atol=1e-6)


def test_predicting_leaves_the_state_of_the_noise_alone(model, data):
    before = model.seed_generator.state.numpy()
    model.compile()
    model.predict(data, verbose=0)
    model.sample(3, seed=1)
    np.testing.assert_array_equal(model.seed_generator.state.numpy(), before)
    model.sample(3)
    assert (model.seed_generator.state.numpy() != before).any()


def test_encode_and_decode_give_distributions(model, data):
    posterior = model.encode(data)
    assert isinstance(posterior, tfd.Distribution)
    assert (posterior.batch_shape, posterior.event_shape) == ((12,), (2,))
    np.testing.assert_array_equal(posterior.mean(), model.encode({"x": data}).mean())
    for shape in ([], [7], [3, 7]):
        likelihood = model.decode(posterior.sample(shape, seed=1))
        assert likelihood.batch_shape == (*shape, 12)
        assert likelihood.event_shape == (4,)


def test_decoding_samples_at_once_is_decoding_them_one_by_one(build):
    model = build(condition=3)
    z = np.random.default_rng(0).normal(size=(5, 12, 2)).astype("float32")
    condition = np.random.default_rng(1).normal(size=(12, 3)).astype("float32")
    together = model.decode(z, condition).mean()
    for i in range(5):
        # Each sample meets the condition of its own example.
        alone = model.decode(z[i], condition).mean()
        np.testing.assert_allclose(together[i], alone, rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_samples(model):
    for seed, same, other in ((3, (3, 0), 4), ((3, 4), [3, 4], (4, 3)), (2**40, 2**40, 1)):
        a, b, c = (model.sample(5, seed=s) for s in (seed, same, other))
        np.testing.assert_array_equal(a, b)
        assert (a.numpy() != c.numpy()).all()
    assert (model.sample(5).numpy() != model.sample(5).numpy()).all()


def test_the_mean_is_taken_at_the_same_latents(build):
    model = build(likelihood=families.Bernoulli(4))
    mean, drawn = model.sample(4000, seed=1, mean=True), model.sample(4000, seed=1)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    # The residual of 4000 Bernoulli draws has a standard error below 0.5 / sqrt(4000) = 0.008.
    np.testing.assert_allclose(np.mean(drawn - mean, axis=0), 0.0, atol=4 * 0.008)
    assert np.std(mean) > 0.01
    # The correlation shows that they share z: with other latents it would be 0.
    assert np.corrcoef(np.ravel(mean), np.ravel(drawn))[0, 1] > 0.05


def test_samples_are_those_of_the_prior(build):
    prior = priors.TrainablePrior(families.MultivariateNormalDiag(2))
    prior.params.assign([3.0, -3.0, -4.0, -4.0])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    decoder.set_weights([np.eye(2), np.zeros(2)])
    encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = VAEModel(encoder, decoder, prior=prior)
    mean = model.sample(1000, seed=1, mean=True)
    # exp(-2) = 0.135 is the standard deviation of each latent: error 0.0043.
    np.testing.assert_allclose(np.mean(mean, axis=0), [3.0, -3.0], atol=4 * 0.0043)
    np.testing.assert_allclose(np.std(mean, axis=0), np.exp(-2.0), rtol=0.1)


def test_sampling_inside_a_function_draws_anew(model):
    draw = tf.function(lambda: model.sample(3))
    assert (draw().numpy() != draw().numpy()).all()


def test_names_of_families(build):
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = VAEModel(encoder, decoder, posterior="multivariate_normal_diag", likelihood="bernoulli")
    assert model.posterior.get_config() == {"event_shape": (2,)}
    assert model.likelihood.get_config() == {"event_shape": (4,)}
    assert model.prior.event_shape == (2,)
    assert isinstance(VAEModel(encoder, decoder).likelihood, families.Normal)


def test_an_encoder_may_give_a_list():
    inputs = keras.Input((4,))
    outputs = [keras.layers.Dense(2)(inputs), keras.layers.Dense(2)(inputs)]
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = VAEModel(keras.Model(inputs, outputs), decoder)
    assert model.posterior.event_shape == (2,)
    model.compile()
    assert np.isfinite(model.fit(np.ones((4, 4)), verbose=0).history["loss"]).all()


DENSE = {"encoder": (4, 4), "decoder": (2, 4)}


def network(name, units=None):
    inputs, outputs = DENSE[name]
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(units or outputs)])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"encoder": len}, TypeError, "expects a Keras model as encoder"),
        ({"decoder": None}, TypeError, "expects a Keras model as decoder.*decoder=None"),
        ({"prior": tfd.Normal(0.0, 1.0)}, TypeError, "expects a prior or None"),
        ({"prior": "standard_normal"}, TypeError, "expects a prior or None"),
        ({"posterior": "normally"}, ValueError, "'bernoulli'.*Received: posterior='normally'"),
        ({"likelihood": "mse"}, ValueError, "'bernoulli'.*Received: likelihood='mse'"),
        ({"likelihood": tfd.Normal}, TypeError, "expects a family of distributions or its name"),
        ({"posterior": 3}, TypeError, "expects a family of distributions or its name"),
        ({"likelihood": families.Normal}, TypeError, "expects a family of distributions"),
        ({"seed": 1.5}, TypeError, "expects an integer seed or None"),
        (
            {"encoder": network("encoder", 5)},
            ValueError,
            "MultivariateNormalDiag expects loc and log_variance side by side",
        ),
    ],
    ids=repr,
)
def test_wrong_parts_are_told_at_construction(arguments, error, message):
    parts = {"encoder": network("encoder"), "decoder": network("decoder"), **arguments}
    with pytest.raises(error, match=message):
        VAEModel(**parts)


@pytest.mark.parametrize("part", ["posterior", "likelihood"])
def test_wrong_families_are_told_before_networks_are_built(part):
    late = [keras.Sequential([keras.layers.Dense(4)]) for _ in range(2)]
    with pytest.raises(TypeError, match="expects a family of distributions or its name"):
        VAEModel(*late, **{part: tf.nn.sigmoid})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"posterior": families.MultivariateNormalDiag(3)},
            "MultivariateNormalDiag expects params",
        ),
        ({"likelihood": families.Bernoulli(7)}, "Bernoulli expects params of shape"),
        ({"likelihood": families.Bernoulli((2, 2))}, "Bernoulli expects data of shape"),
        ({"likelihood": families.Deterministic(4)}, "Deterministic expects to be a posterior"),
        ({"prior": priors.StandardNormal(3)}, "one shape|event_shape|shape"),
    ],
    ids=repr,
)
def test_parts_that_do_not_fit_are_told_in_training(arguments, message, data):
    def train():
        model = VAEModel(network("encoder"), network("decoder"), **arguments)
        model.compile()
        model.fit(data, verbose=0)

    with pytest.raises(ValueError, match=message):
        train()


def test_data_of_another_shape_is_told(build, data):
    model = build()
    model.compile()
    with pytest.raises(ValueError, match="expects data of shape"):
        model.fit(data, np.ones((12, 5)), verbose=0)
    with pytest.raises(ValueError, match="VAEModel expects x of shape"):
        model.fit(np.ones((12, 5)), verbose=0)


@pytest.mark.parametrize("seed", [0.5, "a", (1, 2, 3)])
def test_a_seed_that_is_none_is_told(model, seed):
    with pytest.raises(ValueError, match="A seed expects an integer or a pair of integers"):
        model.sample(3, seed=seed)


@pytest.mark.parametrize("use", ["decode", "sample", "export"])
def test_uses_before_the_networks_have_weights_are_told(use, tmp_path):
    model = VAEModel(*(keras.Sequential([keras.layers.Dense(4)]) for _ in range(2)))
    argument = {"decode": np.ones((1, 2)), "sample": 3, "export": tmp_path / "x"}[use]
    with pytest.raises(ValueError, match=rf"expects to be built before {use}\(\)"):
        getattr(model, use)(argument)
    # Encoding has the data that builds it.
    assert model.encode(np.ones((3, 6), "float32")).event_shape == (2,)
    assert model.built


@pytest.mark.parametrize("value", [-1e4, 1e4])
@pytest.mark.parametrize(
    ("likelihood", "how"),
    [
        (families.Normal(4), {"run_eagerly": True}),
        (families.Normal(4, scale="per_element"), {"run_eagerly": True}),
        (families.Normal(4, scale="learned"), {"run_eagerly": True}),
        (families.Bernoulli(4), {"run_eagerly": True}),
        (families.ContinuousBernoulli(4), {"run_eagerly": True}),
        pytest.param(
            families.ContinuousBernoulli(4), {"jit_compile": True}, marks=pytest.mark.stress
        ),
    ],
    ids=repr,
)
def test_huge_parameters_have_a_finite_loss_and_finite_gradients(likelihood, value, how):
    likelihood = type(likelihood).from_config(likelihood.get_config())
    encoder, decoder = network("encoder"), network("decoder", likelihood.params_size)
    for layer in (encoder.layers[-1], decoder.layers[-1]):
        layer.bias.assign(tf.fill(layer.bias.shape, value))
    model = VAEModel(encoder, decoder, likelihood=likelihood, seed=1)
    model.compile(optimizer=keras.optimizers.SGD(0.0), **how)
    x = np.array([[0.0, 1.0, 0.5, np.nan]] * 3, "float32")
    logs = model.fit(x, verbose=0).history
    assert logs["skipped_steps"] == [0]
    for name in ("loss", "kl_divergence", "reconstruction_loss", "elbo"):
        assert np.isfinite(logs[name]).all(), name
    assert np.isfinite(model.predict(x, verbose=0)).all()


def test_objectives_reach_the_loss(build, data):
    losses = {}
    for name, objective in {
        "plain": objectives.ELBO(),
        "beta": objectives.ELBO(beta=3.0),
        "free nats": objectives.ELBO(free_nats=50.0),
        "capacity": objectives.ELBO(capacity=50.0),
    }.items():
        model = build()
        model.compile(objective=objective, run_eagerly=True)
        logs = model.evaluate(data, verbose=0, return_dict=True)
        losses[name] = logs["loss"] - logs["reconstruction_loss"]
        kl = logs["kl_divergence"]
    assert kl < 50.0
    expected = {"plain": kl, "beta": 3.0 * kl, "free nats": 50.0, "capacity": 50.0 - kl}
    for name, value in expected.items():
        np.testing.assert_allclose(losses[name], value, rtol=1e-4, err_msg=name)


def test_a_regularizer_inside_the_encoder_is_a_penalty_of_its_own(data):
    inputs = keras.Input((4,))
    hidden = layers.KLDivergenceRegularizer(families.MultivariateNormalDiag(2), weight=0.5)(
        keras.layers.Dense(4)(inputs)
    )
    encoder = keras.Model(inputs, keras.layers.Dense(4)(hidden))
    model = VAEModel(encoder, network("decoder"), seed=1)
    model.compile(run_eagerly=True)
    logs = model.evaluate(data, batch_size=12, verbose=0, return_dict=True)
    penalty = logs["loss"] - logs["reconstruction_loss"] - logs["kl_divergence"]
    q = families.MultivariateNormalDiag(2)(encoder.layers[1](data))
    expected = 0.5 * np.mean(tfd.kl_divergence(q, priors.StandardNormal(2).distribution()))
    np.testing.assert_allclose(penalty, expected, rtol=1e-4)
