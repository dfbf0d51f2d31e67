"""Few labels, many images: a VAE whose latents are a class and a style (M2).

    python examples/semi_supervised.py            # needs pip install "keras-vae[examples]"

Of 1297 digits 30 have a label. A classifier q(y|x) learns from these alone, or as a part of a VAE
that must explain all images by their digit y and their style z. Where the label is unknown, every
digit is tried: no sampling of classes. Writes `semi_supervised/semi_supervised.png`.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.utils import shuffle

from keras_vae import divergences, families, priors

CLASSES, LATENTS, PIXELS, UNKNOWN = 10, 8, 64, -1
WEIGHT = 50.0  # Of the labels for the classifier, beside the bound.


def mlp(inputs, outputs):
    hidden = layers.Dense(256, activation="relu", kernel_initializer="he_normal")
    return keras.Sequential([keras.Input((inputs,)), hidden, layers.Dense(outputs)])


class SemiSupervised(keras.Model):
    """p(y) p(z) p(x|y, z) with q(y|x) q(z|x, y), every y tried (Kingma et al., 2014, M2)."""

    def __init__(self):
        super().__init__()
        self.posterior = families.MultivariateNormalDiag(LATENTS)
        self.likelihood = families.Normal(PIXELS, scale=0.3)
        self.prior = priors.StandardNormal(LATENTS)
        self.classifier, self.decoder = mlp(PIXELS, CLASSES), mlp(LATENTS + CLASSES, PIXELS)
        self.encoder = mlp(PIXELS + CLASSES, self.posterior.params_size)
        self.noise = keras.random.SeedGenerator(1)

    def call(self, x):
        return self.classifier(x)

    def bound(self, x):
        """Returns log p(x, y) >= E_q log p(x|y, z) - KL(q(z|x, y) || p(z)) + log p(y), (B, K)."""
        y = ops.tile(ops.eye(CLASSES), (ops.shape(x)[0], 1))
        x = ops.repeat(x, CLASSES, axis=0)
        params = self.encoder(ops.concatenate([x, y], axis=-1))
        z = self.posterior.sample(params, seed=ops.cast(self.noise.next(), "int32"))
        decoded = self.decoder(ops.concatenate([z, y], axis=-1))
        bound = self.likelihood.log_likelihood(x, decoded) - divergences.kl_divergence(
            self.posterior(params), self.prior.distribution()
        )
        return ops.reshape(bound, (-1, CLASSES)) - np.log(CLASSES)

    def compute_loss(self, x, y, y_pred, sample_weight, training=True):
        """Returns -log p(x, y) where y is known, -log p(x) where it is not, and the labels'."""
        bound, log_q = self.bound(x), ops.log_softmax(y_pred)
        label = ops.one_hot(y, CLASSES)  # No class where it is not known.
        labelled = -ops.sum(label * (bound + WEIGHT * log_q), axis=-1)
        unlabelled = -ops.sum(ops.exp(log_q) * (bound - log_q), axis=-1)
        return ops.mean(ops.where(y == UNKNOWN, unlabelled, labelled))


def train_both(x, labels, epochs):
    keras.utils.set_random_seed(1)
    alone = mlp(PIXELS, CLASSES)
    alone.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    alone.fit(x[labels != UNKNOWN], labels[labels != UNKNOWN], epochs=2 * epochs, verbose=0)
    model = SemiSupervised()
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(x, labels, epochs=epochs, batch_size=64, verbose=0)
    return alone, model


def draw(path, accuracies, model, x):
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
    left.bar_label(left.bar(*zip(*accuracies.items(), strict=True)), fmt="{:.0%}")
    left.set(title="Unseen digits that are told right", ylim=(0, 1), yticks=[])
    classes = np.eye(CLASSES, dtype="float32")
    y = classes[np.argmax(model(x), axis=-1)]
    z = model.posterior.point_estimate(model.encoder(ops.concatenate([x, y], -1)))
    z = ops.repeat(z, CLASSES, axis=0)
    written = model.decoder(ops.concatenate([z, np.tile(classes, (len(x), 1))], -1))
    rows = np.concatenate([x[:, None], np.reshape(written, (len(x), CLASSES, PIXELS))], axis=1)
    rows = np.pad(rows.reshape(len(x), -1, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    right.imshow(np.vstack([np.hstack(row) for row in rows]), cmap="Greys", vmin=0, vmax=1)
    right.set(xticks=np.arange(11) * 10 + 5, xticklabels=["seen", *range(10)], yticks=[])
    right.set_title("The style of an unseen digit, written as each digit")
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("semi_supervised"))
    options = parser.parse_args(arguments)
    x, y = shuffle(*load_digits(return_X_y=True), random_state=0)
    x = x.astype("float32") / 16
    known = np.concatenate([np.flatnonzero(y == digit)[:3] for digit in range(CLASSES)])
    labels = np.where(np.isin(np.arange(len(x) - 500), known), y[:-500], UNKNOWN)
    alone, model = train_both(x[:-500], labels, options.epochs)
    accuracies = {
        name: np.mean(np.argmax(classifier(x[-500:]), axis=-1) == y[-500:])
        for name, classifier in (("30 labels", alone), ("30 labels, 1267 images", model))
    }
    print("accuracy:", ", ".join(f"{a:.3f} ({name})" for name, a in accuracies.items()))
    options.output.mkdir(parents=True, exist_ok=True)
    draw(options.output / "semi_supervised.png", accuracies, model, x[-8:])
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
