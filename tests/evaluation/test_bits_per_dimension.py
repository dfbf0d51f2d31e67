"""Nats of an example to bits of an entry."""

import numpy as np
import pytest

from keras_vae import evaluation, families


def test_a_fair_coin_an_entry_is_one_bit():
    log_prob = families.Bernoulli(12)(np.zeros((3, 12))).log_prob(np.ones((3, 12)))
    np.testing.assert_allclose(evaluation.bits_per_dimension(log_prob, (3, 4)), 1.0, rtol=1e-6)


def test_the_uniform_density_of_scaled_pixels_is_eight_bits():
    # Pixels k / 256 plus noise: the uniform density on [0, 1) knows nothing about them.
    assert evaluation.bits_per_dimension(0.0, 784, bin_width=1 / 256) == pytest.approx(8.0)
    # The same pixels in units of their own.
    density = -784 * np.log(256.0)
    assert evaluation.bits_per_dimension(density, 784) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0.0, 0), ValueError, "event_shape"),
        ((0.0, 3, 0.0), ValueError, "bits_per_dimension expects a bin_width above 0"),
        ((0.0, 3, -1.0), ValueError, "bin_width to be a finite number of at least 0"),
        ((0.0, 3, "1"), TypeError, "bin_width to be a finite number"),
    ],
)
def test_arguments_are_checked(arguments, error, message):
    with pytest.raises(error, match=message):
        evaluation.bits_per_dimension(*arguments)
