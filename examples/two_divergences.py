"""KL(q || p) or KL(p || q)? Two fits of one Gaussian to a density with two humps.

    python examples/two_divergences.py            # needs pip install "keras-vae[examples]"

A divergence says how far q is from p, and which of the two it is taken over decides what it
minds. KL(q || p) asks where q is: it must not be where p is not, so that it takes one hump. This
is the one in the ELBO. KL(p || q) asks where p is: q must be everywhere that p is, the valley
between as well. It is the one of maximum likelihood. Both fits are made by gradient descent on
`divergences.kl_divergence`. Writes `two_divergences/two_divergences.png`.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from tensorflow_probability import distributions as tfd

from keras_vae import divergences, families

NUM_SAMPLES = 500
FAMILY = families.MultivariateNormalDiag(1)
HUMPS = tfd.MixtureSameFamily(
    tfd.Categorical(probs=[0.6, 0.4]),
    tfd.MultivariateNormalDiag([[-2.5], [2.5]], [[0.7], [0.7]]),
)
TITLES = {"reverse": "KL(q || p): q takes one hump", "forward": "KL(p || q): q covers both"}


def divergence(direction, q, seed):
    """Returns the divergence of the one that samples are drawn from, from the other."""
    first, second = (q, HUMPS) if direction == "reverse" else (HUMPS, q)
    z = first.sample(NUM_SAMPLES, seed=seed)
    return divergences.kl_divergence(first, second, z, method="monte_carlo")


def fit(direction, steps):
    """Returns the Gaussian that the divergence in this direction is least for."""
    params = tf.Variable([-0.5, 0.0])  # Mean and log-variance.
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build([params])

    @tf.function
    def step(number):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(divergence(direction, FAMILY(params), tf.stack([number, 0])))
        optimizer.apply([tape.gradient(loss, params)])

    for number in tf.range(steps):
        step(number)
    return FAMILY(params)


def draw(axis, q, title):
    z = np.linspace(-6.0, 7.0, 400, dtype="float32")[:, np.newaxis]
    axis.fill_between(z[:, 0], HUMPS.prob(z), color="lightgrey", label="p")
    axis.plot(z[:, 0], q.prob(z), color="C0", label="q, the best Gaussian")
    numbers = {name: float(np.mean(divergence(name, q, (1, 2)))) for name in TITLES}
    text = "KL(q || p) = {reverse:.2f} nats\nKL(p || q) = {forward:.2f} nats".format(**numbers)
    axis.text(0.03, 0.95, text, va="top", transform=axis.transAxes)
    axis.set(title=title, xlabel="z", yticks=[], ylim=(0.0, 0.8))
    axis.legend(loc="upper right")
    text = text.replace("\n", ", ")
    print(f"{title}: mean {q.mean()[0]:.2f}, scale {q.stddev()[0]:.2f}, {text}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("two_divergences"))
    options = parser.parse_args(arguments)
    figure = Figure(figsize=(10, 3.5), layout="constrained")
    for axis, (direction, title) in zip(figure.subplots(1, 2), TITLES.items(), strict=True):
        draw(axis, fit(direction, 100 * options.epochs), title)
    options.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output / "two_divergences.png", dpi=80)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
