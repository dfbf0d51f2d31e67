"""What a traversal shows: numbers, before any picture."""

import math
import re
import statistics

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae import VAEModel, families, priors
from keras_vae.callbacks._traversal import traverse
from keras_vae.priors import Prior, TrainablePrior

tfd = tfp.distributions
QUANTILES = np.array([0.1, 0.5, 0.9])
Z = np.array([statistics.NormalDist().inv_cdf(quantile) for quantile in QUANTILES])
# Data of plus and minus one in every entry: latent i has the mean SLOPES[i] * x[i].
X = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], "float32")
SLOPES = np.array([0.5, 2.0, 1.0])


def linear_model(latent=(3,), likelihood=(3,), **arguments):
    """Means SLOPES * x, standard deviations 1; the decoder returns z times 1, 10 and 100."""
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(6)])
    encoder.layers[0].set_weights([np.hstack([np.diag(SLOPES), np.zeros((3, 3))]), np.zeros(6)])
    decoder = keras.Sequential(
        [keras.Input(latent), keras.layers.Flatten(), keras.layers.Dense(3)]
        + [keras.layers.Reshape(likelihood)]
    )
    decoder.layers[1].set_weights([np.diag([1.0, 10.0, 100.0]), np.zeros(3)])
    return VAEModel(encoder, decoder, likelihood=families.Normal(likelihood), **arguments)


