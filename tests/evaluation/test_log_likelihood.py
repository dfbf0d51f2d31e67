"""log p(x) of models whose evidence is known in closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, evaluation
from keras_vae.evaluation import _estimate


@pytest.mark.parametrize("num_samples", [1, 7, 1000, 1001])
def test_the_true_posterior_gives_the_evidence_exactly(linear, num_samples, monkeypatch):
    # 60 rows at a time are 10 samples of 6 examples: 1001 leave a last chunk of one.
    monkeypatch.setattr(_estimate, "_ROWS", 60)
    result = evaluation.log_likelihood(linear.model(), linear.x, num_samples, seed=0)
    # Every weight is the evidence: what is left is float32 rounding of sums of some 10 nats.
    np.testing.assert_allclose(result.log_prob, linear.log_evidence, atol=1e-4)
    np.testing.assert_allclose(result.effective_sample_size, num_samples, rtol=1e-4)
    if num_samples > 1:
        assert (result.standard_error < 1e-3).all()
    else:
        assert np.isinf(result.standard_error).all()


@pytest.mark.parametrize(
    ("method", "num_samples"),
    [
        ("importance", 2000),
        ("prior", 20000),
        # A few more chains than one would take: of 16 the error is known to a fifth.
        (evaluation.AnnealedImportanceSampling(100, 5), 32),
    ],
)
def test_the_estimate_is_within_its_error_of_the_evidence(linear, method, num_samples):
    model = linear.model("wrong")
    results = [
        evaluation.log_likelihood(model, linear.x, num_samples, method, seed=seed)
        for seed in [(2, 3), *range(19)]
    ]
    log_prob, error, effective = (np.stack(part) for part in zip(*results, strict=True))
    assert (log_prob < 0).any()
    assert (error > 0).all()
    deviation = (log_prob - linear.log_evidence) / error
    # 120 deviations for each method: beyond 4 once in a hundred such tests; the seeds are fixed.
    assert (np.abs(deviation) < 4).all()
    # The spread of 120 deviations is 1 if the errors are honest, known to 6.5 %.
    assert 0.8 < np.std(deviation) < 1.26
    assert np.abs(np.mean(deviation)) < 4 / np.sqrt(120)
    assert (effective > 1).all()
    assert (effective < num_samples).all()


def test_the_posterior_is_the_better_proposal(linear):
    importance, prior = (
        evaluation.log_likelihood(linear.model("wrong"), linear.x, 1000, method=method, seed=0)
        for method in ("importance", "prior")
    )
    assert (importance.effective_sample_size > 2 * prior.effective_sample_size).all()
    assert (importance.standard_error < prior.standard_error).all()


def test_the_standard_error_is_the_spread_between_draws(linear):
    model = linear.model("wrong")
    # Copies of an example have noise of their own.
    result = evaluation.log_likelihood(model, np.tile(linear.x, (60, 1)), 500, seed=0)
    log_prob, error, _ = (part.reshape(60, 6) for part in result)
    spread = np.std(log_prob, axis=0, ddof=1)
    # The spread of 60 numbers is known to 1 / sqrt(2 * 59) = 9 %; 4 standard errors are 37 %.
    np.testing.assert_allclose(np.mean(error, axis=0), spread, rtol=0.37)
    z = (log_prob - linear.log_evidence) / error
    # 360 deviations, of which 32 % are beyond 1 and 5 % beyond 2 if the error is right.
    assert 0.2 < np.mean(np.abs(z) > 1) < 0.45
    assert np.mean(np.abs(z) > 2) < 0.12


def test_more_samples_shrink_the_error_by_the_root(linear):
    model = linear.model("wrong")
    few, many = (evaluation.log_likelihood(model, linear.x, size, seed=0) for size in (400, 40_000))
    ratio = few.standard_error / many.standard_error
    # Ten times smaller; the few samples know their own spread to some 20 %.
    assert (ratio > 6).all()
    assert (ratio < 16).all()


@pytest.mark.parametrize("method", ["importance", "prior"])
def test_the_same_seed_is_the_same_estimate(linear, method):
    model = linear.model("wrong")
    a, b, c = (
        evaluation.log_likelihood(model, linear.x, 50, method=method, seed=seed).log_prob
        for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()
    # Without a seed, the noise of the model: new at each call.
    d, e = (evaluation.log_likelihood(model, linear.x, 50).log_prob for _ in range(2))
    assert (d != e).all()


@pytest.mark.parametrize("batch_size", [1, 4, 6, 100])
def test_the_batch_size_only_cuts_the_data(linear, batch_size):
    result = evaluation.log_likelihood(linear.model(), linear.x, 20, batch_size=batch_size, seed=0)
    np.testing.assert_allclose(result.log_prob, linear.log_evidence, atol=1e-4)
    assert [part.shape for part in result] == [(6,)] * 3


def test_the_memory_does_not_grow_with_the_number_of_samples(linear, monkeypatch):
    monkeypatch.setattr(_estimate, "_ROWS", 120)
    model = linear.model("wrong")
    rows = []
    decode = model._decoder_params

    def watched(z, condition, training):
        tf.py_function(lambda n: rows.append(int(n)), [tf.size(z) // linear.latent], [])
        return decode(z, condition, training)

    model._decoder_params = watched
    for num_samples in (10, 100, 3000):
        rows.clear()
        evaluation.log_likelihood(model, linear.x, num_samples, seed=0)
        assert max(rows) == min(120, 6 * num_samples)
        assert sum(rows) >= 6 * num_samples


def test_a_batch_larger_than_a_chunk_is_taken_sample_by_sample(linear, monkeypatch):
    monkeypatch.setattr(_estimate, "_ROWS", 4)
    result = evaluation.log_likelihood(linear.model(), linear.x, 5, seed=0)
    np.testing.assert_allclose(result.log_prob, linear.log_evidence, atol=1e-4)
    np.testing.assert_allclose(result.effective_sample_size, 5, rtol=1e-4)


def test_the_evidence_is_the_elbo_and_the_divergence_from_the_true_posterior(linear):
    model = linear.model("wrong")
    q = model.encode(linear.x)
    loc, variance = np.float64(q.mean()), np.float64(q.variance())
    fit, kl_prior = linear.elbo(q)
    fit = fit.sum(axis=1)
    precision = np.linalg.inv(linear.covariance)
    gap = loc - linear.means
    kl_true = 0.5 * (
        np.einsum("ii,bi->b", precision, variance)
        + np.einsum("bi,ij,bj->b", gap, precision, gap)
        - linear.latent
        - np.sum(np.log(variance), axis=1)
        + np.linalg.slogdet(linear.covariance)[1]
    )
    np.testing.assert_allclose(fit - kl_prior + kl_true, linear.log_evidence, rtol=1e-5)
    assert (kl_true > 0.05).all()
    # The model logs the same bound, up to its one noise sample an example.
    model.compile(run_eagerly=True)
    many = np.repeat(linear.x, 2000, axis=0)
    logs = model.evaluate(many, batch_size=len(many), verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["kl_divergence"], kl_prior.mean(), rtol=1e-5)
    # One sample's log-likelihood varies by a few nats: over 12000 samples by less than 0.05.
    np.testing.assert_allclose(logs["elbo"], (fit - kl_prior).mean(), atol=4 * 0.05)


def test_with_the_true_posterior_the_bound_is_tight(linear):
    model = linear.model()
    model.compile(objective="elbo", run_eagerly=True)
    x = np.repeat(linear.x, 2000, axis=0)
    logs = model.evaluate(x, batch_size=len(x), verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["elbo"], linear.log_evidence.mean(), atol=0.1)


def test_a_condition_is_passed_on():
    inputs, condition = keras.Input((3,)), keras.Input((2,))
    encoder = keras.Model([inputs, condition], keras.layers.Dense(2)(inputs))
    z, condition = keras.Input((1,)), keras.Input((2,))
    joined = keras.layers.Concatenate()([z, condition])
    decoder = keras.Model([z, condition], keras.layers.Dense(3)(joined))
    model = VAEModel(encoder, decoder, seed=1)
    x = np.ones((5, 3), "float32")
    a, b = (
        evaluation.log_likelihood(model, {"x": x, "condition": c}, 30, seed=0, batch_size=3)
        for c in (np.zeros((5, 2), "float32"), np.ones((5, 2), "float32"))
    )
    assert a.log_prob.shape == (5,)
    assert (np.abs(a.log_prob - b.log_prob) > 1e-3).all()
    with pytest.raises(ValueError, match=r"arrays of one length. Received: x with the lengths"):
        evaluation.log_likelihood(model, {"x": x, "condition": np.ones((4, 2))}, 5)


def test_missing_entries_are_marginalised(linear):
    x, expected = linear.missing(3)
    result = evaluation.log_likelihood(linear.model("wrong"), x, 50_000, method="prior", seed=0)
    deviation = (result.log_prob - expected) / result.standard_error
    assert (np.abs(deviation) < 4).all()


def test_no_example(linear):
    result = evaluation.log_likelihood(linear.model(), linear.x[:0], 5)
    assert [part.shape for part in result] == [(0,)] * 3


def test_data_without_probability_says_so():
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, likelihood="bernoulli", seed=1)
    x = np.array([[0.0, 1.0, 1.0], [0.0, 255.0, 1.0]])
    result = evaluation.log_likelihood(model, x, 10, seed=0)
    assert np.isfinite(result.log_prob[0])
    assert result.log_prob[1] == -np.inf
    assert result.effective_sample_size[1] == 0.0
    assert not np.isnan(np.stack(result)).any()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_samples": 0}, ValueError, "num_samples to be an integer of at least 1"),
        ({"num_samples": 1.5}, TypeError, "num_samples to be an integer"),
        ({"method": "nis"}, ValueError, "method to be one of 'importance', 'prior', 'ais'"),
        ({"method": 1}, ValueError, "method to be one of 'importance', 'prior', 'ais'"),
        ({"batch_size": 0}, ValueError, "batch_size to be an integer of at least 1"),
        ({"seed": 0.5}, ValueError, "A seed expects an integer or a pair"),
    ],
)
def test_arguments_are_checked(linear, arguments, error, message):
    with pytest.raises(error, match=message):
        evaluation.log_likelihood(linear.model(), linear.x, **arguments)


def test_the_progress_bar_is_shown_on_request(linear, capsys):
    evaluation.log_likelihood(linear.model(), linear.x, 5, seed=0)
    assert capsys.readouterr().out == ""
    evaluation.log_likelihood(linear.model(), linear.x, 5, seed=0, batch_size=4, verbose=1)
    assert "6/6" in capsys.readouterr().out
