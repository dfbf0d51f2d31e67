"""From noisy to clean: the encoder is shown one image, the decoder must explain another.

    python examples/denoising.py                  # needs pip install "keras-vae[examples]"

`fit(noisy, clean)` gives the encoder noisy digits, and the likelihood the clean ones. Beside it the
same model that was fitted to clean digits alone, which takes noise for a part of the digit.
Writes `denoising/denoising.png`, and prints the errors on digits that neither has seen.
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

from keras_vae import VAEModel, families

LATENTS, NUM_SHOWN = 12, 12


def with_noise(x, seed):
    """Returns the images with strong normal noise, and some of the pixels lost."""
    rng = np.random.default_rng(seed)
    noisy = x + rng.normal(scale=0.35, size=x.shape)
    return np.where(rng.uniform(size=x.shape) < 0.15, 0.0, noisy).astype("float32")


def dense(units):
    return layers.Dense(units, activation="relu", kernel_initializer="he_normal")


def train(x, y, epochs):
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential([keras.Input((64,)), dense(256), layers.Dense(2 * LATENTS)])
    decoder = keras.Sequential([keras.Input((LATENTS,)), dense(256), layers.Dense(64)])
    model = VAEModel(encoder, decoder, likelihood=families.Normal(64, scale=0.2), seed=1)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(x, y, epochs=epochs, batch_size=64, verbose=0)
    return model


def draw(path, rows):
    figure = Figure(figsize=(NUM_SHOWN * 0.8, len(rows) * 0.85), layout="constrained")
    for axis, (name, images) in zip(figure.subplots(len(rows), 1), rows.items(), strict=True):
        images = np.pad(images[:NUM_SHOWN].reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
        axis.imshow(np.hstack(images), cmap="Greys", vmin=0, vmax=1)
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("denoising"))
    options = parser.parse_args(arguments)
    x = np.random.default_rng(0).permutation(load_digits().data.astype("float32") / 16)
    x, test = x[:-300], x[-300:]
    # Each digit with five draws of the noise.
    clean = np.tile(x, (5, 1))
    noisy, test_noisy = with_noise(clean, 1), with_noise(test, 2)
    rows = {"noisy": test_noisy}
    for name, inputs in (("fit(clean)", clean), ("fit(noisy, clean)", noisy)):
        rows[name] = train(inputs, clean, options.epochs // 4 + 1).predict(test_noisy, verbose=0)
    rows["truth"] = test
    for name, images in rows.items():
        print(f"{name:18} root mean squared error {np.sqrt(np.mean((images - test) ** 2)):.3f}")
    options.output.mkdir(parents=True, exist_ok=True)
    draw(options.output / "denoising.png", rows)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
