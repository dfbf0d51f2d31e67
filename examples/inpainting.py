"""What is missing? Digits of which a half is gone, filled in several ways.

    python examples/inpainting.py                 # needs pip install "keras-vae[examples]"

A VAE is trained on digits of which most miss a half (NaN), which leaves the likelihood. Of digits
that it has not seen `tasks.impute` fills the missing half, given the other one: with the best
guess, the mean, which is blurred where there is doubt, and with draws, each of which might have
been the truth. They differ where the rest leaves a choice. Writes `inpainting/inpainting.png`,
and prints the errors beside those of simpler ways.
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
from sklearn.impute import KNNImputer

from keras_vae import VAEModel, families, objectives, tasks

LATENTS, NUM_DRAWS, NUM_SHOWN = 10, 4, 12


def take_away(x, halves):
    """Returns the images without one half each, of 0: lower, 1: right, 2: upper, 3: left."""
    row, column = np.indices((8, 8))
    masks = np.array([row >= 4, column >= 4, row < 4, column < 4])
    return np.where(masks[halves % 4], np.nan, x)


def load_data():
    """Returns 1497 digits to train on and 300 to test with, (N, 8, 8) in [0, 1]."""
    x = np.random.default_rng(0).permutation(load_digits().images.astype("float32") / 16)
    return x[:-300], x[-300:]


def dense(units):
    return layers.Dense(units, activation="relu", kernel_initializer="he_normal")


def train(x, epochs):
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), dense(256)])
    encoder.add(layers.Dense(2 * LATENTS))
    decoder = keras.Sequential([keras.Input((LATENTS,)), dense(256), layers.Dense(64)])
    decoder.add(layers.Reshape((8, 8)))
    model = VAEModel(encoder, decoder, likelihood=families.Normal((8, 8), scale=0.15), seed=1)
    # Many latents an example, of which those that fit what is there count: MIWAE.
    model.compile(keras.optimizers.Adam(2e-3), objectives.IWAE(10))
    model.fit(x, epochs=epochs, batch_size=128, verbose=0)
    return model


def error(filled, x, missing):
    return np.sqrt(np.mean(np.square(filled - x)[missing]))


def draw(path, rows):
    """Draws a row of digits under each name; what is missing is blue."""
    figure = Figure(figsize=(NUM_SHOWN * 0.68 + 1, len(rows) * 0.7), layout="constrained")
    axes = figure.subplots(len(rows), 1)
    for axis, (name, images) in zip(axes, rows.items(), strict=True):
        gap = ((0, 0), (1, 1), (1, 1))
        strip = np.hstack(np.pad(images[:NUM_SHOWN], gap, constant_values=1.0))
        colors = np.repeat(np.clip(strip, 0, 1)[..., np.newaxis], 3, axis=-1)
        colors[np.isnan(strip)] = (0.35, 0.5, 0.8)
        axis.imshow(colors)
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("inpainting"))
    options = parser.parse_args(arguments)
    x_train, x = load_data()
    halves = np.random.default_rng(1).integers(4, size=(3, len(x_train)))
    incomplete = [take_away(x_train, half) for half in halves]
    model = train(np.concatenate([x_train, *incomplete]), options.epochs)
    holes = take_away(x, np.arange(len(x)) % 2)
    missing = np.isnan(holes)
    guess = tasks.impute(model, holes, num_samples=3000, seed=1, verbose=1)
    draws = tasks.impute(model, holes, num_samples=3000, multiple=NUM_DRAWS, seed=1)
    mean = np.where(missing, np.nanmean(x_train, axis=0), holes)
    flat = np.concatenate([x_train, holes]).reshape(-1, 64)
    neighbours = KNNImputer(n_neighbors=5).fit_transform(flat)[-len(x) :].reshape(x.shape)
    print("root mean squared error of the missing pixels:")
    for name, filled in (
        ("mean of the pixel", mean),
        ("5 nearest neighbours", neighbours),
        ("impute, best guess", guess),
        ("impute, one draw", draws[0]),
    ):
        print(f"    {name:22}{error(filled, x, missing):.3f}")
    rows = {"seen": holes, "best guess": guess}
    rows |= {f"draw {i + 1}": drawn for i, drawn in enumerate(draws)}
    options.output.mkdir(parents=True, exist_ok=True)
    draw(options.output / "inpainting.png", rows | {"truth": x})
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
