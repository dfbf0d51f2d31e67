"""Counts that vary more than their mean: Poisson, negative binomial, or zero-inflated?

    python examples/counts.py                     # needs pip install "keras-vae[examples]"
    python examples/counts.py --data counts.npz   # integers x (cells, genes), types y (cells,)

Single cells of six types, made by the script: how often a gene is read depends on the type, on
how much is read of the cell at all (its total), and on more chance than a Poisson distribution
has. One VAE a likelihood, told the total of each cell. Prints what the models make of cells that
they have not seen; writes `counts/counts.png`: latents, predicted zeros, log-likelihoods.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from keras_vae import VAEModel, evaluation, families

LATENTS, COLORS = 10, ("C0", "C1", "C2")
LIKELIHOODS = {
    "Poisson": families.Poisson,
    "negative binomial": lambda genes: families.NegativeBinomial(genes, library_size=True),
    "zero-inflated": lambda genes: families.ZeroInflatedNegativeBinomial(genes, library_size=True),
}


def make_cells(num_cells=2000, num_genes=200, num_types=6, dispersion=2.0):
    """Returns counts, (cells, genes), and the type of each cell. No zero has a cause of its own."""
    rng = np.random.default_rng(0)
    types = rng.integers(num_types, size=num_cells)
    shares = rng.normal(size=num_genes) + 0.7 * rng.normal(size=(num_types, num_genes))
    shares = np.exp(shares) / np.exp(shares).sum(axis=1, keepdims=True)
    totals = rng.lognormal(np.log(300), 0.4, size=(num_cells, 1))
    noise = rng.gamma(dispersion, 1 / dispersion, size=(num_cells, num_genes))
    return rng.poisson(totals * shares[types] * noise), types


def inputs(x):
    return {"x": x, "condition": np.log(x.sum(axis=1, keepdims=True))}


def build(likelihood, num_genes):
    x, log_total = keras.Input((num_genes,)), keras.Input((1,))
    hidden = layers.Dense(128, activation="relu")(ops.log1p(x))
    encoder = keras.Model([x, log_total], layers.Dense(2 * LATENTS)(hidden))
    z = keras.Input((LATENTS,))
    hidden = layers.Dense(128, activation="relu")(z)
    if isinstance(likelihood, families.Poisson):
        params = ops.log_softmax(layers.Dense(num_genes)(hidden)) + log_total
    else:  # The family takes the softmax itself; its last parameter is the log of the total.
        params = ops.append(layers.Dense(likelihood.params_size - 1)(hidden), log_total, -1)
    return VAEModel(encoder, keras.Model([z, log_total], params), likelihood=likelihood, seed=1)


def zeros(model, test):
    """Returns the share of zeros of each gene in data drawn for the cells of the test set."""
    z = model.encode(test).sample(10, seed=1)
    drawn = model.decode(z, test["condition"]).sample(seed=2).numpy()
    return (drawn == 0).mean(axis=(0, 1))


def interval(values):
    return f"{values.mean():.1f} +- {values.std(ddof=1) / np.sqrt(len(values)):.1f}"


def draw(path, codes, types, observed, predicted, log_probs):
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 0.8))
    for i in np.unique(types):
        left.scatter(*codes[types == i].T, s=6, label=f"type {i}")
    left.legend(fontsize=8, markerscale=2)
    left.set(title="Latents of unseen cells, main axes", xlabel="first axis", ylabel="second axis")
    for name, share in predicted.items():
        middle.scatter(observed, share - observed, s=6, alpha=0.6, label=name)
    middle.axhline(0, color="black", linewidth=1)
    middle.legend(fontsize=8, markerscale=2)
    middle.set(title="Zeros of each gene", xlabel="observed", ylabel="predicted - observed")
    gains = [log_prob - log_probs["Poisson"] for log_prob in log_probs.values()]
    errors = [2 * gain.std(ddof=1) / np.sqrt(len(gain)) for gain in gains]
    right.bar(list(log_probs), [gain.mean() for gain in gains], yerr=errors, color=COLORS)
    right.tick_params(axis="x", labelrotation=15)
    right.set(title="Log-likelihood (2 standard errors)", ylabel="nats a cell over Poisson")
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("counts"))
    parser.add_argument("--data", type=pathlib.Path)
    options = parser.parse_args(arguments)
    x, types = map(np.load(options.data).get, "xy") if options.data else make_cells()
    order = np.random.default_rng(1).permutation(len(x))
    x, types, num_test = x[order].astype("float32"), types[order], len(x) // 5
    train, test = inputs(x[num_test:]), inputs(x[:num_test])
    predicted, log_probs, codes = {}, {}, {}
    for name, likelihood in LIKELIHOODS.items():
        keras.utils.set_random_seed(1)
        model = build(likelihood(x.shape[1]), x.shape[1])
        model.compile(optimizer=keras.optimizers.Adam(1e-3))
        model.fit(train, epochs=options.epochs, batch_size=64, verbose=0)
        log_probs[name] = evaluation.log_likelihood(model, test, num_samples=100, seed=1).log_prob
        predicted[name], codes[name] = zeros(model, test), model.encode(test).mean().numpy()
        gain = interval(log_probs[name] - log_probs["Poisson"])
        print(f"{name}: {interval(log_probs[name])} nats an unseen cell, {gain} more than Poisson")
    options.output.mkdir(parents=True, exist_ok=True)
    axes, observed = PCA(2).fit_transform(codes["negative binomial"]), (test["x"] == 0).mean(axis=0)
    draw(options.output / "counts.png", axes, types[:num_test], observed, predicted, log_probs)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
