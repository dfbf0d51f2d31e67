"""The discrepancy against a loop in numpy, and what it tells apart."""

import math

import numpy as np
import pytest

from keras_vae.divergences import maximum_mean_discrepancy

WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def kernel_in_numpy(name, a, b):
    distance = np.sum((a - b) ** 2)
    widths = [2 * width * len(a) for width in WIDTHS]
    if name == "gaussian":
        return sum(math.exp(-distance / width) for width in widths)
    return sum(width / (width + distance) for width in widths)


@pytest.mark.parametrize("name", ["gaussian", "inverse_multiquadratic"])
def test_value_against_a_loop(name):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)) + 0.5
    within_a = np.mean([kernel_in_numpy(name, x, y) for x in a for y in a if x is not y])
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    within_a = np.mean([kernel_in_numpy(name, a[i], a[j]) for i, j in pairs])
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    within_b = np.mean([kernel_in_numpy(name, b[i], b[j]) for i, j in pairs])
    across = np.mean([kernel_in_numpy(name, x, y) for x in a for y in b])
    expected = within_a - 2 * across + within_b
    np.testing.assert_allclose(maximum_mean_discrepancy(a, b, name), expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["gaussian", "inverse_multiquadratic"])
def test_it_is_zero_on_average_for_one_distribution_and_positive_for_two(name):
    rng = np.random.default_rng(2)

    def estimates(shift):
        draws = [(rng.normal(size=(64, 2)), rng.normal(size=(64, 2)) + shift) for _ in range(50)]
        values = [float(maximum_mean_discrepancy(a, b, name)) for a, b in draws]
        return np.mean(values), np.std(values) / math.sqrt(len(values))

    same, error = estimates(0.0)
    assert abs(same) < 4 * error
    different, error = estimates(1.0)
    assert different > 10 * error


def test_a_kernel_of_ones_own():
    a, b = np.zeros((3, 2)), np.ones((3, 2))
    # k = -distance: 2 times the mean distance between the two samples.
    value = maximum_mean_discrepancy(a, b, lambda distances, size: -distances)
    assert float(value) == pytest.approx(4.0)


@pytest.mark.parametrize("kernel", ["box", 3])
def test_errors(kernel):
    with pytest.raises(ValueError, match=r"expects a kernel .* Received: kernel="):
        maximum_mean_discrepancy(np.zeros((2, 1)), np.ones((2, 1)), kernel)
