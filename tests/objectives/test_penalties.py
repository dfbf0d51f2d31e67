"""`Penalized` and the penalties: values in numpy, training, logs, saving."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae import VAEModel, families
from keras_vae.divergences import (
    js_divergence,
    kl_decomposition,
    kl_divergence,
    maximum_mean_discrepancy,
    total_correlation,
)
from keras_vae.objectives import (
    DIP,
    ELBO,
    IWAE,
    MMD,
    DensityRatio,
    ForwardKL,
    GradientPenalty,
    JensenShannon,
    LatentNorm,
    LatentPath,
    Penalized,
    Terms,
    TotalCorrelation,
)
from keras_vae.priors import MixturePrior, StandardNormal

tfd = tfp.distributions
DISCRIMINATOR = keras.Sequential(
    [keras.Input((2,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)]
)
PENALTIES = {
    "DensityRatio": DensityRatio(DISCRIMINATOR, weight=0.8),
    "DIP": DIP(weight=2.0),
    "ForwardKL": ForwardKL(weight=0.5, method="exact"),
    "GradientPenalty": GradientPenalty(weight=0.3),
    "JensenShannon": JensenShannon(weight=0.7),
    "LatentNorm": LatentNorm(weight=0.2),
    "MMD": MMD(weight=3.0),
    "TotalCorrelation": TotalCorrelation(weight=4.0, dataset_size=64),
}
POSTERIOR = families.MultivariateNormalDiag(2)
RNG = np.random.default_rng(4)
MEAN = RNG.normal(size=(6, 2))
LOG_VARIANCE = RNG.normal(size=(6, 2))


def made_terms():
    q = POSTERIOR([MEAN, LOG_VARIANCE])
    z = q.sample(2, seed=(1, 2))
    return Terms(
        posterior=q,
        frozen_posterior=q,
        prior=StandardNormal(2, dtype="float64").distribution(),
        z=z,
        path=LatentPath(z),
        decode=tf.square,
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
    expected = maximum_mean_discrepancy(terms.z[0], terms.prior_z[0], "gaussian")
    np.testing.assert_allclose(MMD(1.0, "gaussian")(terms), expected)


def test_total_correlation_logs_all_parts_of_the_divergence():
    terms = made_terms()
    penalty = TotalCorrelation(4.0, 64)
    objective = Penalized(ELBO(), penalty)
    assert objective.logged == ("total_correlation", "mutual_information", "dimension_wise_kl")
    objective(terms)
    parts = kl_decomposition(terms.posterior, terms.prior, terms.z[0], 64, "stratified")
    for name, expected in parts._asdict().items():
        np.testing.assert_allclose(terms.log[name], expected)


def test_the_logged_parts_add_up_to_the_logged_divergence():
    objective = Penalized(ELBO(), TotalCorrelation(weight=2.0, dataset_size=2048))
    model = model_with(objective)
    x = RNG.normal(size=(2048, 3)).astype("float32")
    logs = model.evaluate(x, return_dict=True, verbose=0)
    total = logs["total_correlation"] + logs["mutual_information"] + logs["dimension_wise_kl"]
    # One sample's estimate of the exact divergence that is logged.
    q, p = model.encode(x), model.prior.distribution()
    z = q.sample(seed=(1, 2))
    errors = q.log_prob(z) - p.log_prob(z) - kl_divergence(q, p)
    error = float(np.std(errors)) / math.sqrt(2048)
    # Small enough to notice that the largest of the parts is missing.
    parts = ("total_correlation", "mutual_information", "dimension_wise_kl")
    assert 4 * error < max(logs[name] for name in parts)
    assert total == pytest.approx(logs["kl_divergence"], abs=4 * error)


def test_samples_of_the_prior_are_drawn_once_and_as_many_as_of_the_posterior():
    terms = made_terms()
    assert terms.prior_z.shape == terms.z.shape == (2, 6, 2)
    assert terms.prior_z is terms.prior_z
    assert np.unique(terms.prior_z).size == 24
    conditional = dataclasses.replace(terms, prior=POSTERIOR([MEAN, LOG_VARIANCE]))
    assert conditional.prior_z.shape == (2, 6, 2)


def test_jensen_shannon_and_forward_kl_are_the_divergences():
    terms = made_terms()
    q, p = terms.posterior, terms.prior
    np.testing.assert_allclose(
        JensenShannon(1.0)(terms), js_divergence(q, p, terms.z, terms.prior_z)
    )
    variance = np.exp(LOG_VARIANCE)
    exact = 0.5 * np.sum((1 + MEAN**2) / variance - 1 + LOG_VARIANCE, axis=-1)
    for method in ("auto", "exact"):
        np.testing.assert_allclose(ForwardKL(1.0, method)(terms), exact, rtol=1e-6)
    estimate = kl_divergence(p, q, terms.prior_z, "monte_carlo")
    np.testing.assert_allclose(ForwardKL(1.0, "monte_carlo")(terms), estimate)


def test_forward_kl_without_a_closed_form_is_an_estimate_without_bias():
    """A mixture has none; of one component it is the normal distribution that has one."""
    prior = MixturePrior(2, num_components=1)
    terms = dataclasses.replace(
        made_terms(),
        posterior=POSTERIOR([MEAN.astype("f"), LOG_VARIANCE.astype("f")]),
        prior=prior.distribution(),
        z=tf.zeros((4000, 6, 2)),
    )
    mixture = prior.distribution().components_distribution
    component = tfd.MultivariateNormalDiag(mixture.mean()[0], mixture.stddev()[0])
    ratio = component.log_prob(terms.prior_z) - terms.posterior.log_prob(terms.prior_z)
    exact = kl_divergence(component, terms.posterior, method="exact")
    error = np.std(ratio, axis=0) / math.sqrt(4000)
    assert (np.abs(ForwardKL(1.0)(terms) - exact) < 4 * error).all()


def test_latent_norm_is_the_mean_over_the_samples():
    terms = made_terms()
    expected = 0.5 * np.square(terms.z).sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(LatentNorm(1.0)(terms), expected)
    image = dataclasses.replace(terms, z=tf.reshape(terms.z, (2, 6, 2, 1)))
    np.testing.assert_allclose(LatentNorm(1.0)(image), expected)


def test_latent_norm_is_the_divergence_of_a_point():
    """KL(point || N(0, 1)) = 1/2 |z|^2 + d/2 log(2 pi): the autoencoder under the ELBO."""
    model = model_with(Penalized(ELBO(), LatentNorm(1.0)), families.Deterministic(2))
    x = RNG.normal(size=(32, 3)).astype("float32")
    logs = model.evaluate(x, return_dict=True, verbose=0)
    expected = logs["latent_norm"] + math.log(2 * math.pi)
    assert logs["kl_divergence"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("penalty", [JensenShannon(1.0), ForwardKL(1.0)], ids=repr)
def test_a_point_has_no_density(penalty):
    model = model_with(Penalized(ELBO(), penalty), families.Deterministic(2))
    with pytest.raises(ValueError, match=r"expects a posterior with a density\. Received: a point"):
        model.evaluate(np.zeros((4, 3), "float32"), verbose=0)


def model_with(objective, posterior=POSTERIOR, **compile_arguments):
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(posterior.params_size)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, posterior, seed=1)
    model.compile("adam", objective=objective, **compile_arguments)
    return model


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.stress)])
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


@pytest.mark.stress
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
        (
            lambda: Penalized(Penalized(ELBO(), DIP(1.0)), DIP(2.0)),
            ValueError,
            r"penalties=\[DIP\(weight=2.0",
        ),
        (lambda: ForwardKL(1.0, "best"), ValueError, "method='best'"),
        (lambda: JensenShannon(-1.0), ValueError, "weight=-1.0"),
        (lambda: LatentNorm("heavy"), TypeError, "weight='heavy'"),
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
