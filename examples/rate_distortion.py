"""What was learned? One model at five weights of the divergence, and what each of them keeps.

    python examples/rate_distortion.py            # needs pip install "keras-vae[examples]"

The weight `beta` moves a model along a line between copying the data and ignoring them: from a
high rate (nats that the latents cost) and a low distortion (nats that are still missing) to a rate
of nothing, where the posterior has collapsed to the prior. `evaluation.report` tells where a model
stands, and what its rate is spent on: on telling examples apart (mutual information) or on codes
that are not where the prior is (and whence its samples are not like the data). Writes
`rate_distortion/rate_distortion.png`, and prints the report of the model with a weight of 1.
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

from keras_vae import VAEModel, callbacks, evaluation, families, objectives

LATENTS = 10
BETAS = (0.05, 0.3, 1.0, 4.0, 20.0)


def load_data():
    """Returns 1497 digits to train on and 300 to test with, (N, 64) in [0, 1]."""
    x = np.random.default_rng(0).permutation(load_digits().data.astype("float32") / 16)
    return x[:-300], x[-300:]


def dense(units):
    return layers.Dense(units, activation="relu", kernel_initializer="he_normal")


def train(x, beta, epochs):
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential([keras.Input((64,)), dense(256), layers.Dense(2 * LATENTS)])
    decoder = keras.Sequential([keras.Input((LATENTS,)), dense(256), layers.Dense(64)])
    model = VAEModel(encoder, decoder, likelihood=families.Normal(64, scale=0.25), seed=1)
    model.compile(keras.optimizers.Adam(2e-3), objective=objectives.ELBO(beta=beta))
    # Warns, with what can be done about it, if no latent is left in use.
    watch = callbacks.PosteriorCollapse(x[:300], patience=epochs)
    model.fit(x, epochs=epochs, batch_size=64, verbose=0, callbacks=[watch])
    return model


def draw_line(axis, reports):
    """Draws where the models stand, and the line of the best ELBO."""
    rate = np.array([report["rate"] for report in reports])
    distortion = np.array([report["distortion"] for report in reports])
    axis.plot(rate, distortion, "o-", color="C0")
    for beta, report in zip(BETAS, reports, strict=True):
        place = (report["rate"], report["distortion"])
        label = f"beta = {beta:g}:\n{report['active_units'].sum()} of {LATENTS} in use"
        axis.annotate(label, place, (6, 6), textcoords="offset points", fontsize=8)
    best = min(rate + distortion)
    ends = np.array([0.0, rate.max()])
    axis.plot(ends, best - ends, ":", color="grey", label=f"all models of an ELBO of {-best:.1f}")
    axis.set(xlabel="rate: KL(q(z|x) || p(z)), nats", ylabel="distortion: -log p(x|z), nats")
    axis.margins(x=0.3, y=0.2)
    axis.set_title("Less beta: the latents say more, at a price")
    axis.legend(loc="lower left")


def draw_parts(axis, reports):
    """Draws what the rate is spent on."""
    names = [f"{beta:g}" for beta in BETAS]
    information = np.array([report["mutual_information"] for report in reports])
    divergence = np.array([report["aggregate_kl"] for report in reports])
    axis.bar(names, information, label="telling the examples apart: I(x; z)")
    label = "codes away from the prior: KL(q(z) || p(z))"
    axis.bar(names, divergence, bottom=information, label=label)
    axis.axhline(np.log(300), color="grey", linestyle=":", label="all 300 told apart: log 300")
    axis.set(xlabel="beta", ylabel="rate, nats", title="What the rate is spent on")
    axis.legend()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("rate_distortion"))
    options = parser.parse_args(arguments)
    train_set, test = load_data()
    reports = []
    for beta in BETAS:
        model = train(train_set, beta, options.epochs)
        if beta == 1.0:
            print("The model with a weight of 1, on 300 digits that it has not seen:")
        reports.append(evaluation.report(model, test, seed=1, verbose=int(beta == 1.0)))
    for beta, report in zip(BETAS, reports, strict=True):
        numbers = f"log p(x) {report['log_likelihood']:.1f}, ELBO {report['elbo']:.1f}"
        print(f"beta = {beta:g}: {numbers}, active units {report['active_units'].sum()}")
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_line(left, reports)
    draw_parts(right, reports)
    options.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output / "rate_distortion.png", dpi=80)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
