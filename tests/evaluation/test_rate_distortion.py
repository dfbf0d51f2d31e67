"""The two parts of the ELBO."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, divergences, evaluation, objectives

X = (np.random.default_rng(0).uniform(size=(40, 6)) > 0.5).astype("float32")


@pytest.fixture
def model():
    keras.utils.set_random_seed(2)
    encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6)])
    return VAEModel(encoder, decoder, likelihood="bernoulli", seed=1)


def test_the_rate_is_the_exact_divergence(model):
    exact = divergences.kl_divergence(model.encode(X), model.prior.distribution()).numpy().mean()
    for batch_size in (1, 9, 256):
        parts = evaluation.rate_distortion(model, X, batch_size=batch_size, seed=0)
        assert parts.rate == pytest.approx(exact, rel=1e-5)
        assert parts.elbo == -(parts.rate + parts.distortion)


def test_they_add_up_to_what_evaluate_logs(model):
    # Whatever is weighed in training, the parts are not.
    model.compile(objective=objectives.ELBO(beta=4.0, num_samples=200), run_eagerly=True)
    model.kl_weight.assign(0.5)
    logs = model.evaluate(X, batch_size=40, verbose=0, return_dict=True)
    parts = evaluation.rate_distortion(model, X, num_samples=200, seed=3)
    q, z = model.encode(X), model.encode(X).sample(200, seed=1)
    spread = model.likelihood.log_likelihood(X, model._decoder_params(z, None, False))
    # Both are means over 200 samples of 40 examples.
    error = np.sqrt(np.var(spread, axis=0).mean() / (200 * len(X)))
    assert q.batch_shape == (40,)
    assert parts.elbo == pytest.approx(logs["elbo"], abs=4 * np.sqrt(2) * error)
    assert parts.distortion == pytest.approx(
        logs["reconstruction_loss"], abs=4 * np.sqrt(2) * error
    )


def test_the_seed_decides(model):
    a, b, c = (evaluation.rate_distortion(model, X, seed=seed) for seed in (1, 1, 2))
    assert a == b
    assert a.distortion != c.distortion


def test_missing_entries_leave_the_distortion(model):
    x = X.copy()
    x[:, 2:] = np.nan
    missing = evaluation.rate_distortion(model, x, seed=1)
    assert np.isfinite(missing.distortion)
    assert missing.distortion < evaluation.rate_distortion(model, X, seed=1).distortion


def test_no_example(model):
    with pytest.raises(ValueError, match="rate_distortion expects at least one example"):
        evaluation.rate_distortion(model, X[:0])
