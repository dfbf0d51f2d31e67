"""More of it, less of it: a direction in the latents that makes digits bolder.

    python examples/attributes.py                 # needs pip install "keras-vae[examples]"

Half of the digits of each kind have more ink than the other half. The codes of the one, on
average, minus those of the other are a direction; digits that move along it get bolder or thinner
and remain the digits that they were. That holds as the difference is taken within each kind
(`groups`): some kinds have more ink than others, and a difference over all digits would take a digit
to another kind. Writes `attributes/attributes.png`, and prints how often the digit stays.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers

from keras_vae import VAEModel, families

LATENTS, STRENGTHS = 8, (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


def dense(units):
    return layers.Dense(units, activation="relu", kernel_initializer="he_normal")


def train(x, epochs):
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential([keras.Input((64,)), dense(256), layers.Dense(2 * LATENTS)])
    decoder = keras.Sequential([keras.Input((LATENTS,)), dense(256), layers.Dense(64)])
    model = VAEModel(encoder, decoder, likelihood=families.Normal(64, scale=0.25), seed=1)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(x, epochs=epochs, batch_size=64, verbose=0)
    return model


def bolder_half(x, digits):
    """Returns which digits have more ink than the median of their kind, and all medians."""
    ink = x.sum(axis=1)
    return ink > np.array([np.median(ink[digits == digit]) for digit in range(10)])[digits]
