"""`objectives.ELBO`, `objectives.Terms` and `objectives.get`, on terms made by hand."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae import families, objectives, priors
from keras_vae.divergences import kl_divergence
from keras_vae.objectives import ELBO, LatentPath, Terms

tfd = tfp.distributions

# Divergences from the standard normal: mean^2 / 2.
MEANS = np.sqrt([0.0, 2.0, 6.0])
KL = np.array([0.0, 1.0, 3.0])
LOG_LIKELIHOOD = np.array([[-1.0, -2.0, -3.0], [-5.0, -4.0, -3.0]])
RECONSTRUCTION = np.array([3.0, 3.0, 3.0])


def terms(kl_weight=1.0, posterior=None, dtype="float64", **kwargs):
    family = families.MultivariateNormalDiag(1)
    loc = MEANS[:, None].astype(dtype)
    posterior = posterior or family([loc, np.zeros_like(loc)])
    z = posterior.sample(2, seed=(1, 2))
    parts = {
        "posterior": posterior,
        "frozen_posterior": posterior,
        "prior": priors.StandardNormal(1, dtype=dtype).distribution(),
        "z": z,
        "path": LatentPath(z),
        "log_likelihood": tf.constant(LOG_LIKELIHOOD, dtype),
        "kl_weight": tf.constant(kl_weight, "float32"),
        "step": tf.constant(0),
        "seed": tf.constant([1, 2]),
    }
    return Terms(**{**parts, **kwargs})


def test_terms():
    made = terms()
    np.testing.assert_allclose(made.kl_divergence, KL, atol=1e-15)
    np.testing.assert_allclose(made.reconstruction_loss, RECONSTRUCTION)
    z = made.z.numpy()[..., 0]
    # log p(z) - log q(z) = mean^2 / 2 - mean z
    expected = LOG_LIKELIHOOD + KL - MEANS * z
    assert made.log_weight.shape == (2, 3)
    np.testing.assert_allclose(made.log_weight, expected, rtol=1e-12)
    assert made.kl_divergence is made.kl_divergence


def test_terms_are_fixed():
    with pytest.raises(AttributeError):
        terms().step = 3


def test_divergence_without_a_closed_form_comes_from_the_samples():
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(logits=np.zeros(2)),
        tfd.MultivariateNormalDiag(np.array([[-1.0], [1.0]]), np.ones((2, 1))),
    )
    made = terms(prior=mixture)
    expected = kl_divergence(made.posterior, mixture, made.z, "monte_carlo")
    np.testing.assert_allclose(made.kl_divergence, expected)
    np.testing.assert_allclose(ELBO()(made), -np.mean(made.log_weight, axis=0), rtol=1e-12)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0, np.float32(0.5), 2])
@pytest.mark.parametrize("kl_weight", [0.0, 0.25, 1.0])
def test_the_loss_is_reconstruction_plus_weighted_divergence(beta, kl_weight):
    loss = ELBO(beta=beta)(terms(kl_weight))
    assert loss.shape == (3,)
    np.testing.assert_allclose(loss, RECONSTRUCTION + kl_weight * beta * KL, rtol=1e-12)


def test_the_default_is_minus_the_evidence_lower_bound():
    """Over many samples it is minus the mean log-weight."""
    number = 20_000
    made = terms()
    z = made.posterior.sample(number, seed=(1, 2))
    made = terms(z=z, log_likelihood=tf.zeros((number, 3), tf.float64))
    standard_error = np.std(made.log_weight, axis=0) / math.sqrt(number)
    error = np.abs(ELBO()(made) + np.mean(made.log_weight, axis=0))
    np.testing.assert_array_less(error, 4 * standard_error + 1e-12)


@pytest.mark.parametrize("free_nats", [0.5, 2.0])
def test_free_nats(free_nats):
    loss = ELBO(beta=2.0, free_nats=free_nats)(terms(0.5))
    np.testing.assert_allclose(loss, RECONSTRUCTION + np.maximum(KL, free_nats))


@pytest.mark.parametrize("capacity", [0.0, 2.0])
def test_capacity(capacity):
    loss = ELBO(beta=10.0, capacity=capacity)(terms())
    np.testing.assert_allclose(loss, RECONSTRUCTION + 10.0 * np.abs(KL - capacity), atol=1e-12)


def test_a_negative_estimate_is_no_bound_at_zero():
    """Without free nats an estimate of the divergence may be negative; its mean is unbiased."""
    q = tfd.Independent(tfd.Normal(np.zeros((3, 1)), 1.0), 1)
    made = terms(posterior=q, prior=tfd.MultivariateNormalDiag(np.ones(1), np.ones(1)))
    loss = ELBO()(terms(posterior=q, prior=made.prior, z=np.full((2, 3, 1), 2.0)))
    # log q - log p at 2 = -2 + 1/2
    np.testing.assert_allclose(loss, RECONSTRUCTION - 1.5)


@pytest.mark.parametrize("weights", [{"beta": 0.0}, {"kl_weight": 0.0}])
def test_no_weight_makes_an_infinite_divergence_no_part_of_the_loss(weights):
    kl_weight = weights.pop("kl_weight", 1.0)
    uniform = tfd.Independent(tfd.Uniform(np.float64(10.0), 11.0), 0)
    q = tfd.Normal(np.zeros(3), 1.0)
    made = terms(kl_weight, posterior=q, prior=uniform, z=np.zeros((2, 3)))
    assert np.isinf(made.kl_divergence).all()
    np.testing.assert_allclose(ELBO(**weights)(made), RECONSTRUCTION)
    assert np.isinf(ELBO()(terms(posterior=q, prior=uniform, z=np.zeros((2, 3))))).all()


def test_gradients():
    loc = tf.constant(MEANS[:, None])
    family = families.MultivariateNormalDiag(1)
    for objective, factor in [
        (ELBO(beta=4.0), [4.0, 4.0, 4.0]),
        (ELBO(beta=4.0, free_nats=2.0), [0.0, 0.0, 4.0]),
        (ELBO(beta=4.0, capacity=2.0), [0.0, -4.0, 4.0]),
        (ELBO(beta=0.0), [0.0, 0.0, 0.0]),
    ]:
        with tf.GradientTape() as tape:
            tape.watch(loc)
            loss = objective(terms(posterior=family([loc, tf.zeros_like(loc)])))
        # d KL / d mean = mean, which is 0 for the first example.
        gradient = tape.gradient(loss, loc)[:, 0]
        np.testing.assert_allclose(gradient, np.array(factor) * MEANS, atol=1e-12)


def test_float32_terms_stay_float32():
    assert ELBO(beta=2.0, free_nats=0.5)(terms(dtype="float32")).dtype == "float32"


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_compiled_function(jit_compile):
    compiled = tf.function(lambda: ELBO(beta=3.0)(terms()), jit_compile=jit_compile)
    np.testing.assert_allclose(compiled(), RECONSTRUCTION + 3.0 * KL, rtol=1e-9)


@pytest.mark.parametrize("batch", [0, 1])
def test_small_batches(batch):
    q = families.MultivariateNormalDiag(1)(np.ones((batch, 2)))
    made = terms(posterior=q, log_likelihood=tf.zeros((2, batch), tf.float64))
    assert ELBO()(made).shape == (batch,)


@pytest.mark.parametrize(
    "arguments", [{}, {"beta": 4.0, "free_nats": 0.5, "num_samples": 3}, {"capacity": 2.0}]
)
def test_config_round_trip(arguments):
    objective = ELBO(**arguments)
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(objective)))
    assert saved["registered_name"] == "keras_vae>ELBO"
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is ELBO
    defaults = {"beta": 1.0, "free_nats": 0.0, "capacity": None, "num_samples": 1}
    assert again.get_config() == {**defaults, **arguments}
    assert repr(again) == repr(objective)


def test_num_samples():
    assert ELBO().num_samples == 1
    assert ELBO(num_samples=np.int64(5)).num_samples == 5


def test_get():
    assert isinstance(objectives.get("elbo"), ELBO)
    objective = ELBO(beta=2.0)
    assert objectives.get(objective) is objective


@pytest.mark.parametrize("name", ["ELBO", "iwaee", ""])
def test_unknown_name(name):
    with pytest.raises(
        ValueError, match=rf"name of an objective, one of 'elbo'.* Received: identifier='{name}'"
    ):
        objectives.get(name)


@pytest.mark.parametrize("identifier", [None, 1.0, ELBO, lambda terms: 0.0])
def test_objective_of_the_wrong_kind(identifier):
    with pytest.raises(TypeError, match=r"an objective or its name. Received: identifier="):
        objectives.get(identifier)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"beta": -1.0},
            ValueError,
            r"beta to be a finite number of at least 0. Received: beta=-1",
        ),
        ({"beta": math.inf}, ValueError, r"beta to be .* Received: beta=inf"),
        ({"beta": "4"}, TypeError, r"beta to be .* Received: beta='4'"),
        ({"beta": True}, TypeError, r"beta to be .* Received: beta=True"),
        ({"beta": None}, TypeError, r"beta to be .* Received: beta=None"),
        ({"free_nats": -0.5}, ValueError, r"free_nats to be .* Received: free_nats=-0.5"),
        ({"capacity": -1}, ValueError, r"capacity to be .* or None. Received: capacity=-1"),
        ({"capacity": math.nan}, ValueError, r"capacity to be .* Received: capacity=nan"),
        (
            {"num_samples": 0},
            ValueError,
            r"num_samples to be an integer .* Received: num_samples=0",
        ),
        ({"num_samples": 1.0}, TypeError, r"num_samples to be .* Received: num_samples=1.0"),
        (
            {"free_nats": 1.0, "capacity": 2.0},
            ValueError,
            r"free_nats or capacity.* Received: free_nats=1.0, capacity=2.0. Leave one out",
        ),
    ],
)
def test_arguments(arguments, error, text):
    with pytest.raises(error, match="ELBO expects " + text):
        ELBO(**arguments)


def test_an_objective_needs_its_two_methods():
    with pytest.raises(TypeError, match="abstract"):
        objectives.Objective()
