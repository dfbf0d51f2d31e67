"""What belongs to one prior alone."""

import keras
import numpy as np
import pytest

from keras_vae import families, priors
from keras_vae.divergences import kl_divergence


@pytest.mark.parametrize(
    ("event_shape", "error"),
    [("3", TypeError), (2.0, TypeError), ((), ValueError), (0, ValueError)],
)
def test_standard_normal_event_shape(event_shape, error):
    with pytest.raises(error, match=r"StandardNormal expects an event_shape .* Received"):
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
