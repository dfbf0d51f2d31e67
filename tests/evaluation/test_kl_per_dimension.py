"""The nats of each latent, for posteriors that have a closed form and for others."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, divergences, evaluation, families, priors


def build(posterior, prior=None, likelihood="bernoulli"):
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(posterior.params_size)])
    decoder = [keras.Input(posterior.event_shape), keras.layers.Flatten(), keras.layers.Dense(4)]
    return VAEModel(encoder, keras.Sequential(decoder), posterior, likelihood, prior, seed=1)


X = np.random.default_rng(0).normal(size=(30, 4)).astype("float32")


def test_independent_latents_add_up_to_the_divergence_of_training():
    prior = priors.TrainablePrior(families.MultivariateNormalDiag(3))
    model = build(families.MultivariateNormalDiag(3), prior)
    for weight in prior.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    kl = evaluation.kl_per_dimension(model, X, batch_size=7)
    exact = divergences.kl_divergence(model.encode(X), prior.distribution()).numpy().mean()
    assert kl.shape == (3,)
    assert kl.sum() == pytest.approx(exact, rel=1e-5)


def test_correlated_latents_give_the_divergence_of_each_on_its_own():
    model = build(families.MultivariateNormalTriL(3))
    q = model.encode(X)
    mean, variance = np.float64(q.mean()), np.float64(q.variance())
    expected = 0.5 * (variance + mean**2 - 1 - np.log(variance)).mean(axis=0)
    np.testing.assert_allclose(evaluation.kl_per_dimension(model, X), expected, rtol=1e-5)


def test_classes_have_the_divergence_of_each_variable():
    model = build(families.RelaxedOneHotCategorical((2, 3)), priors.UniformCategorical((2, 3)))
    kl = evaluation.kl_per_dimension(model, X)
    exact = divergences.kl_divergence(model.encode(X), model.prior.distribution()).numpy().mean()
    assert kl.shape == (2,)
    assert kl.sum() == pytest.approx(exact, rel=1e-5)


def test_a_point_counts_by_its_distance():
    model = build(families.Deterministic(2))
    expected = 0.5 * np.square(model.encode(X).mean().numpy()).mean(axis=0)
    np.testing.assert_allclose(evaluation.kl_per_dimension(model, X), expected, rtol=1e-5)


def test_a_flow_is_measured_by_its_moments():
    model = build(families.InverseAutoregressiveFlow(2, num_flows=1, hidden_units=(4,)))
    kl = evaluation.kl_per_dimension(model, X)
    assert np.isfinite(kl).all()
    assert (kl > 0).all()
    # Its samples as well are what the active units are judged by.
    assert evaluation.active_units(model, X, threshold=1e-4).all()


def test_no_example():
    with pytest.raises(ValueError, match="kl_per_dimension expects at least one example"):
        evaluation.kl_per_dimension(build(families.MultivariateNormalDiag(2)), X[:0])
