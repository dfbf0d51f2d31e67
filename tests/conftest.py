"""What every test shares."""

import keras
import pytest


@pytest.fixture(autouse=True)
def seed():
    """The same weights and data in every run of a test."""
    keras.utils.set_random_seed(1)
