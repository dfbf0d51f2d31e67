"""A density fitted to the latents after training."""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.mixture import GaussianMixture

from keras_vae import VAEModel, families, priors

LATENT = 2


def identity_model(posterior):
    """A model whose encoder gives x as the first half of the posterior's parameters."""
    x = keras.Input((LATENT,))
    zeros = keras.layers.Rescaling(0.0, -40.0)(x)
    deterministic = isinstance(posterior, families.Deterministic)
    outputs = x * 1.0 if deterministic else keras.layers.Concatenate()([x, zeros])
    decoder = keras.Sequential([keras.Input((LATENT,)), keras.layers.Identity()])
    return VAEModel(keras.Model(x, outputs), decoder, posterior, seed=1)


@pytest.fixture
def clusters():
    """Three clusters of points, 3 : 2 : 1, each with a correlation of its own."""
    rng = np.random.default_rng(1)
    parts = [
        rng.normal(size=(n, 2)) @ factor + mean
        for n, mean, factor in (
            (300, [4.0, 0.0], [[0.5, 0.3], [0.0, 0.2]]),
            (200, [-4.0, 1.0], [[0.2, 0.0], [0.4, 0.6]]),
            (100, [0.0, -5.0], [[1.0, -0.5], [0.0, 0.3]]),
        )
    ]
    return np.concatenate(parts).astype("float32")


@pytest.mark.parametrize(("covariance", "kind"), [("full", "full"), ("diagonal", "diag")])
@pytest.mark.parametrize(
    "posterior",
    [families.Deterministic(LATENT), families.MultivariateNormalDiag(LATENT)],
    ids=repr,
)
def test_it_is_the_mixture_of_scikit_learn(clusters, posterior, covariance, kind):
    model = identity_model(posterior)
    prior = priors.fit(model, clusters, 3, covariance, batch_size=256, seed=4)
    assert isinstance(prior, priors.MixturePrior)
    reference = GaussianMixture(3, covariance_type=kind, random_state=4)
    reference.fit(clusters.astype("float64"))
    z = np.random.default_rng(2).normal(scale=4.0, size=(50, 2)).astype("float32")
    # Latents drawn with the smallest standard deviation, 4.5e-5, move the log-density of points
    # up to ten standard deviations away, where it is about 50, by less than 1e-3 of itself.
    tolerance = 1e-5 if isinstance(posterior, families.Deterministic) else 1e-3
    np.testing.assert_allclose(
        prior.distribution().log_prob(z), reference.score_samples(z), rtol=tolerance, atol=1e-4
    )


def test_the_same_seed_gives_the_same_prior(clusters):
    model = identity_model(families.MultivariateNormalDiag(LATENT))
    fitted = [priors.fit(model, clusters, 3, seed=seed).get_weights() for seed in (-1, -1)]
    for a, b in zip(*fitted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_samples_of_a_model_with_the_fitted_prior_look_like_the_data(clusters):
    """The regularised autoencoder's recipe, with an autoencoder that is the identity."""
    model = identity_model(families.Deterministic(LATENT))
    prior = priors.fit(model, clusters, 3, seed=4)
    fitted = VAEModel(model.encoder, model.decoder, model.posterior, model.likelihood, prior)
    samples = fitted.sample(4000, seed=1, mean=True).numpy()
    # 5 standard errors of the means and of the variances, for data of a spread below 5.
    np.testing.assert_allclose(samples.mean(0), clusters.mean(0), atol=5 * 5 / np.sqrt(4000))
    np.testing.assert_allclose(samples.var(0), clusters.var(0), rtol=5 * np.sqrt(2 / 4000))


def test_a_model_with_the_fitted_prior_is_saved(clusters, tmp_path):
    model = identity_model(families.Deterministic(LATENT))
    prior = priors.fit(model, clusters, 3, seed=4)
    fitted = VAEModel(model.encoder, model.decoder, model.posterior, model.likelihood, prior)
    fitted.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.sample(3, seed=1), fitted.sample(3, seed=1))


def banana(number, seed, noise=0.3):
    """Points (a, a^2 + noise b) of normal a and b, and their log-density."""
    a, b = np.random.default_rng(seed).normal(size=(2, number))
    log_prob = -0.5 * (a**2 + b**2) - np.log(2 * np.pi) - np.log(noise)
    return np.stack([a, a**2 + noise * b], -1).astype("float32"), log_prob


@pytest.mark.stress
def test_a_flow_fitted_to_a_banana_beats_a_single_normal_distribution():
    """A normal distribution of the same covariance is 1/2 log(det / det of the noise) nats away."""
    model = identity_model(families.Deterministic(LATENT))
    x, _ = banana(1500, seed=1)
    new, log_prob = banana(4000, seed=2)
    flow = priors.FlowPrior(LATENT, num_layers=4, hidden_units=(32,))
    before = np.mean(flow.distribution().log_prob(new))
    fitted = priors.fit(model, x, prior=flow, epochs=120, batch_size=150, seed=4)
    assert fitted is flow
    normal = priors.fit(model, x, 1, "full", seed=4)
    values = {p: p.distribution().log_prob(new).numpy() for p in (flow, normal)}
    gap = 0.5 * np.log((2 + 0.3**2) / 0.3**2)
    # The normal distribution is as far from the truth as it must be, give or take 5 standard
    # errors (of its own fit as well); the flow makes up for at least three quarters of that.
    error = np.std(log_prob - values[normal]) / np.sqrt(1500)
    np.testing.assert_allclose(np.mean(log_prob - values[normal]), gap, atol=5 * error)
    assert np.mean(values[flow]) > np.mean(values[normal]) + 0.75 * gap
    assert np.mean(values[flow]) > before
    # No density is better than the true one.
    error = np.std(log_prob - values[flow]) / np.sqrt(4000)
    assert np.mean(values[flow] - log_prob) < 4 * error


