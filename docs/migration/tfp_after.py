"""The same VAE with keras_vae, on Keras 3; its distributions are those of TFP still."""

import keras
from keras import layers

from keras_vae import VAEModel, families, priors


def build():
    """Returns the model for pictures of 8 x 8 pixels, with 2 latents."""
    posterior, likelihood = families.MultivariateNormalDiag(2), families.Bernoulli((8, 8, 1))
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dense(posterior.params_size),
        ]
    )
    decoder = keras.Sequential(
        [keras.Input((2,)), layers.Dense(16, activation="relu"), layers.Dense(64)]
    )
    vae = VAEModel(encoder, decoder, posterior, likelihood, priors.StandardNormal(2))
    vae.compile(keras.optimizers.Adam())
    return vae
