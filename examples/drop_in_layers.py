"""A VAE from layers alone: a functional Keras model as in every tutorial, made variational.

    python examples/drop_in_layers.py             # needs pip install "keras-vae[examples]"

Two layers turn an autoencoder into a variational one: `KLDivergenceRegularizer` adds the KL
divergence to the loss, `Sampling` draws the latents. The rest is plain Keras: `compile`, `fit`,
`save`. The loss sums over pixels like the divergence over latents, so that the two are in
proportion. Writes `drop_in_layers/model.keras`, loads it again, and draws in
`drop_in_layers/drop_in_layers.png` what the decoder makes of a walk between two digits.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from keras_vae import KLAnnealing, KLDivergenceRegularizer, Sampling, schedules
from keras_vae.families import Bernoulli
from keras_vae.losses import NegativeLogLikelihood


def load_data():
    """Returns binary digits, (N, 64), to train on and to test with."""
    x = (load_digits().data > 7).astype("float32")
    x = np.random.default_rng(0).permutation(x)
    return x[:-300], x[-300:]


def build_models(num_latents=6):
    x = keras.Input((64,))
    hidden = layers.Dense(256, activation="relu")(x)
    hidden = layers.Dense(128, activation="relu")(hidden)
    z_mean = layers.Dense(num_latents, name="z_mean")(hidden)
    z_log_var = layers.Dense(num_latents, name="z_log_var")(hidden)
    z_mean, z_log_var = KLDivergenceRegularizer()([z_mean, z_log_var])
    z = Sampling()([z_mean, z_log_var])
    encoder = keras.Model(x, [z_mean, z_log_var, z], name="encoder")

    latent = keras.Input((num_latents,))
    hidden = layers.Dense(128, activation="relu")(latent)
    hidden = layers.Dense(256, activation="relu")(hidden)
    decoder = keras.Model(latent, layers.Dense(64, name="logits")(hidden), name="decoder")
    # The encoder is a nested model: the annealing finds the regularizer inside it.
    return keras.Model(x, decoder(encoder(x)[2]), name="vae")


def probabilities(decoder, z):
    return keras.ops.convert_to_numpy(keras.ops.sigmoid(decoder(z)))


def draw(path, encoder, decoder, x):
    """Draws a walk through the latents from each digit on the left to the one on the right."""
    pairs = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]
    z_mean = keras.ops.convert_to_numpy(encoder(x)[0])
    shares = np.linspace(0, 1, 10)[:, np.newaxis]
    figure = Figure(figsize=(9, 4.1), layout="constrained")
    axes = figure.subplots(len(pairs), 12)
    for row, (left, right) in zip(axes, pairs, strict=True):
        walk = probabilities(decoder, (1 - shares) * z_mean[left] + shares * z_mean[right])
        for axis, image in zip(row, [x[left], *walk, x[right]], strict=True):
            axis.imshow(image.reshape(8, 8), cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
    axes[0, 0].set_title("data", fontsize=9)
    axes[0, 11].set_title("data", fontsize=9)
    axes[0, 1].set_title("decoded", fontsize=9)
    axes[0, 10].set_title("decoded", fontsize=9)
    figure.suptitle("From one unseen digit to another, on a straight line between their latents")
    figure.savefig(path, dpi=100)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("drop_in_layers"))
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    train, test = load_data()

    vae = build_models()
    vae.compile(optimizer=keras.optimizers.Adam(2e-3), loss=NegativeLogLikelihood(Bernoulli(64)))
    annealing = KLAnnealing(schedules.linear(0.0, 1.0, duration=0.25), unit="run")
    vae.fit(
        train,
        train,
        validation_data=(test, test),
        epochs=options.epochs,
        batch_size=64,
        verbose=2,
        callbacks=[annealing],
    )
    result = vae.evaluate(test, test, verbose=0, return_dict=True)
    print(f"test loss = -ELBO    {result['loss']:.2f} nats a digit")
    print(f"of it KL divergence  {result['kl_divergence']:.2f} nats a digit")

    options.output.mkdir(parents=True, exist_ok=True)
    vae.save(options.output / "model.keras")
    loaded = keras.saving.load_model(options.output / "model.keras")
    encoder, decoder = loaded.get_layer("encoder"), loaded.get_layer("decoder")
    before, after = (np.asarray(m.get_layer("encoder")(test)[0]) for m in (vae, loaded))
    print(f"loaded = saved       largest difference {np.max(np.abs(before - after)):.1e}")
    draw(options.output / "drop_in_layers.png", encoder, decoder, test)
    print(f"written to           {options.output}/")


if __name__ == "__main__":
    main()
