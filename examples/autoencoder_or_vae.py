"""Why variational? A plain autoencoder and a VAE side by side: the same networks and data.

    python examples/autoencoder_or_vae.py         # needs pip install "keras-vae[examples]"

Both compress the digits of scikit-learn to a few latents. The autoencoder (its posterior is a
point, its KL divergence weighs nothing) may put its codes anywhere, and nobody has told its
decoder what to make of the space around them. The VAE pays for each nat by which its codes differ
from the prior, so that they fill it: what is drawn from there, and what lies on the way, decodes
to a digit. Writes `autoencoder_or_vae/autoencoder_or_vae.png`, and prints how far decoded images
are from the nearest real digit.
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
from sklearn.metrics import pairwise_distances

from keras_vae import VAEModel, families, objectives

LATENTS = 8
AUTOENCODER = families.Deterministic(LATENTS), objectives.ELBO(beta=0.0)
VAE = families.MultivariateNormalDiag(LATENTS), objectives.ELBO(beta=1.0)


def dense(units):
    return layers.Dense(units, activation="relu", kernel_initializer="he_normal")


def train(x, epochs, posterior, objective):
    keras.utils.set_random_seed(1)
    outputs = layers.Dense(posterior.params_size)
    encoder = keras.Sequential([keras.Input((64,)), dense(256), dense(256), outputs])
    outputs = layers.Dense(64)
    decoder = keras.Sequential([keras.Input((LATENTS,)), dense(256), dense(256), outputs])
    model = VAEModel(encoder, decoder, posterior, families.Normal(64, scale=0.25), seed=1)
    model.compile(optimizer=keras.optimizers.Adam(2e-3), objective=objective)
    model.fit(x, epochs=epochs, batch_size=64, verbose=0)
    return model


def decoded(model, z):
    return model.decode(z.astype("float32")).mean().numpy()


def distance(images, x):
    """Returns the mean distance from each image to the nearest one of the data."""
    return pairwise_distances(images, x).min(axis=1).mean()


def draw_codes(axis, codes, digits, z):
    """Draws where the codes of the digits lie, and where draws of the prior do."""
    axis.scatter(*z[:, :2].T, color="lightgrey", s=8, label="draws of the prior")
    for digit in range(10):
        axis.scatter(*codes[digits == digit, :2].T, s=5, label=f"codes of {digit}s")
    axis.set(xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), xlabel="latent 0", ylabel="latent 1")
    axis.set_aspect("equal")


def draw_images(axis, images, num_rows, title):
    """Draws images in rows, with a gap between them."""
    images = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)), constant_values=1.0)
    rows = images.reshape(num_rows, -1, 10, 10)
    axis.imshow(np.vstack([np.hstack(row) for row in rows]), cmap="gray", vmin=0, vmax=1)
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()


def draw(path, models, x, digits):
    figure = Figure(figsize=(9, 8.6), layout="constrained")
    axes = figure.subplots(3, 2, height_ratios=(4.2, 1.9, 1.5))
    z = np.random.default_rng(1).normal(size=(1000, LATENTS))
    shares = np.linspace(0, 1, 10)[:, np.newaxis]
    for (top, middle, bottom), (name, model) in zip(axes.T, models.items(), strict=True):
        codes = model.encode(x).mean().numpy()
        draw_codes(top, codes, digits, z)
        top.set_title(name, fontsize=14)
        generated = decoded(model, z)
        draw_images(middle, generated[:40], 4, "generated: decoded draws of the prior")
        walks = np.vstack([(1 - shares) * codes[i] + shares * z[i] for i in range(3)])
        title = "interpolated: from a real digit to a draw of the prior"
        draw_images(bottom, decoded(model, walks), 3, title)
        halfway = decoded(model, (codes[:1000] + z) / 2)
        print(f"{name}: mean distance to the nearest real digit")
        print(f"    {distance(generated, x):.2f} generated, {distance(halfway, x):.2f} halfway")
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=8)
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("autoencoder_or_vae"))
    options = parser.parse_args(arguments)
    x, digits = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    models = {
        "Autoencoder": train(x, options.epochs, *AUTOENCODER),
        "Variational autoencoder": train(x, options.epochs, *VAE),
    }
    options.output.mkdir(parents=True, exist_ok=True)
    draw(options.output / "autoencoder_or_vae.png", models, x, digits)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
