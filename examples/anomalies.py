"""What is strange? A model that has never seen a four tells fours from other digits.

    python examples/anomalies.py                  # needs pip install "keras-vae[examples]"

The VAE is trained on nine of the ten digits. `tasks.anomaly_score` is how little it expects an
image; `tasks.calibrate_threshold` finds the score that at most 5 % of normal images exceed, from
normal images that it was not trained on, with a guarantee for any number of them. Writes
`anomalies/anomalies.png`: the scores and the threshold, how well each score separates, and which
pixels of the strangest images are strange.
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
from sklearn.metrics import roc_auc_score, roc_curve

from keras_vae import VAEModel, families, tasks

LATENTS, STRANGE, RATE = 8, 4, 0.05
METHODS = ("log_likelihood", "elbo", "reconstruction_probability")


def load_data():
    """Returns normal digits to train on, to calibrate with and to test with, and strange ones."""
    digits = load_digits()
    x = digits.data.astype("float32") / 16
    normal = np.random.default_rng(0).permutation(x[digits.target != STRANGE])
    return normal[:-600], normal[-600:-300], normal[-300:], x[digits.target == STRANGE]


def dense(units):
    return layers.Dense(units, activation="relu", kernel_initializer="he_normal")


def train(x, epochs):
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential([keras.Input((64,)), dense(256), layers.Dense(2 * LATENTS)])
    decoder = keras.Sequential([keras.Input((LATENTS,)), dense(256), layers.Dense(64)])
    model = VAEModel(encoder, decoder, likelihood=families.Normal(64, scale=0.2), seed=1)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(x, epochs=epochs, batch_size=64, verbose=0)
    return model


def draw_scores(axis, normal, strange, threshold):
    ends = np.quantile(np.concatenate([normal, strange]), (0.0, 0.995))
    bins = np.linspace(*ends, 40)
    axis.hist(normal, bins, alpha=0.7, density=True, label="digits of the kinds trained on")
    axis.hist(strange, bins, alpha=0.7, density=True, label=f"{STRANGE}s, never seen")
    axis.axvline(threshold, color="black", linestyle="--")
    axis.text(threshold, 0.7 * axis.get_ylim()[1], "  called strange \u2192")
    axis.set(xlabel="anomaly score: -log p(x), nats", ylabel="share", yticks=[])
    axis.legend(loc="upper right", fontsize=8)
    axis.set_title("Scores: at most 5 % of normal digits are called strange", fontsize=10)


def draw_curves(axis, scores):
    for method, (normal, strange) in scores.items():
        labels = np.repeat([0, 1], [len(normal), len(strange)])
        both = np.concatenate([normal, strange])
        area = roc_auc_score(labels, both)
        axis.plot(*roc_curve(labels, both)[:2], label=f"{method}: area {area:.2f}")
    axis.plot([0, 1], [0, 1], ":", color="grey")
    axis.set(xlabel="normal digits called strange", ylabel=f"{STRANGE}s called strange")
    axis.legend(fontsize=8, loc="lower right")
    axis.set_title("At every threshold", fontsize=10)


def draw_pixels(axis, images, parts):
    """Draws images above their parts of the score, from not (white) to very strange (red)."""
    gap = ((0, 0), (1, 1), (1, 1))
    images, parts = (np.pad(a.reshape(-1, 8, 8), gap, constant_values=0) for a in (images, parts))
    strip = np.vstack([np.hstack(images), np.full((1, 10 * len(images)), 0)])
    axis.imshow(strip, cmap="Greys", vmin=0, vmax=1, extent=(0, 10 * len(images), 11, 22))
    axis.imshow(np.hstack(parts), cmap="Reds", vmin=0, vmax=6, extent=(0, 10 * len(images), 0, 10))
    axis.set(xlim=(0, 10 * len(images)), ylim=(0, 22), xticks=[], yticks=[])
    axis.set_title(f"The strangest {STRANGE}s, and where: the score of each pixel", fontsize=10)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("anomalies"))
    options = parser.parse_args(arguments)
    x_train, x_calibrate, x_normal, x_strange = load_data()
    model = train(x_train, options.epochs)
    scores = {
        method: [tasks.anomaly_score(model, x, method, seed=1) for x in (x_normal, x_strange)]
        for method in METHODS
    }
    calibration = tasks.anomaly_score(model, x_calibrate, seed=1)
    threshold = tasks.calibrate_threshold(calibration, false_positive_rate=RATE)
    normal, strange = scores["log_likelihood"]
    print(f"called strange: {np.mean(normal > threshold):.1%} of unseen normal digits,")
    print(f"                {np.mean(strange > threshold):.1%} of the {STRANGE}s")
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(2.2, 1))
    left, right = top.subplots(1, 2)
    draw_scores(left, normal, strange, threshold)
    draw_curves(right, scores)
    strangest = x_strange[np.argsort(-strange)[:10]]
    parts = tasks.anomaly_score(model, strangest, METHODS[2], per_feature=True, seed=1)
    draw_pixels(bottom.subplots(), strangest, parts - parts.min())
    options.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output / "anomalies.png", dpi=80)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
