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


def draw(path, images, shares):
    """Draws digits that get bolder from row to row, and how many remain what they were."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    rows = images.reshape(len(STRENGTHS), -1, 8, 8)
    rows = np.pad(rows, ((0, 0), (0, 0), (1, 1), (1, 1)))
    left.imshow(np.vstack([np.hstack(row) for row in rows]), cmap="Greys", vmin=0, vmax=1)
    left.set_yticks(np.arange(len(STRENGTHS)) * 10 + 4.5, [f"{s:+g}" for s in STRENGTHS])
    left.set(ylabel="strength", xticks=[], title="Ten digits, with less and with more ink")
    for name, values in shares.items():
        right.plot(STRENGTHS, values, "o-", label=name)
    right.set(xlabel="strength", ylabel="share", title="Digits that are still the same digit")
    right.legend(loc="lower center", title="direction: digits with more ink than")
    right.margins(y=0.4)
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
        "all others": tasks.attribute_vector(model, x, ink > np.median(ink)),
        "others of their kind": tasks.attribute_vector(
            model, x, ink > medians[digits], groups=digits
        ),
    }
    classifier = KNeighborsClassifier(5).fit(x, digits)
    shares = {}
    for name, vector in vectors.items():
        moved = [tasks.add_attribute(model, x, vector, strength) for strength in STRENGTHS]
        shares[name] = [np.mean(classifier.predict(images) == digits) for images in moved]
        print(f"more ink than {name}:")
        for strength, images, share in zip(STRENGTHS, moved, shares[name], strict=True):
            print(f"    {strength:+g}: ink {images.sum(axis=1).mean():.1f}, same digit {share:.0%}")
    options.output.mkdir(parents=True, exist_ok=True)
    first = [np.flatnonzero(digits == digit)[3] for digit in range(10)]
    draw(options.output / "attributes.png", np.stack(moved)[:, first], shares)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