@pytest.mark.parametrize(
    "make",
    [
        lambda: priors.FlowPrior(LATENT, num_layers=2, hidden_units=(4,)),
        pytest.param(lambda: priors.MixturePrior(LATENT, 3, "full"), marks=pytest.mark.stress),
        lambda: priors.TrainablePrior(families.MultivariateNormalTriL(LATENT), dtype="float64"),
        pytest.param(lambda: priors.VampPrior(LATENT, 3), marks=pytest.mark.stress),
    ],
)
def test_any_prior_with_weights_is_fitted_and_its_training_is_seeded(clusters, make):
    model = identity_model(families.MultivariateNormalDiag(LATENT))
    start = make()
    fitted = []
    for seed in (3, 3, 4):
        prior = make()
        prior.set_weights(start.get_weights())
        priors.fit(model, clusters, prior=prior, epochs=2, batch_size=100, seed=seed)
        fitted.append(prior.get_weights())
    for before, a, b, c in zip(start.get_weights(), *fitted, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.any(a != before)
        assert np.any(a != c)


def test_the_maximum_likelihood_of_a_normal_distribution_is_found(clusters):
    clusters = clusters / 4.0
    prior = priors.TrainablePrior(families.MultivariateNormalTriL(LATENT))
    model = identity_model(families.Deterministic(LATENT))
    priors.fit(model, clusters, prior=prior, epochs=600, batch_size=600, seed=1)
    reference = priors.fit(model, clusters, 1)
    values = [p.distribution().log_prob(clusters).numpy() for p in (prior, reference)]
    # No other normal distribution is more likely than that of the moments.
    assert -1e-3 < np.mean(values[0] - values[1]) < 1e-5


@pytest.mark.parametrize(
    ("prior", "error", "match"),
    [
        (lambda: 3, TypeError, r"expects a prior or None. Received: prior=3"),
        (lambda: priors.StandardNormal(LATENT), ValueError, "expects a prior with weights"),
        (lambda: priors.FlowPrior(3), ValueError, r"shape \(600, 2\) .* event shape \(3,\)"),
    ],
)
def test_priors_that_cannot_be_fitted(clusters, prior, error, match):
    with pytest.raises(error, match=match):
        priors.fit(identity_model(families.Deterministic(LATENT)), clusters, prior=prior())


def test_a_training_that_diverges_is_told(clusters):
    prior = priors.TrainablePrior(families.MultivariateNormalTriL(LATENT))
    prior.params.assign(tf.fill(prior.params.shape, np.nan))
    with pytest.raises(ValueError, match="fit expects a training that converges"):
        priors.fit(identity_model(families.Deterministic(LATENT)), clusters, prior=prior, epochs=1)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"epochs": 0}, ValueError, "expects epochs to be an integer"),
        ({"num_components": 0}, ValueError, "expects num_components to be an integer"),
        ({"num_components": 2.0}, TypeError, "expects num_components to be an integer"),
        ({"num_components": 601}, ValueError, "at least as many examples .* 600 examples"),
        ({"covariance": "diag"}, ValueError, "covariance to be one of 'diagonal', 'full'"),
        ({"batch_size": 0}, ValueError, "expects batch_size to be an integer"),
    ],
)
def test_arguments_that_cannot_be(clusters, arguments, error, match):
    with pytest.raises(error, match=match):
        priors.fit(identity_model(families.Deterministic(LATENT)), clusters, **arguments)


def test_latents_that_are_not_finite(clusters):
    clusters[3, 0] = np.inf
    with pytest.raises(ValueError, match="fit expects finite latents"):
        priors.fit(identity_model(families.Deterministic(LATENT)), clusters)


def test_latents_with_several_axes():
    x = np.random.default_rng(1).normal(size=(60, 2, 3)).astype("float32")
    encoder = keras.Sequential([keras.Input((2, 3)), keras.layers.Identity()])
    decoder = keras.Sequential([keras.Input((2, 3)), keras.layers.Identity()])
    model = VAEModel(encoder, decoder, families.Deterministic((2, 3)))
    with pytest.raises(ValueError, match="one axis for a full covariance"):
        priors.fit(model, x, 2)
    prior = priors.fit(model, x, 2, "diagonal", seed=1)
    reference = GaussianMixture(2, covariance_type="diag", random_state=1)
    reference.fit(x.reshape(60, 6).astype("float64"))
    np.testing.assert_allclose(
        prior.distribution().log_prob(x), reference.score_samples(x.reshape(60, 6)), rtol=1e-5
    )


def test_without_scikit_learn(clusters, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *args: None if name == "sklearn" else find_spec(name, *args),
    )
    with pytest.raises(ImportError, match=r"expects the package scikit-learn.*pip install"):
        priors.fit(identity_model(families.Deterministic(LATENT)), clusters)
