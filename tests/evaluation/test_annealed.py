"""Annealed importance sampling: the evidence without the help of q(z|x)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, evaluation, families, priors
from keras_vae.evaluation import AnnealedImportanceSampling, _annealed, _estimate
from keras_vae.evaluation._hamiltonian import point, transition

QUICK = AnnealedImportanceSampling(num_steps=100, num_leapfrog_steps=5)


def test_it_is_right_where_the_proposal_is_far_away(linear):
    model = linear.model("displaced")
    importance = evaluation.log_likelihood(model, linear.x, 1000, seed=0)
    assert (importance.effective_sample_size < 10).all()
    assert (importance.log_prob < linear.log_evidence - 5).all()
    annealed = evaluation.log_likelihood(model, linear.x, 32, QUICK, seed=0)
    assert (annealed.effective_sample_size > 16).all()
    deviation = (annealed.log_prob - linear.log_evidence) / annealed.standard_error
    assert (np.abs(deviation) < 4).all()
    # It does not know the encoder at all.
    other = evaluation.log_likelihood(linear.model("true"), linear.x, 32, QUICK, seed=0)
    np.testing.assert_array_equal(annealed.log_prob, other.log_prob)


def test_the_weights_are_unbiased_for_any_number_of_steps_and_chains(linear, monkeypatch):
    # Single chains of few steps, whose step sizes are still adapting: no approximation is left
    # that more of them would mend. 20 chains of 12 examples at a time.
    monkeypatch.setattr(_estimate, "_ROWS", 24 * 6)
    model = linear.model()
    result = evaluation.log_likelihood(
        model, linear.x, 4000, AnnealedImportanceSampling(4, 2), seed=1
    )
    deviation = (result.log_prob - linear.log_evidence) / result.standard_error
    assert (np.abs(deviation) < 4).all()
    assert (result.effective_sample_size > 100).all()


def test_one_step_is_a_sample_of_the_prior(linear):
    model = linear.model()
    one = evaluation.log_likelihood(
        model, linear.x, 20_000, AnnealedImportanceSampling(1, 1), seed=0
    )
    prior = evaluation.log_likelihood(model, linear.x, 20_000, "prior", seed=1)
    error = np.hypot(one.standard_error, prior.standard_error)
    assert (np.abs(one.log_prob - prior.log_prob) < 4 * error).all()
    np.testing.assert_allclose(one.effective_sample_size, prior.effective_sample_size, rtol=0.5)


@pytest.mark.stress
def test_more_steps_make_better_weights(linear):
    few, many = (
        evaluation.log_likelihood(
            linear.model(), linear.x, 64, AnnealedImportanceSampling(steps, 5), seed=0
        )
        for steps in (10, 200)
    )
    assert (many.effective_sample_size > 1.3 * few.effective_sample_size).all()
    assert (many.effective_sample_size > 45).all()


def test_the_temperatures_rise_from_0_to_1():
    temperatures = _annealed._temperatures(50)
    assert temperatures.shape == (51,)
    assert (temperatures[0], temperatures[-1]) == (0.0, 1.0)
    assert (np.diff(temperatures) > 0).all()


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_a_transition_leaves_its_distribution_as_it_is(temperature):
    # p(z) = N(0, 1) and p(x|z) = N(1 | z, 0.5^2): a normal density at each temperature.
    precision = 1.0 + temperature / 0.25
    mean = temperature / 0.25 / precision
    count = 40_000
    rng = np.random.default_rng(0)
    start = mean + rng.normal(size=(count, 1, 1)) / np.sqrt(precision)

    def at(z):
        return point(
            z,
            lambda z: -0.5 * tf.reduce_sum(z**2, -1),
            lambda z: -2.0 * tf.reduce_sum((z - 1.0) ** 2, -1),
        )

    # A step at which half of the moves are accepted: accepting all would widen the spread.
    step = 1.9 / np.sqrt(precision)
    start = at(tf.constant(start))
    end, probability = transition(start, at, temperature, tf.constant(step, tf.float64), 3, [1, 2])
    z, moved = end.z.numpy()[:, 0, 0], np.mean(end.z != start.z)
    assert 0.2 < moved < 0.9
    np.testing.assert_allclose(np.mean(probability), moved, atol=4 * 0.5 / np.sqrt(count))
    spread = 1.0 / np.sqrt(precision)
    np.testing.assert_allclose(np.mean(z), mean, atol=4 * spread / np.sqrt(count))
    np.testing.assert_allclose(np.std(z), spread, rtol=4 / np.sqrt(2 * count))
    # What travels with the points is that of the points.
    for part, expected in zip(end, at(end.z), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_the_memory_does_not_grow_with_the_number_of_chains(linear, monkeypatch):
    monkeypatch.setattr(_estimate, "_ROWS", 60)
    model = linear.model("wrong")
    rows = []
    decode = model._decoder_params

    def watched(z, condition, training):
        tf.py_function(lambda n: rows.append(int(n)), [tf.size(z) // linear.latent], [])
        return decode(z, condition, training)

    model._decoder_params = watched
    for num_samples, chains in ((3, 3), (6, 6), (13, 5)):
        rows.clear()
        evaluation.log_likelihood(model, linear.x, num_samples, AnnealedImportanceSampling(3, 2))
        # With the four pilots no more than 60, in chunks of one size; 1 + 2 * 2 evaluations each.
        assert set(rows) == {(4 + chains) * 6}
        assert len(rows) == 5 * -(-num_samples // chains)


def test_missing_entries_are_marginalised(linear):
    x, expected = linear.missing(3)
    result = evaluation.log_likelihood(linear.model("wrong"), x, 32, QUICK, seed=0)
    deviation = (result.log_prob - expected) / result.standard_error
    assert (np.abs(deviation) < 4).all()
    assert (np.abs(expected - linear.log_evidence) > 0.1).all()


def test_the_same_seed_is_the_same_estimate(linear):
    model = linear.model()
    method = AnnealedImportanceSampling(10, 2)
    a, b, c = (
        evaluation.log_likelihood(model, linear.x, 5, method, seed=seed).log_prob
        for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()
    # Chains of copies have noise of their own.
    d = evaluation.log_likelihood(model, np.repeat(linear.x[:1], 2, 0), 5, method, seed=4).log_prob
    assert d[0] != d[1]


@pytest.mark.parametrize(
    "prior",
    ["conditional", *(pytest.param(p, marks=pytest.mark.stress) for p in ("flow", "mixture"))],
)
def test_any_prior(linear, prior):
    """Against many samples of the prior; a condition goes to the prior and both networks."""
    rng = np.random.default_rng(3)
    inputs, condition = keras.Input((5,)), keras.Input((2,))
    encoder = keras.Model([inputs, condition], keras.layers.Dense(4)(inputs))
    z, condition = keras.Input((2,)), keras.Input((2,))
    joined = keras.layers.Concatenate()([z, condition])
    decoder = keras.Model([z, condition], keras.layers.Dense(5)(joined))
    made = {
        "conditional": lambda: priors.ConditionalPrior(
            keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)]),
            families.MultivariateNormalDiag(2),
        ),
        "flow": lambda: priors.FlowPrior(2, num_layers=2, hidden_units=(8,)),
        "mixture": lambda: priors.MixturePrior(2, num_components=3),
    }[prior]()
    model = VAEModel(encoder, decoder, likelihood=families.Normal(5, scale=0.5), prior=made)
    for weight in model.weights:
        if len(weight.shape):
            weight.assign(rng.normal(scale=0.4, size=weight.shape))
    x = {"x": linear.x, "condition": rng.normal(size=(6, 2)).astype("float32")}
    # Data of the model, which samples of the prior can explain.
    x["x"] = model.sample(6, seed=1, condition=x["condition"]).numpy()
    annealed = evaluation.log_likelihood(model, x, 64, QUICK, seed=0)
    expected = evaluation.log_likelihood(model, x, 200_000, "prior", seed=0)
    error = np.hypot(annealed.standard_error, expected.standard_error)
    assert (np.abs(annealed.log_prob - expected.log_prob) < 4 * error).all()
    assert (annealed.effective_sample_size > 8).all()
    assert (expected.effective_sample_size > 100).all()
    if prior == "conditional":
        x["condition"] += 1.0
        other = evaluation.log_likelihood(model, x, 64, QUICK, seed=0)
        assert (np.abs(annealed.log_prob - other.log_prob) > 0.01).all()


@pytest.mark.parametrize("policy", ["float64", "mixed_float16"])
def test_any_precision(linear, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = linear.model()
    finally:
        keras.config.set_dtype_policy("float32")
    result = evaluation.log_likelihood(model, linear.x, 32, QUICK, seed=0)
    assert result.log_prob.dtype == ("float64" if policy == "float64" else "float32")
    # Half precision rounds the reconstruction to 1e-3: some hundredths of a nat.
    error = result.standard_error + (0.02 if policy == "mixed_float16" else 0.0)
    assert (np.abs(result.log_prob - linear.log_evidence) < 4 * error).all()


def test_data_without_probability_says_so():
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, likelihood="bernoulli", seed=1)
    x = np.array([[0.0, 1.0, 1.0], [0.0, 255.0, 1.0]])
    result = evaluation.log_likelihood(model, x, 10, AnnealedImportanceSampling(5, 2), seed=0)
    assert np.isfinite(result.log_prob[0])
    assert result.log_prob[1] == -np.inf
    assert not np.isnan(np.stack(result)).any()


@pytest.mark.parametrize("family", ["deterministic", "power_spherical", "relaxed_one_hot"])
def test_latents_that_cannot_be_moved(family):
    posterior = {
        "deterministic": families.Deterministic(3),
        "power_spherical": families.PowerSpherical(3),
        "relaxed_one_hot": families.RelaxedOneHotCategorical(3),
    }[family]
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(posterior.params_size)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    prior = priors.SphericalUniform(3) if family == "power_spherical" else None
    prior = priors.UniformCategorical(3) if family == "relaxed_one_hot" else prior
    model = VAEModel(encoder, decoder, posterior, prior=prior)
    message = r"expects latents that may be any real numbers, with a density. Received: posterior="
    with pytest.raises(ValueError, match=message):
        evaluation.log_likelihood(model, np.zeros((2, 4)), method="ais")
    if family == "deterministic":
        with pytest.raises(ValueError, match=r"log_likelihood expects a posterior with a density"):
            evaluation.log_likelihood(model, np.zeros((2, 4)))


def test_its_arguments():
    method = AnnealedImportanceSampling(num_steps=7)
    assert AnnealedImportanceSampling.from_config(method.get_config()).get_config() == {
        "num_steps": 7,
        "num_leapfrog_steps": 10,
    }
    with pytest.raises(ValueError, match=r"num_steps to be an integer of at least 1"):
        AnnealedImportanceSampling(0)
    with pytest.raises(TypeError, match=r"num_leapfrog_steps to be an integer of at least 1"):
        AnnealedImportanceSampling(10, 2.5)


def test_the_name_stands_for_the_default_with_16_chains(linear, monkeypatch):
    calls = []

    def estimate(self, model, x, condition, num_samples, seed):
        calls.append(repr(self))
        zeros = tf.zeros([tf.shape(x)[0]])
        return evaluation.LogLikelihood(zeros, zeros, zeros + tf.cast(num_samples, tf.float32))

    monkeypatch.setattr(AnnealedImportanceSampling, "estimate", estimate)
    result = evaluation.log_likelihood(linear.model(), linear.x, method="ais")
    assert calls == ["AnnealedImportanceSampling(num_steps=1000, num_leapfrog_steps=10)"]
    assert (result.effective_sample_size == 16).all()
