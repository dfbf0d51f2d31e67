"""What every test shares."""

import keras
import pytest
from linear_gaussian import LinearGaussian


@pytest.fixture(autouse=True)
def seed():
    """The same weights and data in every run of a test."""
    keras.utils.set_random_seed(1)


@pytest.fixture(scope="module")
def linear():
    """A model whose evidence is known in closed form."""
    return LinearGaussian()
