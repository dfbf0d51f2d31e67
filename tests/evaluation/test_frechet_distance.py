"""The Frechet distance against its closed forms."""

import keras
import numpy as np
import pytest

from keras_vae import evaluation

GENERATOR = np.random.default_rng(5)


def with_moments(mean, covariance, size=50):
    """Returns examples whose sample mean and covariance are exactly these."""
    x = GENERATOR.normal(size=(size, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(x, rowvar=False)))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values)) @ vectors.T


def random_covariance(size):
    factor = GENERATOR.normal(size=(size, size))
    return factor @ factor.T + 0.1 * np.eye(size)


def test_the_formula():
    mean_a, mean_b = GENERATOR.normal(size=(2, 4))
    a, b = random_covariance(4), random_covariance(4)
    cross = np.trace(root(root(a) @ b @ root(a)))
    expected = np.sum((mean_a - mean_b) ** 2) + np.trace(a) + np.trace(b) - 2 * cross
    examples = with_moments(mean_a, a), with_moments(mean_b, b, size=70)
    assert evaluation.frechet_distance(*examples) == pytest.approx(expected, rel=1e-9)
    assert evaluation.frechet_distance(*examples[::-1]) == pytest.approx(expected, rel=1e-9)


def test_one_dimension():
    # (m_a - m_b)^2 + (s_a - s_b)^2.
    a, b = with_moments([1.0], np.array([[4.0]])), with_moments([-2.0], np.array([[9.0]]))
    assert evaluation.frechet_distance(a, b) == pytest.approx(9.0 + 1.0)


def test_equal_data_have_no_distance():
    # Fewer examples than features: a covariance without full rank.
    x = GENERATOR.normal(size=(5, 8))
    assert evaluation.frechet_distance(x, x[::-1]) == pytest.approx(0.0, abs=1e-12)


def test_the_features_of_a_network_are_compared():
    x = GENERATOR.normal(size=(40, 3, 2)).astype("float32")
    network = keras.Sequential([keras.Input((3, 2)), keras.layers.Flatten(), keras.layers.Dense(2)])
    kernel, _ = network.get_weights()
    y = x + np.float32(1.0)
    moved = np.sum(kernel.sum(axis=0, dtype="float64") ** 2)
    distance = evaluation.frechet_distance(x, y, network, batch_size=7)
    assert distance == pytest.approx(moved, rel=1e-4)
    assert evaluation.frechet_distance(x, y, lambda batch: batch[:, 0]) == pytest.approx(2.0)


def test_arguments_are_checked():
    x = np.ones((3, 2))
    for a, b, message in (
        (x[:1], x, "at least two examples. Received: a of length 1"),
        (x, x[:0], "at least two examples. Received: b of length 0"),
        (x, x * np.nan, "finite features. Received: b with NaN or infinity"),
        (x, x[:, :1], "one number of features. Received: a with 2 and b with 1"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluation.frechet_distance(a, b)
    with pytest.raises(ValueError, match="batch_size to be an integer of at least 1"):
        evaluation.frechet_distance(x, x, batch_size=0)