class GivenPrior(Prior):
    """Any distribution as a prior; with a condition, one that is shifted by it."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def distribution(self, *, encode=None, condition=None):
        del encode
        return self.make(condition)


def test_ranks_latents_by_their_mean_divergence():
    traversal = traverse(linear_model(), X, None, QUANTILES)
    assert traversal.dims.tolist() == [1, 2, 0]
    # KL(N(m, 1) || N(0, 1)) = m^2 / 2.
    assert traversal.kl == pytest.approx([2.0, 0.5, 0.125], rel=1e-6)


def test_the_divergences_add_up_to_the_exact_one():
    prior = TrainablePrior(families.MultivariateNormalDiag(3))
    prior.params.assign([0.3, -0.2, 1.0, 0.5, -0.5, 0.1])
    model = linear_model(prior=prior)
    exact = model.encode(X).kl_divergence(prior.distribution()).numpy().mean()
    assert traverse(model, X, None, QUANTILES).kl.sum() == pytest.approx(exact, rel=1e-5)


def test_ranks_on_all_examples_but_starts_from_the_first_two():
    # More than one batch, with the information of latent 0 in the last one alone.
    x = np.zeros((300, 3), "float32")
    x[290:, 0] = 50.0
    traversal = traverse(linear_model(), x, 1, QUANTILES)
    assert traversal.dims.tolist() == [0]
    assert traversal.kl == pytest.approx([0.5 * 25.0**2 / 30])
    assert traversal.means.shape == (2, 1, 3, 3)


def test_one_example_is_enough():
    assert traverse(linear_model(), X[:1], None, QUANTILES).means.shape == (1, 3, 3, 3)


def test_columns_are_decoded_at_the_quantiles_of_the_prior():
    model = linear_model()
    traversal = traverse(model, X, [2, 0], QUANTILES)
    assert traversal.dims.tolist() == [2, 0]
    for example in range(2):
        for row, dim in enumerate([2, 0]):
            for column in range(3):
                z = SLOPES * X[example]
                z[dim] = Z[column]
                expected = model.decode(z[np.newaxis].astype("float32")).mean()[0]
                assert traversal.means[example, row, column] == pytest.approx(expected, rel=1e-5)


def test_without_examples_starts_from_the_mean_and_ranks_by_effect():
    prior = TrainablePrior(families.MultivariateNormalDiag(3))
    prior.params.assign([1.0, 2.0, 3.0, 0.0, math.log(4.0), 0.0])
    traversal = traverse(linear_model(prior=prior), None, 2, QUANTILES)
    assert traversal.kl is None
    # The decoder multiplies latent 2 by 100 and latent 1 by 10.
    assert traversal.dims.tolist() == [2, 1]
    expected = np.tile([1.0, 20.0, 300.0], (3, 1))
    expected[:, 1] = 10 * (2.0 + 2.0 * Z)
    assert traversal.means[0, 1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("dims", "expected"), [(None, 3), (2, 2), (10, 3), ([1], 1)])
def test_shows_as_many_latents_as_are_asked_for(dims, expected):
    assert traverse(linear_model(), X, dims, QUANTILES).means.shape[1] == expected
    assert traverse(linear_model(), None, dims, QUANTILES).means.shape[1] == expected


def test_latents_with_several_axes_are_flattened():
    family = families.MultivariateNormalDiag((1, 3))
    model = linear_model(latent=(1, 3), posterior=family)
    traversal = traverse(model, X, None, QUANTILES)
    assert traversal.dims.tolist() == [1, 2, 0]
    assert traversal.means[0, 0, :, 1] == pytest.approx(10 * Z, rel=1e-5)


def test_data_keeps_its_shape():
    assert traverse(linear_model(likelihood=(3, 1)), X, 2, QUANTILES).means.shape[3:] == (3, 1)


def test_priors_that_are_not_normal_are_sampled():
    prior = GivenPrior(lambda condition: tfd.Independent(tfd.Laplace(tf.zeros(3), 1.0), 1))
    traversal = traverse(linear_model(prior=prior), X, [0], QUANTILES)
    expected = math.log(2 * 0.1) * np.array([1.0, 0.0, -1.0])
    assert traversal.means[0, 0, :, 0] == pytest.approx(expected, abs=0.15)


def test_priors_with_a_condition_have_quantiles_of_their_own():
    z, condition = keras.Input((3,)), keras.Input((3,))
    data = keras.Input((3,))
    encoder = keras.Model(
        [data, condition], keras.layers.Concatenate()([data, keras.ops.zeros_like(condition)])
    )
    decoder = keras.Model([z, condition], keras.layers.Add()([z, condition]))
    prior = GivenPrior(lambda condition: tfd.MultivariateNormalDiag(condition, tf.ones(3)))
    model = VAEModel(encoder, decoder, prior=prior)
    c = np.arange(24, dtype="float32").reshape(8, 3)
    traversal = traverse(model, {"x": X, "condition": c}, [2], QUANTILES)
    for example in range(2):
        # The mean of the prior is the condition, and the decoder adds the condition once more.
        expected = 2 * c[example, 2] + Z
        assert traversal.means[example, 0, :, 2] == pytest.approx(expected, rel=1e-5)
    assert traversal.kl == pytest.approx(np.mean(0.5 * (X - c)[:, 2] ** 2), rel=1e-5)


def test_points_are_ranked_by_their_distance():
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    encoder.layers[0].set_weights([np.diag(SLOPES), np.zeros(3)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, posterior=families.Deterministic(3))
    traversal = traverse(model, X, None, QUANTILES)
    assert traversal.dims.tolist() == [1, 2, 0]
    assert traversal.kl == pytest.approx([2.0, 0.5, 0.125], rel=1e-6)


def one_hot_model(prior=None):
    """Two variables of three classes; the decoder returns its 6 entries times 1 to 32."""
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(6)])
    kernel = np.zeros((3, 6))
    kernel[0, :3], kernel[1, 3:] = [1.0, 0.0, 0.0], [0.0, 0.0, 3.0]
    encoder.layers[0].set_weights([kernel, np.array([0.0, 0.5, 0.0, 0.0, 0.0, 0.0])])
    decoder = keras.Sequential([keras.Input((2, 3)), keras.layers.Flatten(), keras.layers.Dense(6)])
    decoder.layers[1].set_weights([np.diag(2.0 ** np.arange(6)), np.zeros(6)])
    family = families.RelaxedOneHotCategorical((2, 3))
    return VAEModel(encoder, decoder, family, prior=prior or priors.UniformCategorical((2, 3)))


def test_one_hot_latents_are_moved_over_their_classes():
    traversal = traverse(one_hot_model(), X, None, QUANTILES)
    assert traversal.quantiles is None
    logits = np.zeros((8, 2, 3))
    logits[:, 0, 0], logits[:, 0, 1], logits[:, 1, 2] = X[:, 0], 0.5, 3 * X[:, 1]
    pi = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    kl = np.sum(pi * np.log(3 * pi), axis=-1).mean(axis=0)
    # The second variable says more about the data.
    assert traversal.dims.tolist() == [1, 0]
    assert traversal.kl == pytest.approx(kl[[1, 0]], rel=1e-5)
    assert traversal.means.shape == (2, 2, 3, 6)
    for example in range(2):
        for row, variable in enumerate([1, 0]):
            for column in range(3):
                # The other variable keeps the most probable class of the example.
                z = np.eye(3)[pi[example].argmax(axis=-1)]
                z[variable] = np.eye(3)[column]
                expected = z.ravel() * 2.0 ** np.arange(6)
                np.testing.assert_array_equal(traversal.means[example, row, column], expected)


def test_one_hot_latents_start_without_examples_from_the_prior():
    prior = TrainablePrior(families.RelaxedOneHotCategorical((2, 3)))
    prior.params.assign([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    traversal = traverse(one_hot_model(prior), None, [0, 1], QUANTILES)
    np.testing.assert_array_equal(traversal.means[0, 0, 1], [0, 2, 0, 0, 16, 0])
    np.testing.assert_array_equal(traversal.means[0, 1, 2], [0, 0, 4, 0, 0, 32])
    # The decoder multiplies the classes of variable 1 by more.
    assert traverse(one_hot_model(), None, 1, QUANTILES).dims.tolist() == [1]
    with pytest.raises(ValueError, match=r"number of latents, 2\. Received: dims with"):
        traverse(one_hot_model(), X, [2], QUANTILES)


@pytest.mark.parametrize("x", [X, None])
def test_a_latent_that_is_not_there_is_an_error(x):
    message = (
        "LatentTraversal expects dims below the number of latents, 3. Received: dims with [3, 7]. "
        "The first latent is 0, the last one 2."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        traverse(linear_model(), x, [0, 3, 7], QUANTILES)
