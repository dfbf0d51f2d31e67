"""The models that the benchmarks share, as networks without any training."""

import keras


def mlp_encoder(num_pixels=784, hidden=(512, 256), num_latents=20):
    """Returns the encoder: pixels to [mean, log-variance]."""
    dense = [keras.layers.Dense(units, activation="relu") for units in hidden]
    return keras.Sequential(
        [keras.Input((num_pixels,)), *dense, keras.layers.Dense(2 * num_latents)]
    )


def mlp_decoder(num_pixels=784, hidden=(256, 512), num_latents=20):
    """Returns the decoder: latents to the logits of the pixels."""
    dense = [keras.layers.Dense(units, activation="relu") for units in hidden]
    return keras.Sequential([keras.Input((num_latents,)), *dense, keras.layers.Dense(num_pixels)])
