"""`InverseAutoregressiveFlow` as the posterior of models: trained, saved, exported, compared."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import (
    KLDivergenceRegularizer,
    LatentTraversal,
    Sampling,
    VAEModel,
    evaluation,
    families,
    objectives,
    priors,
)

FEATURES, LATENT, EXAMPLES = 4, 2, 12


def flow(**arguments):
    settings = {"num_flows": 2, "hidden_units": (8,), "context_size": 2, **arguments}
    return families.InverseAutoregressiveFlow(LATENT, **settings)


def build(policy=None, **arguments):
    keras.utils.set_random_seed(3)
    family = flow()
    layers = [keras.layers.Dense(8, "tanh", dtype=policy)]
    encoder = [*layers, keras.layers.Dense(family.params_size, dtype=policy)]
    encoder = keras.Sequential([keras.Input((FEATURES,)), *encoder])
    decoder = keras.layers.Dense(FEATURES, dtype=policy)
    decoder = keras.Sequential([keras.Input((LATENT,)), decoder])
    return VAEModel(encoder, decoder, posterior=family, seed=1, **arguments)


@pytest.fixture(scope="module")
def data():
    return np.random.default_rng(0).normal(size=(EXAMPLES, FEATURES)).astype("float32")


@pytest.mark.parametrize(
    ("objective", "policy", "how"),
    [
        (objectives.ELBO(), "mixed_float16", {}),
        (objectives.ELBO(), None, {"jit_compile": True}),
        (objectives.IWAE(3, "stl"), "mixed_float16", {"run_eagerly": True}),
        (objectives.IWAE(3, "dreg"), None, {}),
        pytest.param(
            objectives.IWAE(3, "dreg"), None, {"jit_compile": True}, marks=pytest.mark.stress
        ),
    ],
    ids=repr,
)
def test_two_steps(objective, policy, how, data):
    model = build(policy)
    before = model.posterior.get_weights()
    model.compile(keras.optimizers.Adam(0.01), objective=objective, **how)
    logs = model.fit(data, batch_size=EXAMPLES // 2, verbose=0).history
    assert logs["skipped_steps"] == [0.0]
    assert np.isfinite(logs["loss"][0])
    for weight, value in zip(model.posterior.weights, before, strict=True):
        assert np.any(weight.numpy() != value), weight.path


def test_a_saved_model_gives_the_same(data, tmp_path):
    model = build()
    model.compile("adam", run_eagerly=True)
    model.fit(data, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert repr(loaded.posterior) == repr(model.posterior)
    np.testing.assert_array_equal(loaded(data), model(data))
    draws = [m.posterior.sample(m.encoder(data), 3, seed=1) for m in (model, loaded)]
    np.testing.assert_array_equal(*draws)
    np.testing.assert_array_equal(loaded.encode(data).stddev(), model.encode(data).stddev())
    estimates = [evaluation.log_likelihood(m, data, 20, seed=3).log_prob for m in (model, loaded)]
    np.testing.assert_array_equal(*estimates)


def test_what_needs_mean_and_standard_deviation(data, tmp_path):
    model = build()
    assert evaluation.active_units(model, data).shape == (LATENT,)
    traversal = LatentTraversal(tmp_path / "traversal", x=data, num_steps=3)
    model.compile("adam", run_eagerly=True)
    model.fit(data, verbose=0, callbacks=[traversal])
    assert list((tmp_path / "traversal").glob("*.png"))
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["encode"](tf.constant(data))
    np.testing.assert_allclose(served["stddev"], model.encode(data).stddev(), rtol=1e-5)
    point = model.posterior.point_estimate(model.encoder(data))
    np.testing.assert_allclose(served["mean"], point, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model(data), model.decode(point).mean())


def test_the_layers_share_one_flow(data, tmp_path):
    """One object in two layers is one set of weights, in training, in a file, and back."""
    family = flow()
    x = keras.Input((FEATURES,))
    params = keras.layers.Dense(family.params_size)(x)
    params = KLDivergenceRegularizer(family, seed=1)(params)
    model = keras.Model(x, keras.layers.Dense(FEATURES)(Sampling(family, seed=1)(params)))
    assert len(model.trainable_weights) == 4 + len(family.weights)
    model.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    before = family.get_weights()
    model.fit(data, data, verbose=0)
    for weight, value in zip(family.weights, before, strict=True):
        assert np.any(weight.numpy() != value), weight.path
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_weights) == len(model.trainable_weights)
    np.testing.assert_array_equal(loaded(data), model(data))
    np.testing.assert_array_equal(loaded.losses, model.losses)


@pytest.mark.parametrize("kind", ["stl", "dreg"])
def test_the_doubly_reparameterised_gradient_against_brute_force(kind, data):
    """Of the flow's weights: the chain rule, with Jacobians solved for, in float64."""
    num_samples, noise_seed = 3, (7, 0)
    family = flow()
    rng = np.random.default_rng(1)
    family.set_weights([rng.normal(scale=0.3, size=w.shape) for w in family.weights])
    params = tf.constant(rng.normal(size=(EXAMPLES, family.params_size)) * 0.5)
    slopes = tf.constant(rng.normal(size=(LATENT, FEATURES)))
    x = tf.constant(data, tf.float64)
    prior = priors.StandardNormal(LATENT, dtype="float64").distribution()
    inputs = [params, *[weight.value for weight in family.weights]]

    def log_joint(z):
        return prior.log_prob(z) - 0.5 * tf.reduce_sum(tf.square(x - z @ slopes), axis=-1)

    def by_library():
        with tf.GradientTape() as tape:
            tape.watch(params)
            q, z = family.draw(params, num_samples, seed=noise_seed)
            path = objectives.LatentPath(z)
            terms = objectives.Terms(
                posterior=q,
                prior=prior,
                z=z,
                log_likelihood=log_joint(path.z) - prior.log_prob(path.z),
                kl_weight=tf.constant(1.0, tf.float64),
                step=tf.constant(0),
                frozen_posterior=family.frozen(params, drawn=(q, path.z)),
                path=path,
            )
            loss = tf.reduce_sum(objectives.IWAE(num_samples, kind)(terms))
        return tape.gradient(loss, inputs)

    def by_brute_force():
        shape = (num_samples, EXAMPLES, LATENT)
        noise = tf.random.stateless_normal(shape, noise_seed, dtype=tf.float64)
        flat = tf.reshape(noise, (-1, LATENT))
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([params, flat])
            rows = tf.tile(params, (num_samples, 1))
            way = family(rows).forward(flat)
            z = tf.reshape(way.z, shape)
        jacobian = tape.batch_jacobian(way.z, flat).numpy()
        by_noise = tape.gradient(way.log_prob, flat).numpy()[..., np.newaxis]
        score = np.linalg.solve(np.swapaxes(jacobian, -1, -2), by_noise).reshape(shape)
        with tf.GradientTape() as inner:
            inner.watch(z)
            joint = log_joint(z)
        by_z = inner.gradient(joint, z).numpy() - score
        log_weight = joint.numpy() - way.log_prob.numpy().reshape(shape[:2])
        weight = np.exp(log_weight - log_weight.max(0))
        weight /= weight.sum(0)
        weight = (weight**2 if kind == "dreg" else weight)[..., np.newaxis]
        return tape.gradient(z, inputs, output_gradients=tf.constant(-weight * by_z))

    for received, expected in zip(by_library(), by_brute_force(), strict=True):
        # Weights are kept in float32, so that their gradients are rounded to it.
        np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.stress
