"""The table of the IWAE paper: MNIST, dynamic binarisation, one stochastic layer.

Network (784-200-200-50, tanh) and batches of 20 are the paper's (Burda, Grosse and
Salakhutdinov, "Importance Weighted Autoencoders", 2016, table 1); it trains for 3280 epochs with
falling rates. Here the rate falls from 1e-3 as half a cosine over the epochs that are asked for,
and the bias of the output starts at the data's mean. Each cell is the mean negative
log-likelihood of the 10000 test digits, binarised once, by 5000 samples of the posterior.

    python benchmarks/iwae_table.py [--data mnist.npz] [--epochs 20] [--cells vae_1 iwae_50 ...]

A run can be killed and started again: models are kept in `--models`, finished cells in the
result. Cells of other numbers of epochs stay in the table.
"""

import argparse
import itertools
import json
import pathlib

import keras
import numpy as np
from _data import binarised, mnist
from _long_runs import train
from _results import RESULTS, save

from keras_vae import VAEModel, evaluation, families, objectives

BATCH_SIZE, NUM_SAMPLES, SEED = 20, 5000, 1
STEPS_PER_EXECUTION = 100
# Objective, the paper's figure, and the best public reproduction.
CELLS = {
    "vae_1": (objectives.ELBO(), 86.76, 86.35),
    "iwae_5": (objectives.IWAE(5), 85.54, 85.18),
    "vae_50": (objectives.ELBO(num_samples=50), 86.35, 86.06),
    "iwae_50": (objectives.IWAE(50), 84.78, 84.59),
    "iwae_dreg_50": (objectives.IWAE(50, gradient="dreg"), None, 84.32),
}


def network(sizes, outputs):
    """A tanh network."""
    hidden = [keras.layers.Dense(units, activation="tanh") for units in sizes[1:]]
    return keras.Sequential([keras.Input(sizes[:1]), *hidden, keras.layers.Dense(outputs)])


def build(objective, mean_pixels, epochs, num_examples):
    """Returns the compiled model of the paper."""
    keras.utils.set_random_seed(SEED)
    encoder, decoder = network((784, 200, 200), 2 * 50), network((50, 200, 200), 784)
    mean_pixels = np.clip(mean_pixels, 1e-3, 1 - 1e-3)
    decoder.layers[-1].bias.assign(np.log(mean_pixels / (1 - mean_pixels)))
    model = VAEModel(encoder, decoder, likelihood=families.Bernoulli(784), seed=SEED)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * num_examples // BATCH_SIZE)
    model.compile(
        keras.optimizers.Adam(rate, epsilon=1e-4),
        objective=objective,
        jit_compile=True,
        steps_per_execution=STEPS_PER_EXECUTION,
    )
    return model


def cell(name, x_train, x_test, epochs, models):
    """Returns the figures of a cell."""
    model, seconds = train(
        models / f"{name}_{epochs}.keras",
        lambda: build(CELLS[name][0], x_train.mean(axis=0), epochs, len(x_train)),
        lambda epoch: binarised(x_train, (SEED, epoch)),
        epochs,
        batch_size=BATCH_SIZE,
    )
    estimate = evaluation.log_likelihood(
        model, x_test, num_samples=NUM_SAMPLES, seed=SEED, verbose=1
    )
    active = evaluation.active_units(model, x_test)
    return {
        "negative_log_likelihood": -float(np.mean(estimate.log_prob)),
        "standard_error": float(np.std(estimate.log_prob) / np.sqrt(len(x_test))),
        "median_effective_sample_size": float(np.median(estimate.effective_sample_size)),
        "active_units": int(np.sum(active)),
        "training_seconds": seconds,
        "seed": SEED,
    }


def table(cells):
    """Returns the rows of the table, those of the same number of epochs together."""
    heading = ("objective", "epochs", "nats", "published (3280 epochs)", "reproduction", "active")
    rows = [heading]
    for epochs, name in itertools.product(sorted({c[1] for c in cells}), CELLS):
        if (name, epochs) in cells:
            _, paper, reproduction = CELLS[name]
            figures = cells[name, epochs]
            nats = f"{figures['negative_log_likelihood']:.2f}"
            kind, k = name.upper().replace("DREG", "DReG").replace("_", " ").rsplit(" ", 1)
            units = figures["active_units"]
            rows.append((f"{kind}, k = {k}", epochs, nats, paper or "", reproduction, units))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="npz with the keys of keras.datasets.mnist")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path("iwae_models"))
    parser.add_argument("--result", type=pathlib.Path, default=RESULTS / "iwae_table")
    arguments = parser.parse_args()
    x_train, x_test = mnist(arguments.data)
    x_test = binarised(x_test, SEED)
    known = arguments.result.with_suffix(".json")
    cells = json.loads(known.read_text())["cells"] if known.exists() else []
    cells = {(c["name"], c["epochs"]): c for c in cells}
    for name in arguments.cells:
        if (name, arguments.epochs) in cells:
            continue
        figures = cell(name, x_train, x_test, arguments.epochs, arguments.models)
        cells[name, arguments.epochs] = {"name": name, "epochs": arguments.epochs} | figures
        save(arguments.result, table(cells), cells=list(cells.values()))
        print(name, figures)


if __name__ == "__main__":
    main()
