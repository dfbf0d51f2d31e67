"""Counts that vary more than their mean: Poisson, negative binomial, or zero-inflated?

    python examples/counts.py                     # needs pip install "keras-vae[examples]"
    python examples/counts.py --data counts.npz   # integers x (cells, genes), types y (cells,)

Single cells of six types, made by the script: how often each gene is read depends on the type, on
how much is read of the cell at all (its total), and on chance, more of it than a Poisson
distribution has. One VAE a likelihood, else alike, told the total of each cell. Prints what the
models make of cells that they have not seen, and draws in `counts/counts.png` the latents, zeros
that the models predict beside those of the data, and the log-likelihoods.
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

LATENTS = 10
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
    else:
        # The family takes the softmax itself; its last parameter is the logarithm of the total.
        params = layers.Dense(likelihood.params_size - 1)(hidden)
        params = layers.Concatenate()([params, log_total])
    return VAEModel(encoder, keras.Model([z, log_total], params), likelihood=likelihood, seed=1)


def zeros(model, test):
    """Returns the share of zeros of each gene in data drawn for the cells of the test set."""
    z = model.encode(test).sample(10, seed=1)
    drawn = model.decode(z, test["condition"]).sample(seed=2).numpy()
    return (drawn == 0).mean(axis=(0, 1))


def draw(path, codes, types, observed, predicted, log_probs):
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 0.8))
    for i in np.unique(types):
        left.scatter(*codes[types == i].T, s=6, label=f"type {i}")
    left.legend(fontsize=8, markerscale=2)
    left.set_title("Unseen cells in the latent space\n(negative binomial; two main axes)")
    left.set(xlabel="first axis", ylabel="second axis")
    for name, share in predicted.items():
        middle.scatter(observed, share - observed, s=6, alpha=0.6, label=name)
    middle.axhline(0, color="black", linewidth=1)
    middle.legend(fontsize=8, markerscale=2)
    middle.set_title("Zeros of each gene:\nthe model's share less that of unseen cells")
    middle.set(xlabel="share of zeros in unseen cells", ylabel="predicted - observed")
    gains = [log_prob - log_probs["Poisson"] for log_prob in log_probs.values()]
    errors = [2 * gain.std(ddof=1) / np.sqrt(len(gain)) for gain in gains]
    names = [name.replace(" ", "\n") for name in log_probs]
    right.bar(names, [gain.mean() for gain in gains], yerr=errors, color=["C0", "C1", "C2"])
    right.set_title("Log-likelihood of unseen cells,\ngain over Poisson (2 standard errors)")
    right.set(ylabel="nats a cell")
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("counts"))
    parser.add_argument("--data", type=pathlib.Path)
    options = parser.parse_args(arguments)
    data = np.load(options.data, allow_pickle=False) if options.data else None
    x, types = (data["x"], data["y"]) if data else make_cells()
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
        gain = log_probs[name] - log_probs["Poisson"]
        (mean, error), (more, spread) = (
            (value.mean(), value.std(ddof=1) / np.sqrt(num_test)) for value in (log_probs[name], gain)
        )
        print(f"{name:18} log-likelihood of unseen cells {mean:.1f} +- {error:.1f} nats a cell, ")
        print(f"{'':18} {more:+.1f} +- {spread:.1f} against Poisson")

    options.output.mkdir(parents=True, exist_ok=True)
    axes = PCA(2).fit_transform(codes["negative binomial"])
    observed = (test["x"] == 0).mean(axis=0)
    path = options.output / "counts.png"
    draw(path, axes, types[:num_test], observed, predicted, log_probs)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
