"""What belongs to one prior alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import families, priors
from keras_vae.divergences import kl_divergence


@pytest.mark.parametrize(
    ("event_shape", "error"),
    [("3", TypeError), (2.0, TypeError), ((), ValueError), (0, ValueError)],
)
def test_standard_normal_event_shape(event_shape, error):
    with pytest.raises(error, match=r"StandardNormal expects event_shape .* Received"):
        priors.StandardNormal(event_shape)


@pytest.mark.parametrize("family", [None, 3, "normal", families.Normal])
def test_trainable_prior_without_a_family(family):
    with pytest.raises(TypeError, match=r"TrainablePrior expects a family .* Received: family="):
        priors.TrainablePrior(family)


def test_trainable_prior_holds_the_weights_of_its_family():
    prior = priors.TrainablePrior(families.Normal(3, scale="learned"))
    assert len(prior.trainable_weights) == 2


def test_trainable_prior_learns_the_aggregate_of_the_posteriors():
    """The KL-optimal normal prior has the mean and the total variance of all posteriors."""
    rng = np.random.default_rng(1)
    loc, log_variance = rng.normal(size=(2, 30, 2)).astype("float32")
    loc += 1.0
    q = families.MultivariateNormalDiag(2)([loc, log_variance])
    prior = priors.TrainablePrior(families.MultivariateNormalDiag(2))
    variance = np.mean(np.exp(log_variance), 0) + np.var(loc, 0)
    optimum = np.concatenate([loc.mean(0), np.log(variance)])

    def loss():
        return float(np.mean(kl_divergence(q, prior.distribution())))

    prior.params.assign(optimum)
    best = loss()
    for entry in range(4):
        for step in (-0.05, 0.05):
            other = optimum.copy()
            other[entry] += step
            prior.params.assign(other)
            assert loss() > best


def test_the_prior_of_a_layer_is_saved_with_it():
    prior = priors.TrainablePrior(families.MultivariateNormalDiag(2))
    assert isinstance(prior, keras.layers.Layer)
    assert prior.built
    assert [weight.name for weight in prior.weights] == ["params"]


COVARIANCE = "MixturePrior expects covariance to be one of 'diagonal', 'full'"


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: priors.MixturePrior((), 3), ValueError, "MixturePrior expects event_shape"),
        (lambda: priors.MixturePrior(2, 0), ValueError, "expects num_components to be"),
        (lambda: priors.MixturePrior(2, 3.0), TypeError, "expects num_components to be"),
        (lambda: priors.MixturePrior(2, 3, "diag"), ValueError, COVARIANCE),
        (lambda: priors.VampPrior("4", 3), TypeError, "VampPrior expects pseudo_input_shape"),
        (lambda: priors.VampPrior(4, 0), ValueError, "expects num_components to be"),
        (lambda: priors.SphericalUniform(1), ValueError, "a last axis of at least 2"),
        (lambda: priors.UniformCategorical((3, 1)), ValueError, "a last axis of at least 2"),
        (
            lambda: priors.UniformCategorical("4"),
            TypeError,
            "UniformCategorical expects event_shape",
        ),
        (lambda: priors.SphericalUniform(()), ValueError, "SphericalUniform expects event_shape"),
        (
            lambda: priors.ConditionalPrior(len, families.Normal(2)),
            TypeError,
            "ConditionalPrior expects a Keras model .* Received: network=",
        ),
        (
            lambda: priors.ConditionalPrior(keras.layers.Dense(2), "normal"),
            TypeError,
            "ConditionalPrior expects a family .* Received: family='normal'",
        ),
        (lambda: priors.FlowPrior(0), ValueError, "FlowPrior expects event_shape"),
        (lambda: priors.FlowPrior(2, num_layers=0), ValueError, "expects num_layers to be"),
        (lambda: priors.FlowPrior(2, hidden_units=8), TypeError, "hidden_units to be a tuple"),
        (lambda: priors.FlowPrior(2, hidden_units=(8, 0)), ValueError, "expects hidden_units to"),
    ],
)
def test_arguments_that_cannot_be(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_the_network_of_a_conditional_prior_has_to_fit_its_family():
    prior = priors.ConditionalPrior(keras.layers.Dense(3), families.MultivariateNormalDiag(2))
    with pytest.raises(ValueError, match="MultivariateNormalDiag expects params of shape"):
        prior.distribution(condition=np.zeros((5, 1), "float32"))


def test_the_components_of_a_mixture_start_apart_and_the_same_from_the_same_seed():
    def means(**arguments):
        keras.utils.set_random_seed(4)
        return priors.MixturePrior(3, 4, **arguments).means.numpy()

    np.testing.assert_array_equal(means(), means())
    distances = np.linalg.norm(means()[:, np.newaxis] - means(), axis=-1)
    assert np.min(distances[~np.eye(4, dtype=bool)]) > 0.1
    np.testing.assert_array_equal(means(mean_initializer="ones"), np.ones((4, 3)))


@pytest.mark.parametrize(
    "prior",
    [
        priors.MixturePrior(2, 3, mean_initializer=keras.initializers.RandomUniform(-2, 2, seed=1)),
        priors.VampPrior(2, 3, pseudo_input_initializer=keras.initializers.Constant(0.5)),
        priors.FlowPrior(2, num_layers=2, hidden_units=[3], activation="gelu"),
    ],
    ids=lambda prior: prior.name,
)
def test_arguments_that_are_objects_come_back(prior):
    again = type(prior).from_config(prior.get_config())
    assert again.get_config() == prior.get_config()
    if not isinstance(prior, priors.FlowPrior):
        for a, b in zip(again.get_weights(), prior.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_bounded_pseudo_inputs_come_back_from_outside():
    prior = priors.VampPrior(2, 3, "ones", bounded=True)
    prior.pseudo_inputs.assign([[-1.0, 0.25], [0.0, 1.0], [7.0, 1e6]])
    seen = []

    def encode(x):
        seen.append(x)
        return families.Normal(2)(x)

    with tf.GradientTape() as tape:
        value = prior.distribution(encode=encode).log_prob(tf.constant([0.5, 0.5]))
    np.testing.assert_array_equal(seen[0], [[0.0, 0.25], [0.0, 1.0], [1.0, 1.0]])
    gradient = tape.gradient(value, prior.pseudo_inputs.value).numpy()
    # Towards 0.5 for every entry, and so also for those outside [0, 1].
    np.testing.assert_array_equal(np.sign(gradient), [[1, 1], [1, -1], [-1, -1]])


def test_pseudo_inputs_of_another_shape_than_the_data():
    encode = families.Normal(2)
    with pytest.raises(ValueError, match="VampPrior expects a posterior with one batch axis"):
        priors.VampPrior((5, 2), 3).distribution(encode=encode)


@pytest.mark.parametrize("family", [families.PowerSpherical, families.VonMisesFisher])
@pytest.mark.parametrize("event_shape", [(3,), (2, 3)], ids=str)
def test_spheres_have_a_closed_form_for_the_divergence(family, event_shape):
    p = priors.SphericalUniform(event_shape).distribution()
    family = family(event_shape)
    q = family(np.random.default_rng(1).normal(size=(1, *family.params_shape)).astype("float32"))
    exact = kl_divergence(q, p, method="exact")
    assert exact.shape == (1,)
    z = q.sample(20000, seed=(1, 2))
    log_ratio = q.log_prob(z) - p.log_prob(z)
    # 5 standard errors.
    error = 5 * np.std(log_ratio) / np.sqrt(20000)
    np.testing.assert_allclose(exact, np.mean(log_ratio, 0), atol=error)
