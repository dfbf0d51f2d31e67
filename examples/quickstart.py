"""The main job from start to end, on the handwritten digits of scikit-learn, in about a minute.

    python examples/quickstart.py [--data mnist.npz]     # needs pip install "keras-vae[examples]"

Trains a small convolutional VAE, measures it on digits that it has not seen, and writes to the
folder `quickstart/`:

    reconstructions.png      unseen digits, and below each one what the model makes of it
    samples.png              digits that nobody wrote: decoded from draws of the prior
    traversal/               what each latent does, as training goes on (pictures and a GIF)
    model.keras              to load and train further with Keras and keras_vae
    saved_model/             to run with TensorFlow alone; loaded again here and compared
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from keras_vae import KLAnnealing, LatentTraversal, VAEModel, evaluation, families, schedules


def load_data(path=None):
    """Returns digits to train on and 300 to test with, (N, side, side, 1) in [0, 1]."""
    x = np.load(path)["x_train"] if path else load_digits().images
    x = np.random.default_rng(0).permutation((x / x.max()).astype("float32")[..., np.newaxis])
    return x[:-300], x[-300:]


def build_model(side, num_latents=12):
    encoder = keras.Sequential([keras.Input((side, side, 1))])
    encoder.add(layers.Conv2D(32, 3, padding="same", activation="relu"))
    encoder.add(layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"))
    encoder.add(layers.Flatten())
    encoder.add(layers.Dense(128, activation="relu"))
    encoder.add(layers.Dropout(0.1))
    encoder.add(layers.Dense(2 * num_latents))  # a mean and a log-variance for each latent
    decoder = keras.Sequential([keras.Input((num_latents,))])
    decoder.add(layers.Dense(128, activation="relu"))
    decoder.add(layers.Dense((side // 2) ** 2 * 64, activation="relu"))
    decoder.add(layers.Reshape((side // 2, side // 2, 64)))
    decoder.add(layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"))
    decoder.add(layers.Conv2D(1, 3, padding="same"))  # the mean of each pixel
    # The scale of the pixels' noise is fitted on the way, so that there is no beta to tune.
    return VAEModel(encoder, decoder, likelihood=families.Normal((side, side, 1), scale="optimal"))


def save_grid(path, rows, title):
    """Writes rows of digits, (rows, columns, side, side, 1), as one picture."""
    figure = Figure(figsize=(0.7 * rows.shape[1], 0.7 * rows.shape[0] + 0.4), layout="constrained")
    axes = figure.subplots(*rows.shape[:2])
    for place in np.ndindex(axes.shape):
        axes[place].imshow(rows[place], cmap="gray", vmin=0, vmax=1)
        axes[place].set_axis_off()
    figure.suptitle(title)
    figure.savefig(path, dpi=100)


def measure(model, test):
    """Prints what the model is worth on the test set, in nats a digit."""
    elbo = model.evaluate(test, verbose=0, return_dict=True)["elbo"]
    estimate = evaluation.log_likelihood(model, test, num_samples=1000, seed=1)
    mean, error = estimate.log_prob.mean(), estimate.log_prob.std(ddof=1) / np.sqrt(len(test))
    # The standard error of the mean over digits, and the part of it that is due to sampling.
    sampling = np.sqrt(np.sum(np.square(estimate.standard_error))) / len(test)
    active = evaluation.active_units(model, test)
    print(f"test ELBO            {elbo:.2f} nats a digit")
    print(f"test log-likelihood  {mean:.2f} +- {error:.2f} nats a digit (sampling: {sampling:.2f})")
    print(f"active latents       {active.sum()} of {active.size}")


def check_saved_model(path, model, test):
    """Loads the SavedModel again, which needs no Keras, and compares it with the model."""
    served = tf.saved_model.load(path).signatures
    a, b = served["serving_default"](x=test)["reconstruction"], model.reconstruct(test)
    np.testing.assert_allclose(a, b, atol=1e-4)
    print(f"SavedModel = model   largest difference {np.max(np.abs(a - b)):.1e}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--data", help="npz with x_train, as keras.datasets.mnist")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("quickstart"))
    options = parser.parse_args(arguments)
    start, output = time.perf_counter(), options.output
    keras.utils.set_random_seed(1)
    train, test = load_data(options.data)
    model = build_model(side=train.shape[1])
    model.compile(optimizer=keras.optimizers.Adam(2e-3))
    # The KL divergence counts fully from a quarter of the run on.
    annealing = KLAnnealing(schedules.linear(0.0, 1.0, duration=0.25), unit="run")
    every, formats = max(1, options.epochs // 6), ("png", "gif")
    traversal = LatentTraversal(output / "traversal", test, every=every, formats=formats)
    fit = {"epochs": options.epochs, "batch_size": 64, "verbose": 2}
    model.fit(train, validation_data=(test,), callbacks=[annealing, traversal], **fit)
    measure(model, test)

    rows = np.stack([test[:12], model.reconstruct(test[:12])])
    title = "Above: digits the model has not seen. Below: its reconstructions"
    save_grid(output / "reconstructions.png", rows, title)
    samples = model.sample(48, seed=1, mean=True).numpy().reshape(4, 12, *test.shape[1:])
    save_grid(output / "samples.png", samples, "Digits nobody wrote: decoded draws of the prior")
    model.save(output / "model.keras")
    model.export(output / "saved_model")
    check_saved_model(output / "saved_model", model, test)
    print(f"written to           {output}/ after {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
