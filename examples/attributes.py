"""More of it, less of it: a direction in the latents that makes digits bolder.

    python examples/attributes.py                 # needs pip install "keras-vae[examples]"

The codes of digits with much ink, on average, minus those of the others are a direction; digits
that move along it get bolder or thinner. But some kinds have more ink than others: a difference
over all digits takes a digit to another kind on the way. One that is taken within each kind
(`groups`) leaves a digit more of what it was. Writes `attributes/attributes.png`, and prints how
often the digit stays.
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
from sklearn.neighbors import KNeighborsClassifier

from keras_vae import VAEModel, families, tasks

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


def draw(path, model, x, vectors):
    """Draws digits, one a column, bolder from row to row, for each vector."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axis, (title, vector) in zip(figure.subplots(1, 2), vectors.items(), strict=True):
        rows = [tasks.add_attribute(model, x, vector, strength) for strength in STRENGTHS]
        rows = np.array(rows).reshape(len(STRENGTHS), -1, 8, 8)
        rows = np.pad(rows, ((0, 0), (0, 0), (1, 1), (1, 1)))
        axis.imshow(np.vstack([np.hstack(row) for row in rows]), cmap="Greys", vmin=0, vmax=1)
        axis.set_yticks(np.arange(len(STRENGTHS)) * 10 + 5, [f"{s:+g}" for s in STRENGTHS])
        axis.set(ylabel="strength", xticks=[])
        axis.set_title(title, fontsize=11)
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("attributes"))
    options = parser.parse_args(arguments)
    x, digits = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    model = train(x, options.epochs)
    ink = x.sum(axis=1)
    medians = np.array([np.median(ink[digits == digit]) for digit in range(10)])
    vectors = {
        "more ink than others": tasks.attribute_vector(model, x, ink > np.median(ink)),
        "more ink than others of their kind": tasks.attribute_vector(
            model, x, ink > medians[digits], groups=digits
        ),
    }
    classifier = KNeighborsClassifier(5).fit(x, digits)
    for name, vector in vectors.items():
        print(f"{name}:")
        for strength in STRENGTHS:
            moved = tasks.add_attribute(model, x, vector, strength)
            same = np.mean(classifier.predict(moved) == digits)
            print(f"    {strength:+g}: ink {moved.sum(axis=1).mean():.1f}, same digit {same:.0%}")
    options.output.mkdir(parents=True, exist_ok=True)
    first = x[[np.flatnonzero(digits == digit)[1] for digit in range(10)]]
    draw(options.output / "attributes.png", model, first, vectors)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
