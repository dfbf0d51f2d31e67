"""The same VAE with keras_vae: the networks stay, the sampling and the train_step go."""

import keras
from keras import layers

from keras_vae import VAEModel


def build():
    """Returns the model for pictures of 8 x 8 pixels, with 2 latents."""
    inputs = keras.Input((8, 8, 1))
    hidden = layers.Conv2D(8, 3, activation="relu", strides=2, padding="same")(inputs)
    hidden = layers.Dense(16, activation="relu")(layers.Flatten()(hidden))
    z_mean = layers.Dense(2, name="z_mean")(hidden)
    z_log_var = layers.Dense(2, name="z_log_var")(hidden)
    encoder = keras.Model(inputs, layers.Concatenate()([z_mean, z_log_var]))

    latents = keras.Input((2,))
    hidden = layers.Reshape((4, 4, 8))(layers.Dense(4 * 4 * 8, activation="relu")(latents))
    logits = layers.Conv2DTranspose(1, 3, strides=2, padding="same")
    decoder = keras.Model(latents, logits(hidden))

    vae = VAEModel(encoder, decoder, likelihood="bernoulli")
    vae.compile(keras.optimizers.Adam())
    return vae
