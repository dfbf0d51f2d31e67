"""The same VAE with keras_vae, on Keras 3."""

import keras
import numpy as np
from keras import layers

from keras_vae import VAEModel


def build():
    """Returns the model for pictures of 8 x 8 pixels, with 2 latents."""
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dense(2 * 2),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(16, activation="relu"),
            layers.Dense(64),
            layers.Reshape((8, 8, 1)),
        ]
    )
    return VAEModel(encoder, decoder, likelihood="bernoulli")


def train(model, x):
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(x, epochs=50, batch_size=8)


def carry_over(state, model):
    """Gives the model the weights of pythae: `state` is its `state_dict()`, of numpy arrays."""

    def dense(*names):
        # Torch keeps (outputs, inputs), Keras (inputs, outputs); mean and log-variance are one
        # layer here.
        kernels = [state[f"{name}.weight"].T for name in names]
        biases = [state[f"{name}.bias"] for name in names]
        return [np.concatenate(kernels, axis=-1), np.concatenate(biases)]

    latents = dense("encoder.embedding", "encoder.log_var")
    model.encoder.set_weights([*dense("encoder.hidden"), *latents])
    model.decoder.set_weights([*dense("decoder.hidden"), *dense("decoder.pixels")])
