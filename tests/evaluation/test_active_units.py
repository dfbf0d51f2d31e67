"""Latents that move with the data."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, evaluation


@pytest.fixture
def model():
    """The means of its three latents are 0, a tenth of the first and all of the second entry."""
    encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    kernel = np.zeros((2, 6))
    kernel[0, 1], kernel[1, 2] = 0.1, 1.0
    encoder.set_weights([kernel, np.array([5.0, 0, 0, 0, 0, 0])])
    return VAEModel(encoder, decoder)


def test_the_variance_of_the_mean_decides(model):
    # Both entries have the variance 1, so the latents 0, 0.01 and 1.
    x = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    for threshold, expected in (
        (0.005, [False, True, True]),
        (0.02, [False, False, True]),
        (2.0, [False, False, False]),
    ):
        for batch_size in (1, 3, 256):
            active = evaluation.active_units(model, x, threshold, batch_size=batch_size)
            np.testing.assert_array_equal(active, expected)
    assert evaluation.active_units(model, x).dtype == bool


def test_arguments_are_checked(model):
    x = np.zeros((2, 2))
    with pytest.raises(ValueError, match="threshold to be a finite number of at least 0"):
        evaluation.active_units(model, x, -1.0)
    with pytest.raises(ValueError, match="batch_size to be an integer of at least 1"):
        evaluation.active_units(model, x, batch_size=0)
    with pytest.raises(ValueError, match="expects at least one example"):
        evaluation.active_units(model, x[:0])
