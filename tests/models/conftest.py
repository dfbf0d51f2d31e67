"""Small models for the tests of `VAEModel`."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, families

FEATURES, LATENT = 4, 2


@pytest.fixture
def build():
    """Returns a function that builds a small VAEModel; its keywords go to `VAEModel`.

    `weights_seed` fixes the weights, so that two calls give the same model.
    """

    def build(
        features=FEATURES, latent=LATENT, condition=0, weights_seed=7, layer=None, **arguments
    ):
        arguments.setdefault("posterior", families.Deterministic(latent))
        arguments.setdefault("likelihood", families.Normal(features))
        arguments.setdefault("seed", 1)
        layer = layer or {}

        def network(inputs, outputs, seed):
            first, *more = entries = [keras.Input((size,)) for size in inputs if size]
            hidden = keras.layers.Concatenate()(entries) if more else first
            for size, activation in ((5, "tanh"), (outputs, None)):
                hidden = keras.layers.Dense(
                    size,
                    activation,
                    kernel_initializer=keras.initializers.GlorotUniform(seed + size),
                    bias_initializer=keras.initializers.RandomNormal(0.0, 0.1, seed + 50 + size),
                    **layer,
                )(hidden)
            return keras.Model(entries if more else first, hidden)

        return VAEModel(
            network((features, condition), arguments["posterior"].params_size, weights_seed),
            network((latent, condition), arguments["likelihood"].params_size, weights_seed + 100),
            **arguments,
        )

    return build


@pytest.fixture
def data():
    """Standard normal data, `(12, 4)`, float32."""
    return np.random.default_rng(0).normal(size=(12, FEATURES)).astype("float32")


@pytest.fixture
def values():
    """Returns a function that copies the values of variables into one dictionary by path."""

    def values(variables):
        return {variable.path: variable.numpy() for variable in variables}

    return values


@pytest.fixture
def assert_same():
    """Returns a function that compares two lists of arrays, exactly or within a tolerance."""

    def assert_same(a, b, rtol=0.0, atol=0.0):
        a, b = list(a), list(b)
        assert len(a) == len(b)
        assert a
        for left, right in zip(a, b, strict=True):
            np.testing.assert_allclose(np.asarray(left), np.asarray(right), rtol=rtol, atol=atol)

    return assert_same
