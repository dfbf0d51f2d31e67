"""Mutual information and the divergence of the aggregate posterior, against quadrature."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, divergences, evaluation, families, priors


def model_of(means, scales, posterior=None):
    """A model of one-hot x, of which example n has the posterior N(means_n, scales_n^2)."""
    means, scales = np.asarray(means, "float32"), np.asarray(scales, "float32")
    size, latent = means.shape
    encoder = keras.Sequential([keras.Input((size,)), keras.layers.Dense(2 * latent)])
    encoder.set_weights([np.concatenate([means, 2 * np.log(scales)], axis=1), np.zeros(2 * latent)])
    decoder = keras.Sequential([keras.Input((latent,)), keras.layers.Dense(size)])
    return VAEModel(encoder, decoder, posterior, likelihood="bernoulli", seed=1)


def log_normal(z, loc, scale):
    return -0.5 * ((z - loc) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)


def exact(means, scales):
    """Mutual information and divergence from N(0, 1) of one latent, by quadrature in float64."""
    z = np.linspace(-30.0, 30.0, 60001)
    densities = np.exp([log_normal(z, m, s) for m, s in zip(means, scales, strict=True)])
    aggregate = densities.mean(axis=0)
    step = z[1] - z[0]

    def integral(p, q):
        keep = p > 0
        return np.sum(p[keep] * (np.log(p[keep]) - np.log(q[keep]))) * step

    information = np.mean([integral(density, aggregate) for density in densities])
    return information, integral(aggregate, np.exp(log_normal(z, 0.0, 1.0)))


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.stress) for seed in (2, 3))]
)
@pytest.mark.parametrize("quantity", [0, 1], ids=["mutual_information", "aggregate_kl"])
def test_the_estimate_is_within_its_error_of_the_truth(quantity, seed):
    means, scales = [-1.0, 0.3, 0.5, 2.0], [0.5, 0.4, 1.1, 0.7]
    model = model_of(np.c_[means], np.c_[scales])
    estimate = (evaluation.mutual_information, evaluation.aggregate_kl)[quantity]
    # Every example many times: the same q(z), and many samples of it.
    x = np.tile(np.eye(4), (500, 1))
    result = estimate(model, x, seed=seed)
    truth = exact(means, scales)[quantity]
    assert truth > 0.2
    # The standard error counts the spread between the four examples as well: it is too large.
    assert abs(result.value - truth) < 4 * result.standard_error < 0.2


def test_examples_far_apart_are_known_for_certain():
    means = np.arange(6.0)[:, np.newaxis] * 100.0
    result = evaluation.mutual_information(model_of(means, np.ones((6, 1))), np.eye(6), seed=0)
    assert result.value == pytest.approx(np.log(6), rel=1e-5)
    assert result.standard_error < 1e-5


def test_one_posterior_for_all_tells_nothing():
    model = model_of(np.ones((5, 2)), np.full((5, 2), 0.5))
    result = evaluation.mutual_information(model, np.eye(5), num_samples=10, seed=0)
    assert result.value == pytest.approx(0.0, abs=1e-5)
    divergence = evaluation.aggregate_kl(model, np.eye(5), num_samples=2000, seed=0)
    one = 2 * 0.5 * (0.25 + 1.0 - 1.0 - np.log(0.25))
    # The mean over 10000 samples, whose spread is measured within the sample.
    assert divergence.value == pytest.approx(one, abs=0.05)


def test_the_two_make_up_the_divergence_of_training():
    generator = np.random.default_rng(2)
    means, scales = generator.normal(size=(20, 3)), generator.uniform(0.3, 1.0, (20, 3))
    model, x = model_of(means, scales), np.eye(20)
    parts = [
        estimate(model, x, num_samples=400, seed=3)
        for estimate in (evaluation.mutual_information, evaluation.aggregate_kl)
    ]
    exact = divergences.kl_divergence(model.encode(x), model.prior.distribution()).numpy().mean()
    # 8000 samples of a log-ratio that varies by about 2 nats: 4 standard errors are 0.1.
    assert parts[0].value + parts[1].value == pytest.approx(exact, abs=0.1)
    again = evaluation.mutual_information(model, x, num_samples=400, seed=3)
    assert again == parts[0]


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_the_data_in_pieces_are_the_same_data(batch_size, monkeypatch):
    from keras_vae.evaluation import _aggregate_posterior

    # Three samples against 16, 16 and 8 posteriors.
    monkeypatch.setattr(_aggregate_posterior, "_POSTERIORS", 16)
    monkeypatch.setattr(_aggregate_posterior, "_PAIRS", 48)
    means = np.arange(40.0)[:, np.newaxis] * 50.0
    model = model_of(means, np.ones((40, 1)))
    result = evaluation.mutual_information(model, np.eye(40), 2, batch_size, seed=0)
    assert result.value == pytest.approx(np.log(40), rel=1e-5)


@pytest.mark.parametrize(
    "posterior",
    [
        families.MultivariateNormalTriL(2),
        families.InverseAutoregressiveFlow(2, num_flows=1, hidden_units=(4,)),
        families.VonMisesFisher(2),
        families.RelaxedOneHotCategorical((2, 3)),
    ],
    ids=lambda family: type(family).__name__,
)
def test_any_posterior(posterior):
    keras.utils.set_random_seed(0)
    prior = {
        families.VonMisesFisher: priors.SphericalUniform(2),
        families.RelaxedOneHotCategorical: priors.UniformCategorical((2, 3)),
    }.get(type(posterior))
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(posterior.params_size)])
    decoder = [keras.Input(posterior.event_shape), keras.layers.Flatten(), keras.layers.Dense(4)]
    model = VAEModel(encoder, keras.Sequential(decoder), posterior, "bernoulli", prior, seed=1)
    x = np.eye(4)
    information = evaluation.mutual_information(model, x, num_samples=300, seed=0)
    divergence = evaluation.aggregate_kl(model, x, num_samples=300, seed=0)
    rate = evaluation.rate_distortion(model, x, num_samples=300, seed=0).rate
    assert 0.0 < information.value <= np.log(4) + 1e-5
    # Two averages over 1200 samples.
    q, p = model.encode(x), model.prior.distribution()
    z = q.sample(300, seed=1)
    error = np.std(q.log_prob(z) - p.log_prob(z)) / np.sqrt(1200)
    assert information.value + divergence.value == pytest.approx(rate, abs=4 * np.sqrt(2) * error)


def test_a_prior_for_each_condition_is_no_prior_of_the_whole():
    inputs, condition = keras.Input((3,)), keras.Input((2,))
    encoder = keras.Model([inputs, condition], keras.layers.Dense(2)(inputs))
    z = keras.Input((1,))
    joined = keras.layers.Concatenate()([z, condition])
    decoder = keras.Model([z, condition], keras.layers.Dense(3)(joined))
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    prior = priors.ConditionalPrior(network, families.MultivariateNormalDiag(1))
    model = VAEModel(encoder, decoder, likelihood="bernoulli", prior=prior, seed=1)
    data = {"x": np.eye(3, dtype="float32"), "condition": np.eye(3, 2, dtype="float32")}
    assert np.isfinite(evaluation.mutual_information(model, data).value)
    with pytest.raises(ValueError, match="aggregate_kl expects one prior for all examples"):
        evaluation.aggregate_kl(model, data)
    assert "aggregate_kl" not in evaluation.report(model, data, num_samples=2, verbose=0)


@pytest.mark.parametrize("function", [evaluation.mutual_information, evaluation.aggregate_kl])
def test_arguments_are_checked(function):
    model = model_of(np.zeros((2, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="num_samples to be an integer of at least 1"):
        function(model, np.eye(2), num_samples=0)
    with pytest.raises(ValueError, match="batch_size to be an integer of at least 1"):
        function(model, np.eye(2), batch_size=0)
    with pytest.raises(ValueError, match=f"{function.__name__} expects at least one example"):
        function(model, np.eye(2)[:0])
    point = VAEModel(
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
        keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)]),
        families.Deterministic(1),
    )
    with pytest.raises(ValueError, match="expects a posterior with a density"):
        function(point, np.eye(2))
