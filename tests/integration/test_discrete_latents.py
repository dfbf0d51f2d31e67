"""Models whose latents are classes: trained, saved, exported and evaluated."""

import math
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import LatentTraversal, VAEModel, evaluation, families, objectives, priors, schedules
from keras_vae.callbacks import Annealing

FEATURES, CLASSES = 4, 3


def build(latent=(CLASSES,), temperature=0.5, prior=None, policy=None, **arguments):
    posterior = families.RelaxedOneHotCategorical(latent, temperature)
    size = posterior.params_size
    encoder = keras.Sequential(
        [keras.Input((FEATURES,)), keras.layers.Dense(size, dtype=policy)]
        + [keras.layers.Reshape(latent)]
    )
    decoder = keras.Sequential(
        [keras.Input(latent), keras.layers.Flatten()] + [keras.layers.Dense(FEATURES, dtype=policy)]
    )
    prior = priors.UniformCategorical(latent) if prior is None else prior
    model = VAEModel(encoder, decoder, posterior, prior=prior, seed=1, **arguments)
    # Of a few steps: tracing them would cost more.
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    return model


@pytest.fixture
def data():
    return np.random.default_rng(0).normal(size=(12, FEATURES)).astype("float32")


def log_evidence(model, x):
    """log p(x), summed over the classes, in float64."""
    kernel, bias = (w.numpy().astype("float64") for w in model.decoder.weights)
    squares = np.sum((x[:, np.newaxis] - (kernel + bias)) ** 2, axis=-1)
    log_prob = -0.5 * squares - 0.5 * x.shape[-1] * math.log(2 * math.pi)
    return np.logaddexp.reduce(log_prob - math.log(CLASSES), axis=-1)


def test_the_evidence_is_that_of_the_discrete_model_at_every_temperature(data):
    model = build(temperature=2.0)
    for method in ("importance", "prior"):
        result = evaluation.log_likelihood(model, data, 4000, method=method, seed=1)
        error = result.log_prob - log_evidence(model, data)
        assert np.all(np.abs(error) < 5 * result.standard_error)
        assert np.all(result.standard_error < 0.05)


@pytest.mark.parametrize("gradient", ["standard", "stl", "dreg"])
def test_iwae_tends_to_the_discrete_bound_with_the_temperature(data, gradient):
    model = build(temperature=1e-4)
    model.compile(keras.optimizers.SGD(0.0), objectives.IWAE(4000, gradient), run_eagerly=True)
    loss = model.train_on_batch(data, return_dict=True)["loss"]
    # The weights of 4000 samples are those of above, within some hundredths of a nat.
    assert loss == pytest.approx(-np.mean(log_evidence(model, data)), abs=0.02)


def test_the_loss_adds_up_with_the_exact_divergence(data):
    model = build()
    logs = model.evaluate(data, verbose=0, return_dict=True)
    logits = model.encoder(data).numpy().astype("float64")
    pi = np.exp(logits) / np.sum(np.exp(logits), axis=-1, keepdims=True)
    kl = np.mean(np.sum(pi * np.log(pi * CLASSES), axis=-1))
    assert logs["kl_divergence"] == pytest.approx(kl, rel=1e-5)
    assert logs["loss"] == pytest.approx(logs["reconstruction_loss"] + kl, rel=1e-5)


@pytest.mark.parametrize("latent", [(CLASSES,), (2, 3)], ids=str)
def test_save_load_and_export(data, latent, tmp_path):
    model = build(latent)
    model.fit(data, verbose=0)
    model.posterior.temperature.assign(0.3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert float(loaded.posterior.temperature.numpy()) == pytest.approx(0.3)
    np.testing.assert_array_equal(loaded.sample(5, seed=3), model.sample(5, seed=3))
    np.testing.assert_array_equal(loaded.predict(data, verbose=0), model.predict(data, verbose=0))

    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    codes = served["encode"](x=tf.constant(data))
    pi = model.encode(data).mean().numpy()
    np.testing.assert_array_equal(codes["mean"], np.eye(latent[-1])[pi.argmax(axis=-1)])
    np.testing.assert_allclose(codes["stddev"], np.sqrt(pi * (1 - pi)), rtol=1e-5)
    decoded = served["decode"](z=codes["mean"])["mean"]
    np.testing.assert_allclose(decoded, model.reconstruct(data), rtol=1e-5, atol=1e-6)


def test_point_estimates_and_samples_are_codes(data):
    model = build()
    kernel, bias = (w.numpy() for w in model.decoder.weights)
    rows = kernel + bias
    for outputs in (model.predict(data, verbose=0), model.sample(20, seed=1, mean=True).numpy()):
        distances = np.abs(outputs[:, np.newaxis] - rows).max(axis=-1)
        assert np.all(distances.min(axis=-1) < 1e-5)


def test_active_units_are_the_classes_that_the_data_decides(data):
    model = build()
    model.encoder.layers[0].kernel.assign(np.zeros((FEATURES, CLASSES)))
    assert not evaluation.active_units(model, data).any()
    kernel = np.zeros((FEATURES, CLASSES))
    kernel[0] = [20.0, -20.0, -400.0]
    model.encoder.layers[0].kernel.assign(kernel)
    model.encoder.layers[0].bias.assign([0.0, 0.0, -2000.0])
    np.testing.assert_array_equal(evaluation.active_units(model, data), [True, True, False])


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.stress)])
def test_half_precision(data, jit_compile):
    model = build((2, 3), temperature=0.1, policy="mixed_float16")
    model.compile("adam", jit_compile=jit_compile)
    logs = model.fit(data, batch_size=4, verbose=0).history
    assert logs["skipped_steps"] == [0]
    assert np.isfinite(logs["loss"][0])


