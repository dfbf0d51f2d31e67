"""What each prior learns: five models of the digits with two latents, one panel a prior.

    python examples/priors.py                     # needs pip install "keras-vae[examples]"

Four variational autoencoders differ in nothing but their prior, which is trained with them: the
fixed one draws all codes to itself, the learned ones go where the codes of each digit are. The
fifth model is a plain autoencoder, whose latents nobody shapes; `priors.fit` fits a mixture to its
codes afterwards. Networks as free as these can shape two latents for any prior, so that the test
log-likelihoods of the first four are close; a prior is learned for what its density shows, or, as
in the fifth, for latents that nobody has shaped. Prints how probable each model holds new digits,
and writes `priors/priors.png`: the density of each prior under the codes of the test digits.
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
from sklearn.model_selection import train_test_split

from keras_vae import VAEModel, evaluation, families, objectives, priors

LATENTS = 2
PRIORS = {
    "StandardNormal": lambda: priors.StandardNormal(LATENTS),
    "MixturePrior": lambda: priors.MixturePrior(LATENTS, 20, "full"),
    "VampPrior": lambda: priors.VampPrior(64, 50),
    "FlowPrior": lambda: priors.FlowPrior(LATENTS),
}


def dense(units):
    return layers.Dense(units, activation="relu", kernel_initializer="he_normal")


def train(x, epochs, prior=None, posterior=None, objective="elbo"):
    keras.utils.set_random_seed(1)
    posterior = posterior or families.MultivariateNormalDiag(LATENTS)
    outputs = layers.Dense(posterior.params_size)
    encoder = keras.Sequential([keras.Input((64,)), dense(256), dense(256), outputs])
    outputs = layers.Dense(64)
    decoder = keras.Sequential([keras.Input((LATENTS,)), dense(256), dense(256), outputs])
    if isinstance(prior, priors.VampPrior):
        prior.pseudo_inputs.assign(x[: prior.num_components])
    likelihood = families.Normal(64, scale=0.25)
    model = VAEModel(encoder, decoder, posterior, likelihood, prior, seed=1)
    model.compile(optimizer=keras.optimizers.Adam(2e-3), objective=objective)
    model.fit(x, epochs=epochs, batch_size=64, verbose=0)
    return model


def models_of(x, epochs):
    """Returns the models by the name of their prior."""
    keras.utils.set_random_seed(1)
    models = {name: train(x, epochs, make()) for name, make in PRIORS.items()}
    point, plain = families.Deterministic(LATENTS), objectives.ELBO(beta=0.0)
    model = train(x, epochs, posterior=point, objective=plain)
    prior = priors.fit(model, x, num_components=20, seed=1)
    parts = model.encoder, model.decoder, model.posterior, model.likelihood
    models["priors.fit, after training"] = VAEModel(*parts, prior, seed=1)
    return models


def log_likelihood(model, x):
    """Returns the mean of log p(x) over the data, in nats."""
    # A point has no density to sample from: there the prior proposes, which two latents allow.
    point = isinstance(model.posterior, families.Deterministic)
    method, samples = ("prior", 10_000) if point else ("importance", 1000)
    estimate = evaluation.log_likelihood(model, x, samples, method, batch_size=150, seed=1)
    return np.mean(estimate.log_prob)


def draw(axis, model, codes, digits):
    low, high = codes.min(axis=0), codes.max(axis=0)
    margin = 0.15 * (high - low)
    grid = np.linspace(low - margin, high + margin, 150).T
    z = np.stack(np.meshgrid(*grid), axis=-1).reshape(-1, LATENTS).astype("float32")
    density = model.prior.distribution(encode=model.encode).prob(z).numpy().reshape(150, 150)
    axis.contourf(*grid, np.sqrt(density), levels=12, cmap="Greys")
    return axis.scatter(*codes.T, c=digits, cmap="tab10", s=6, vmin=-0.5, vmax=9.5)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("priors"))
    options = parser.parse_args(arguments)
    x, digits = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    x, x_test, _, digits = train_test_split(x, digits, test_size=0.25, random_state=1)
    models = models_of(x, options.epochs)
    figure = Figure(figsize=(14, 4), layout="constrained")
    figure.suptitle("The density of each prior p(z), grey, and the codes of test digits, coloured")
    axes = figure.subplots(1, len(models))
    for axis, (name, model) in zip(axes, models.items(), strict=True):
        value = log_likelihood(model, x_test)
        print(f"{name}: test log-likelihood {value:.1f} nats")
        points = draw(axis, model, model.encode(x_test).mean().numpy(), digits)
        axis.set_title(f"{name}\ntest log p(x) = {value:.1f} nats", fontsize=11)
        axis.set_xlabel("latent 0")
    axes[0].set_ylabel("latent 1")
    figure.colorbar(points, ax=axes, ticks=range(10), label="digit")
    options.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output / "priors.png", dpi=80)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
