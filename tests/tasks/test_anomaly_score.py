"""Scores of strangeness against exact values."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, evaluation, families, tasks
from keras_vae.evaluation import _estimate

METHODS = ["log_likelihood", "elbo", "reconstruction_probability"]


@pytest.mark.parametrize("method", ["log_likelihood", "elbo"])
def test_with_the_true_posterior_both_are_the_evidence(linear, method, monkeypatch):
    # 60 rows at a time are 10 samples of 6 examples: 105 leave a last chunk of five.
    monkeypatch.setattr(_estimate, "_ROWS", 60)
    scores = tasks.anomaly_score(linear.model(), linear.x, method, num_samples=105)
    np.testing.assert_allclose(scores, -linear.log_evidence, atol=1e-4)


@pytest.mark.parametrize("rows", [60, 4096])
def test_the_scores_are_those_of_the_bound_and_of_its_first_part(linear, rows, monkeypatch):
    monkeypatch.setattr(_estimate, "_ROWS", rows)
    model, copies = linear.model("wrong"), 50
    entries, kl = linear.elbo(model.encode(linear.x))
    x = np.tile(linear.x, (copies, 1))
    for method, per_feature, expected in (
        ("elbo", False, kl - entries.sum(axis=1)),
        ("reconstruction_probability", False, -entries.sum(axis=1)),
        ("reconstruction_probability", True, -entries),
    ):
        scores = tasks.anomaly_score(model, x, method, 21, per_feature, seed=0)
        scores = np.float64(scores).reshape(copies, *expected.shape)
        error = scores.std(axis=0, ddof=1) / np.sqrt(copies)
        assert (np.abs(scores.mean(axis=0) - expected) < 4 * error).all()
        assert (np.abs(expected) > 8 * error).any()


def test_the_log_likelihood_is_that_of_the_evaluation(linear):
    model = linear.model("wrong")
    scores = tasks.anomaly_score(model, linear.x, num_samples=30, seed=2)
    expected = evaluation.log_likelihood(model, linear.x, 30, seed=2).log_prob
    np.testing.assert_array_equal(scores, -expected)


def test_the_parts_add_up_and_missing_entries_have_none(linear):
    model = linear.model("wrong")
    x, _ = linear.missing(3)
    method = "reconstruction_probability"
    total = tasks.anomaly_score(model, x, method, seed=0)
    parts = tasks.anomaly_score(model, x, method, per_feature=True, seed=0)
    np.testing.assert_array_equal(np.isnan(parts), np.isnan(x))
    # Rounding of sums of five numbers.
    np.testing.assert_allclose(np.nansum(parts, axis=1), total, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_strange_one_has_the_highest_score(linear, method):
    x = linear.x.copy()
    x[2, 3] += 10.0
    scores = tasks.anomaly_score(linear.model("wrong"), x, method, seed=0)
    assert scores.argmax() == 2
    if method == "reconstruction_probability":
        parts = tasks.anomaly_score(linear.model("wrong"), x, method, per_feature=True)
        assert parts[2].argmax() == 3


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_is_infinitely_strange(method):
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, likelihood="bernoulli")
    scores = tasks.anomaly_score(model, np.array([[0.0, 1.0, 1.0], [0.0, 7.0, 1.0]]), method)
    assert np.isfinite(scores[0])
    assert scores[1] == np.inf
    if method == "reconstruction_probability":
        parts = tasks.anomaly_score(model, np.array([[0.0, 7.0, 1.0]]), method, per_feature=True)
        np.testing.assert_array_equal(np.isinf(parts), [[False, True, False]])


def test_a_plain_autoencoder_has_reconstructions_only(linear):
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    likelihood = families.Normal(5, scale=0.5)
    model = VAEModel(encoder, linear.model().decoder, families.Deterministic(2), likelihood)
    scores = tasks.anomaly_score(model, linear.x, "reconstruction_probability", num_samples=1)
    squares = np.sum((linear.x - model.reconstruct(linear.x)) ** 2, axis=1)
    expected = squares / (2 * 0.5**2) + 2.5 * np.log(2 * np.pi * 0.5**2)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    with pytest.raises(ValueError, match=r"expects a posterior with a density. Received: a point"):
        tasks.anomaly_score(model, linear.x, "elbo")


def test_a_condition_and_no_example_and_a_progress_bar(linear, capsys):
    x, condition = keras.Input((3,)), keras.Input((3,))
    encoder = keras.Model([x, condition], keras.layers.Dense(2)(x))
    decoder = keras.Model([keras.Input((1,)), condition], keras.layers.Identity()(condition))
    model = VAEModel(encoder, decoder)
    ones = np.ones((5, 3), "float32")
    condition = ones.copy()
    condition[3] = 4.0
    method = "reconstruction_probability"
    scores = tasks.anomaly_score(
        model, {"x": ones, "condition": condition}, method, batch_size=2, verbose=1
    )
    assert "5/5" in capsys.readouterr().out
    # The decoder knows the data from the condition: -log p is that of a residual of 0 or 3.
    expected = 1.5 * np.log(2 * np.pi) + np.array([0, 0, 0, 1.5 * 3**2, 0])
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert tasks.anomaly_score(linear.model(), linear.x[:0]).shape == (0,)
    empty = tasks.anomaly_score(linear.model(), linear.x[:0], method, per_feature=True)
    assert empty.shape == (0, 5)


def test_errors(linear):
    model = linear.model()
    with pytest.raises(ValueError, match=r"method to be one of 'log_likelihood', 'elbo', 'rec.*kl"):
        tasks.anomaly_score(model, linear.x, "kl")
    with pytest.raises(ValueError, match=r"method='reconstruction_probability' where per_feature"):
        tasks.anomaly_score(model, linear.x, "elbo", per_feature=True)
    with pytest.raises(ValueError, match=r"anomaly_score expects num_samples.*num_samples=0"):
        tasks.anomaly_score(model, linear.x, num_samples=0)
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(20)])
    model = VAEModel(model.encoder, decoder, model.posterior, families.MultivariateNormalTriL(5))
    with pytest.raises(ValueError, match=r"TriL expects .* whole events.* depend on each other"):
        tasks.anomaly_score(model, linear.x, "reconstruction_probability", per_feature=True)
