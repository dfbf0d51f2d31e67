"""Conditional generation and inference: a digit of the class asked for, the class of a digit given.

    python examples/conditional.py                # needs pip install "keras-vae[examples]"

Both networks are told the class, `fit({"x": x, "condition": classes})`, so that the latents keep
what is left: the style. A column of the left picture is one style, written as every digit. Bayes'
rule makes the same model a classifier, p(class | x) = p(x | class) / sum, each term estimated by
importance sampling; the right picture shows the test digits that it is least sure of. `--data`
takes other pictures, a file with the keys of `keras.datasets.mnist`.
Writes `conditional/conditional.png`.
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

from keras_vae import VAEModel, evaluation, families

LATENTS, CLASSES, STYLES, SHOWN, NUM_TEST = 6, 10, 12, 5, 300


def load_data(path):
    """Returns flat pictures in [0, 1] and their classes, in random order."""
    x, classes = load_digits(return_X_y=True)
    if path:
        with np.load(path) as data:
            x, classes = data["x_train"].reshape(len(data["x_train"]), -1), data["y_train"]
    order = np.random.default_rng(0).permutation(len(x))
    return (x / x.max()).astype("float32")[order], classes[order]


def told(x, classes):
    return {"x": x, "condition": np.eye(CLASSES, dtype="float32")[classes]}


def network(size, outputs):
    """From a tensor and a class to parameters."""
    entries = [keras.Input((size,)), keras.Input((CLASSES,))]
    hidden = layers.Dense(256, "relu")(layers.Concatenate()(entries))
    return keras.Model(entries, layers.Dense(outputs)(hidden))


def train(x, classes, epochs):
    keras.utils.set_random_seed(1)
    size = x.shape[-1]
    encoder, decoder = network(size, 2 * LATENTS), network(LATENTS, size)
    model = VAEModel(encoder, decoder, likelihood=families.Normal(size, scale=0.2), seed=1)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(told(x, classes), epochs=epochs, batch_size=64, verbose=0)
    return model


def write_every_class(model):
    """Returns pictures, (CLASSES, STYLES, size): draws of the prior, each with every class."""
    z = model.prior.distribution().sample(STYLES, seed=3).numpy()
    condition = told(None, np.repeat(np.arange(CLASSES), STYLES))["condition"]
    means = model.decode(np.tile(z, (CLASSES, 1)), condition).mean().numpy()
    return means.reshape(CLASSES, STYLES, -1)


def infer_class(model, x):
    """Returns p(class | x), (N, CLASSES), for classes that are equally probable beforehand."""
    log_prob = [
        evaluation.log_likelihood(model, told(x, np.full(len(x), c)), 200, seed=1).log_prob
        for c in range(CLASSES)
    ]
    weights = np.exp(log_prob - np.max(log_prob, axis=0))
    return (weights / weights.sum(axis=0)).T


def draw(path, written, x, classes, probabilities):
    side = int(x.shape[-1] ** 0.5)
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.5, 1))
    axis = left.subplots()
    tiles = np.pad(written.reshape(CLASSES, STYLES, side, side), [(0, 0)] * 2 + [(1, 1)] * 2)
    axis.imshow(np.vstack([np.hstack(row) for row in tiles]), cmap="Greys", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=(side + 2) * (np.arange(CLASSES) + 0.5), yticklabels=range(CLASSES))
    axis.set(xlabel="a style each: latents drawn from the prior", ylabel="the class asked for")
    left.suptitle("Generation: one style a column, as every class")
    least_sure = np.argsort(probabilities.max(axis=1))[:SHOWN]
    for (image, bars), index in zip(right.subplots(SHOWN, 2), least_sure, strict=True):
        image.imshow(x[index].reshape(side, side), cmap="Greys")
        image.set(xticks=[], yticks=[], ylabel=f"a {classes[index]}")
        bars.bar(range(CLASSES), probabilities[index])
        bars.set(ylim=(0, 1), xticks=range(CLASSES))
    bars.set_xlabel("p(class | x)")
    right.suptitle("Inference: the least certain test digits")
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--data", help="npz with x_train and y_train, as keras.datasets.mnist")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("conditional"))
    options = parser.parse_args(arguments)
    x, classes = load_data(options.data)
    test, answers = x[-NUM_TEST:], classes[-NUM_TEST:]
    model = train(x[:-NUM_TEST], classes[:-NUM_TEST], options.epochs)
    probabilities = infer_class(model, test)
    correct = np.mean(probabilities.argmax(axis=1) == answers)
    print(f"classes of {NUM_TEST} test digits inferred: {100 * correct:.1f} % are right")
    options.output.mkdir(parents=True, exist_ok=True)
    draw(options.output / "conditional.png", write_every_class(model), test, answers, probabilities)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
