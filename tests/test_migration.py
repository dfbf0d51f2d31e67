"""The models of the migration guide are one model: before and after give the same numbers."""

import dataclasses
import os
import pathlib
import runpy
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import divergences, evaluation, families, objectives, priors
from keras_vae.objectives._latent_path import LatentPath

GUIDE = pathlib.Path(__file__).parents[1] / "docs" / "migration"


def test_the_model_of_keras_io_keeps_its_losses():
    keras.utils.set_random_seed(1)
    before, after = (
        runpy.run_path(str(GUIDE / f"keras_io_{name}.py"))["build"]()
        for name in ("before", "after")
    )
    x = np.random.default_rng(1).uniform(size=(16, 8, 8, 1)).astype("float32")
    before.fit(x, batch_size=8, verbose=0)
    after.encoder.set_weights(before.encoder.get_weights())
    after.decoder.set_weights(before.decoder.get_weights())

    z_mean, z_log_var, z = before.encoder(x)
    q = after.encode(x)
    np.testing.assert_array_equal(q.mean(), z_mean)
    np.testing.assert_allclose(q.stddev(), tf.exp(0.5 * z_log_var), rtol=1e-6)
    _, _, kl_loss = before.losses_of(x)
    logs = after.evaluate(x, batch_size=8, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["kl_divergence"], kl_loss, rtol=1e-6)
    # Of the same latents: Keras clips probabilities at 1e-7, far from those here.
    entropy = tf.reduce_sum(keras.losses.binary_crossentropy(x, before.decoder(z)), axis=(1, 2))
    np.testing.assert_allclose(-after.decode(z).log_prob(x), entropy, rtol=1e-5)
    np.testing.assert_allclose(after.decode(z).mean(), before.decoder(z), rtol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_the_model_of_tfp_layers_keeps_its_losses():
    before, after = (
        runpy.run_path(str(GUIDE / f"tfp_{name}.py"))["build"]() for name in ("before", "after")
    )
    encoder, decoder, model = before
    x = np.random.default_rng(1).integers(0, 2, size=(16, 8, 8, 1)).astype("float32")
    after.encoder.set_weights(encoder.get_weights())
    after.decoder.set_weights(decoder.get_weights())

    q = encoder(x)
    np.testing.assert_allclose(after.encode(x).mean(), q.mean(), rtol=1e-6)
    np.testing.assert_allclose(after.encode(x).stddev(), q.stddev(), rtol=1e-6)
    model(x)
    logs = after.evaluate(x, batch_size=16, verbose=0, return_dict=True)
    # TFP adds the divergence twice (tensorflow/probability #1215), as the guide tells.
    np.testing.assert_allclose(model.losses, [logs["kl_divergence"]] * 2, rtol=1e-5)
    z = tf.convert_to_tensor(q)
    np.testing.assert_allclose(after.decode(z).log_prob(x), decoder(z).log_prob(x), rtol=1e-5)


@pytest.fixture(scope="module")
def figures():
    """What pythae gives, of `pythae_figures.py`, with the pictures as Keras has them."""
    with np.load(GUIDE / "pythae_figures.npz") as file:
        return {**file, "x": np.moveaxis(file["x"], 1, -1)}


def test_the_model_of_pythae_keeps_its_losses(figures):
    after = runpy.run_path(str(GUIDE / "pythae_after.py"))
    model, x = after["build"](), figures["x"]
    after["carry_over"](figures, model)
    model.compile(run_eagerly=True)

    logs = model.evaluate(x, batch_size=16, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["kl_divergence"], figures["kl_divergence"], rtol=1e-5)
    log_likelihood = tf.reduce_mean(model.decode(figures["latents"]).log_prob(x))
    np.testing.assert_allclose(-log_likelihood, figures["reconstruction_loss"], rtol=1e-5)
    np.testing.assert_allclose(logs["kl_divergence"] - log_likelihood, figures["loss"], rtol=1e-5)
    pictures = np.moveaxis(figures["reconstructions"], 1, -1)
    np.testing.assert_allclose(model.reconstruct(x), pictures, rtol=1e-4)
    # Two estimates of one number; pythae calls it the negative one, but it is not.
    result = evaluation.log_likelihood(model, x, num_samples=1000, seed=1)
    error = np.sqrt(2.0 * np.sum(result.standard_error**2)) / len(x)
    assert error < 0.05
    np.testing.assert_allclose(
        np.mean(result.log_prob), figures["log_likelihood"], rtol=0, atol=5 * error
    )


def terms(figures, decoded, scale=1.0, order=(1, 2)):
    """Returns what an objective is given: the samples of pythae, and a normal likelihood.

    pythae leaves out the likelihood's constant. `order` says which axis of the samples, here of
    length 2 and 3, is the outer one.
    """
    x = figures["x"].reshape(16, 1, 1, 64)
    constant = 32 * np.log(2 * np.pi * scale**2)
    log_likelihood = families.Normal(64, scale)(decoded).log_prob(x) + constant
    posterior = families.MultivariateNormalDiag(2)([figures["mean"], figures["log_variance"]])
    z = tf.reshape(tf.transpose(figures["z"], (*order, 0, 3)), (6, 16, 2))
    return objectives.Terms(
        posterior=posterior,
        prior=priors.StandardNormal(2).distribution(),
        z=z,
        log_likelihood=tf.reshape(tf.transpose(log_likelihood, (*order, 0)), (6, 16)),
        kl_weight=1.0,
        step=0,
        frozen_posterior=posterior,
        path=LatentPath(z),
    )


def first_sample(figures, scale=1.0):
    of_six = terms(figures, figures["decoded"], scale)
    one = dataclasses.replace(
        of_six, z=of_six.z[:1], log_likelihood=of_six.log_likelihood[:1], log={}
    )
    # In place of samples that it would draw.
    one.__dict__["prior_z"] = figures["z_prior"][None]
    return one


ROOT_HALF = np.sqrt(0.5)


@pytest.mark.parametrize(
    ("name", "objective", "scale"),
    [
        ("beta", objectives.ELBO(beta=4.0), 1.0),
        # At epoch 4 of a warm-up of 9: 4 / 10 of a capacity of 5.
        ("capacity", objectives.ELBO(beta=10.0, capacity=2.0), 1.0),
        # With alpha = 0.5 and lambda = 10.
        (
            "infovae",
            objectives.Penalized(objectives.ELBO(beta=0.5), objectives.MMD(9.5)),
            1.0,
        ),
        ("autoencoder", objectives.ELBO(beta=0.0), ROOT_HALF),
        (
            "rae_l2",
            objectives.Penalized(objectives.ELBO(beta=0.0), objectives.LatentNorm(0.5)),
            ROOT_HALF,
        ),
    ],
)
def test_an_objective_of_one_sample_is_that_of_pythae(name, objective, scale, figures):
    loss = tf.reduce_mean(objective(first_sample(figures, scale)))
    # The constant of the normal distribution is a hundred times the loss.
    np.testing.assert_allclose(loss, figures[name], rtol=0, atol=5e-5)


def test_the_divergence_on_the_sphere_is_that_of_pythae(figures):
    params = [tf.ones((16, 2)), tf.math.log(figures["concentration"])]
    prior = priors.SphericalUniform(2).distribution()
    kl = divergences.kl_divergence(families.VonMisesFisher(2)(params), prior)
    np.testing.assert_allclose(tf.reduce_mean(kl), figures["sphere"], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "objective", "order"),
    [
        ("iwae", objectives.IWAE(6), (1, 2)),
        ("ciwae", objectives.IWAE(6, elbo_weight=0.25), (1, 2)),
        # What pythae takes for the samples of a group is `number_gradient_estimates`, here 2.
        ("miwae", objectives.IWAE(6, num_groups=3), (2, 1)),
        ("piwae_encoder", objectives.IWAE(6, num_groups=3), (2, 1)),
        ("piwae_decoder", objectives.IWAE(6, num_groups=(3, 1)), (2, 1)),
    ],
)
def test_an_objective_of_many_samples_has_the_gradient_of_pythae(name, objective, order, figures):
    decoded = tf.constant(figures["decoded"])
    with tf.GradientTape() as tape:
        tape.watch(decoded)
        loss = tf.reduce_mean(objective(terms(figures, decoded, order=order)))
    gradient = tf.reduce_sum(tape.gradient(loss, decoded), axis=-1)
    np.testing.assert_allclose(gradient, figures[f"{name}_gradient"], rtol=1e-3, atol=1e-6)
    # What pythae logs is the mean log-weight by these weights, which is below the bound's loss.
    assert loss > figures[name] + 1e-3


def test_pythae_gives_the_figures_that_the_guide_has(figures, tmp_path):
    python = os.environ.get("KERAS_VAE_PYTHAE")
    if not python:
        pytest.skip("KERAS_VAE_PYTHAE names no Python that has pythae 0.1.2 and torch.")
    script, path = str(GUIDE / "pythae_figures.py"), str(tmp_path / "figures.npz")
    subprocess.run([python, script, path], check=True, capture_output=True)
    with np.load(path) as file:
        assert set(file) == set(figures)
        for name in set(figures) - {"x"}:
            np.testing.assert_allclose(file[name], figures[name], rtol=1e-3, atol=1e-4)
