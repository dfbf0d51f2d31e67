"""Why is the encoder needed to tell how probable data are? Two estimates of log p(x).

    python examples/sampling_the_prior.py         # needs pip install "keras-vae[examples]"

p(x) is the mean of p(x|z) over the prior, and a mean can be estimated from samples. But a digit
is explained by a tiny part of latent space only: nearly all samples of the prior say nothing
about it, and the estimate is of the few that come near. Samples of q(z|x), each weighed by
p(z) / q(z|x), are all near. Both estimates of models with 2, 6 and 16 latents, from more and more
samples, and how many equally weighted samples (the effective sample size) the last one is worth.
Writes `sampling_the_prior/sampling_the_prior.png`.
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

LATENTS = (2, 6, 16)
NUM_SAMPLES = (1, 10, 100, 1000, 10_000)
STYLES = {"prior": ("C1", "samples of the prior"), "importance": ("C0", "samples of the posterior")}


def load_data():
    """Returns 1697 digits to train on and 100 to test with, (N, 64) in [0, 1]."""
    x = np.random.default_rng(0).permutation(load_digits().data.astype("float32") / 16)
    return x[:-100], x[-100:]


def train(x, latents, epochs):
    keras.utils.set_random_seed(1)
    hidden = [layers.Dense(200, activation="relu") for _ in range(2)]
    encoder = keras.Sequential([keras.Input((64,)), hidden[0], layers.Dense(2 * latents)])
    decoder = keras.Sequential([keras.Input((latents,)), hidden[1], layers.Dense(64)])
    model = VAEModel(encoder, decoder, likelihood=families.Normal(64, scale=0.15), seed=1)
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(x, epochs=epochs, batch_size=64, verbose=0)
    return model


def draw(axis, model, x, largest):
    """Draws both estimates of the mean log p(x) against the number of samples."""
    counts = [count for count in NUM_SAMPLES if count <= largest]
    for method, (color, label) in STYLES.items():
        estimates = [
            evaluation.log_likelihood(model, x, count, method=method, seed=1) for count in counts
        ]
        means = [np.mean(estimate.log_prob) for estimate in estimates]
        worth = np.median(estimates[-1].effective_sample_size)
        axis.semilogx(counts, means, "o-", color=color, label=label)
        place = {"xytext": (0, 8 if method == "importance" else -14), "ha": "right", "color": color}
        end = (counts[-1], means[-1])
        axis.annotate(f"worth {worth:.0f}", end, textcoords="offset points", **place)
        print(f"  {label}: {means[-1]:.1f} nats from {counts[-1]} samples, worth {worth:.1f}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--samples", type=int, default=NUM_SAMPLES[-1], help="at most this many")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("sampling_the_prior"))
    options = parser.parse_args(arguments)
    x_train, x_test = load_data()
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axis, latents in zip(figure.subplots(1, len(LATENTS), sharey=True), LATENTS, strict=True):
        print(f"{latents} latents:")
        draw(axis, train(x_train, latents, options.epochs), x_test, options.samples)
        axis.set(title=f"{latents} latents", xlabel="samples an example")
        axis.grid(alpha=0.3)
    figure.axes[0].set_ylabel("estimate of the mean log p(x), nats")
    figure.axes[0].legend(loc="lower right")
    figure.axes[0].set_ylim(-100, 45)
    options.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output / "sampling_the_prior.png", dpi=80)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
