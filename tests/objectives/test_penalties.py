"""`Penalized` and the penalties: values in numpy, training, logs, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families
from keras_vae.divergences import maximum_mean_discrepancy, total_correlation
from keras_vae.objectives import (
    DIP,
    ELBO,
    IWAE,
    MMD,
    LatentPath,
    Penalized,
    Terms,
    TotalCorrelation,
)
from keras_vae.priors import StandardNormal

PENALTIES = {
    "DIP": DIP(weight=2.0),
    "MMD": MMD(weight=3.0),
    "TotalCorrelation": TotalCorrelation(weight=4.0, dataset_size=64),
}
RNG = np.random.default_rng(4)
MEAN = RNG.normal(size=(6, 3))
LOG_VARIANCE = RNG.normal(size=(6, 3))


def made_terms():
    family = families.MultivariateNormalDiag(3)
    q = family([MEAN, LOG_VARIANCE])
    z = q.sample(2, seed=(1, 2))
    return Terms(
        posterior=q,
        frozen_posterior=q,
        prior=StandardNormal(3, dtype="float64").distribution(),
        z=z,
        path=LatentPath(z),
        log_likelihood=tf.zeros((2, 6), tf.float64),
        kl_weight=tf.constant(1.0),
        step=tf.constant(0),
        seed=tf.constant([3, 4]),
    )


@pytest.mark.parametrize(
    ("kind", "ratio", "used"), [(1, None, 10.0), (2, None, 1.0), (2, 3.0, 3.0)]
)
def test_dip_is_the_covariance_over_the_batch(kind, ratio, used):
    covariance = np.cov(MEAN, rowvar=False, bias=True)
    if kind == 2:
        covariance = covariance + np.diag(np.exp(LOG_VARIANCE).mean(axis=0))
    diagonal = np.diag(covariance)
    expected = np.sum(covariance**2) - np.sum(diagonal**2) + used * np.sum((diagonal - 1) ** 2)
    value = DIP(1.0, kind=kind, diagonal_ratio=ratio)(made_terms())
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_total_correlation_and_mmd_are_the_divergences():
    terms = made_terms()
    for estimator in ("weighted", "stratified"):
        expected = total_correlation(terms.posterior, terms.z[0], 64, estimator)
        value = TotalCorrelation(1.0, 64, estimator)(terms)
        np.testing.assert_allclose(value, expected)
    other = terms.prior.sample(6, seed=terms.seed)
    expected = maximum_mean_discrepancy(terms.z[0], other, "gaussian")
    np.testing.assert_allclose(MMD(1.0, "gaussian")(terms), expected)


def model_with(objective, **compile_arguments):
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, seed=1)
    model.compile("adam", objective=objective, **compile_arguments)
    return model


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_logged_loss_is_the_sum_of_its_terms(jit_compile):
    penalties = list(PENALTIES.values())
    model = model_with(Penalized(ELBO(beta=2.0), penalties), jit_compile=jit_compile)
    model.kl_weight.assign(0.5)
    x = RNG.normal(size=(40, 3)).astype("float32")
    logs = model.evaluate(x, batch_size=16, return_dict=True, verbose=0)
    expected = logs["reconstruction_loss"] + 0.5 * 2.0 * logs["kl_divergence"]
    expected += sum(penalty.weight * logs[penalty.name] for penalty in penalties)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)


def test_any_base_is_trained_saved_and_loaded(tmp_path):
    objective = Penalized(IWAE(4, "dreg"), DIP(weight=1.0, kind=1))
    model = model_with(objective)
    assert objective.num_samples == 4
    x = RNG.normal(size=(32, 3)).astype("float32")
    history = model.fit(x, epochs=2, validation_data=(x,), verbose=0).history
    assert {"dip", "val_dip"} <= set(history)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert repr(loaded.objective) == repr(objective)
    np.testing.assert_allclose(loaded.evaluate(x, verbose=0), model.evaluate(x, verbose=0))


def test_a_new_objective_brings_its_own_log():
    model = model_with(Penalized(ELBO(), DIP(1.0)))
    x = RNG.normal(size=(32, 3)).astype("float32")
    assert "dip" in model.fit(x, verbose=0).history
    model.compile("adam", objective=Penalized(ELBO(), MMD(1.0)))
    history = model.fit(x, verbose=0).history
    assert "mmd" in history
    assert "dip" not in history


def test_dip_penalty_makes_the_covariance_of_the_means_the_identity():
    model = model_with(Penalized(ELBO(), DIP(weight=50.0, kind=1)))
    model.optimizer.learning_rate = 0.02
    x = RNG.normal(size=(256, 3)).astype("float32") @ np.array([[2, 1, 0], [0, 1, 1], [0, 0, 1]])
    model.fit(x.astype("float32"), epochs=40, batch_size=64, verbose=0)
    covariance = np.cov(model.encode(x.astype("float32")).mean().numpy(), rowvar=False)
    # Kept from the identity by the reconstruction alone, which weighs far less.
    np.testing.assert_allclose(covariance, np.eye(2), atol=0.15)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Penalized("elbo", DIP(1.0)), TypeError, "base='elbo'"),
        (lambda: Penalized(ELBO(), [ELBO()]), TypeError, "penalties="),
        (lambda: Penalized(ELBO(), [DIP(1.0), DIP(2.0)]), ValueError, "penalties="),
        (lambda: DIP(1.0, kind=3), ValueError, "kind=3"),
        (lambda: DIP(-1.0), ValueError, "weight=-1.0"),
        (lambda: MMD(1.0, kernel="box"), ValueError, "kernel='box'"),
        (lambda: TotalCorrelation(1.0, 0), ValueError, "dataset_size=0"),
        (lambda: TotalCorrelation(1.0, 10, "best"), ValueError, "estimator='best'"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=rf"expects .* Received: .*{text}"):
        make()