def test_a_flow_closes_the_gap_that_a_diagonal_posterior_leaves():
    """A linear-Gaussian model whose true posterior is correlated, with known evidence."""
    scale, slopes = 0.5, np.array([[1.0, 0.8, 0.5, 0.0], [0.9, 1.0, 0.0, 0.4]])
    covariance = np.linalg.inv(np.eye(LATENT) + slopes @ slopes.T / scale**2)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, LATENT)) @ slopes + scale * rng.normal(size=(500, FEATURES))
    evidence_covariance = slopes.T @ slopes + scale**2 * np.eye(FEATURES)
    square = np.sum(x * np.linalg.solve(evidence_covariance, x.T).T, axis=-1)
    evidence = -0.5 * (square + np.linalg.slogdet(2 * np.pi * evidence_covariance)[1])
    # The best diagonal one has the precisions of the true one, and this divergence from it.
    precision = np.linalg.inv(covariance)
    best = 0.5 * (np.sum(np.log(np.diag(precision))) - np.linalg.slogdet(precision)[1])
    assert best > 0.4

    def gap(family):
        keras.utils.set_random_seed(2)
        outputs = keras.layers.Dense(family.params_size)
        encoder = keras.Sequential([keras.Input((FEATURES,)), outputs])
        linear = keras.layers.Dense(FEATURES, use_bias=False, trainable=False)
        decoder = keras.Sequential([keras.Input((LATENT,)), linear])
        linear.kernel.assign(slopes)
        model = VAEModel(encoder, decoder, family, families.Normal(FEATURES, scale=scale), seed=1)
        rate = keras.optimizers.schedules.CosineDecay(0.05, 300)
        model.compile(keras.optimizers.Adam(rate), objective=objectives.ELBO(num_samples=4))
        model.fit(x.astype("float32"), batch_size=100, epochs=60, verbose=0)
        model.compile(objective=objectives.ELBO(num_samples=500))
        return (
            np.mean(evidence)
            - model.evaluate(x, batch_size=500, verbose=0, return_dict=True)["elbo"]
        )

    diagonal = gap(families.MultivariateNormalDiag(LATENT))
    bent = gap(flow(num_flows=2, context_size=0))
    # The standard error of the estimates: 250 000 log-weights of a spread below 2.
    error = 2.0 / np.sqrt(250_000)
    assert diagonal > best - 4 * error
    assert -4 * error < bent < 0.2 * best