@pytest.mark.stress
def test_a_learned_prior_finds_the_frequencies_of_the_classes():
    """With a decoder that tells the classes apart, the best prior is the mean posterior."""
    model = build(prior=priors.TrainablePrior(families.RelaxedOneHotCategorical(CLASSES)))
    model.encoder.layers[0].kernel.assign(50.0 * np.eye(FEATURES, CLASSES))
    model.encoder.trainable = model.decoder.trainable = False
    model.compile(keras.optimizers.Adam(0.1))
    x = np.repeat(np.eye(FEATURES)[:3], [6, 3, 1], axis=0)
    model.fit(x, batch_size=10, epochs=150, verbose=0)
    np.testing.assert_allclose(model.prior.distribution().mean(), [0.6, 0.3, 0.1], atol=0.01)


def mixed():
    """Two numbers and a class: the posterior of a joint continuous and discrete model."""
    return families.Blockwise(
        [families.MultivariateNormalDiag(2), families.RelaxedOneHotCategorical(CLASSES)]
    )


def test_numbers_and_classes_together(data, tmp_path):
    posterior = mixed()
    encoder = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(7)])
    decoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(FEATURES)])
    model = VAEModel(encoder, decoder, posterior, prior=priors.TrainablePrior(mixed()), seed=1)
    model.compile(run_eagerly=True)
    temperature = posterior.families[1].temperature
    callback = Annealing(temperature, schedules.constant(0.25))
    logs = model.fit(data, batch_size=4, verbose=0, callbacks=[callback]).history
    assert logs["temperature"] == [0.25]
    assert logs["skipped_steps"] == [0]
    z = posterior.sample(model.encoder(data), seed=1).numpy()
    np.testing.assert_allclose(z[:, 2:].sum(axis=-1), 1.0, atol=1e-6)
    with pytest.raises(ValueError, match="expects latents that are all numbers or all one-hot"):
        model.fit(data, verbose=0, callbacks=[LatentTraversal(tmp_path)])


def test_traversals_while_it_trains(data, tmp_path):
    for index, x in enumerate((data, None)):
        model = build((2, 3))
        callback = LatentTraversal(tmp_path / str(index), x, formats=("png", "gif"))
        model.fit(data, epochs=2, verbose=0, callbacks=[callback])
        assert len(os.listdir(tmp_path / str(index))) == 3


def test_clusters_are_found():
    rng = np.random.default_rng(1)
    centres = 4.0 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    labels = rng.integers(4, size=512)
    x = (centres[labels] + rng.normal(scale=0.5, size=(512, 2))).astype("float32")
    encoder = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(4)]
    )
    decoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model = VAEModel(
        encoder,
        decoder,
        families.RelaxedOneHotCategorical(4, temperature=1.0),
        families.Normal(2),
        priors.UniformCategorical(4),
        seed=1,
    )
    model.compile(keras.optimizers.Adam(0.01))
    temperature = model.posterior.temperature
    annealing = Annealing(temperature, schedules.linear(1.0, 0.3, duration=1.0), unit="run")
    model.fit(x, batch_size=64, epochs=40, verbose=0, callbacks=[annealing])
    classes = model.encode(x).mean().numpy().argmax(axis=-1)
    # Each class stands for the cluster that most of its members come from.
    counts = np.zeros((4, 4), int)
    np.add.at(counts, (classes, labels), 1)
    assert counts.max(axis=1).sum() / len(x) > 0.95
