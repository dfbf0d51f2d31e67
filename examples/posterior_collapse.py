"""When do latents say nothing? Posterior collapse by the noise that the likelihood assumes.

    python examples/posterior_collapse.py         # needs pip install "keras-vae[examples]"

The squared error of most tutorials is a normal likelihood of a fixed scale. A latent costs nats
and pays only if it explains more variance than the likelihood calls noise: for a linear model
exactly if an eigenvalue of the data's covariance exceeds scale^2 (Lucas et al., "Don't Blame the
ELBO!", 2019). Digits at five scales: at 1, the mean squared error, nothing is left, and no
annealing of the KL weight brings it back, since it is the optimum. `scale="optimal"` finds the
noise that there is. Writes `posterior_collapse/posterior_collapse.png`.
"""

import argparse
import os
import pathlib
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from keras_vae import KLAnnealing, VAEModel, callbacks, families, schedules

LATENTS = 16
SCALES = (1.0, 0.7, 0.5, 0.35, 0.25, "optimal")


def load_data():
    """Returns 1797 digits, (N, 64) in [0, 1]."""
    return np.random.default_rng(0).permutation(load_digits().data.astype("float32") / 16)


def train(x, scale, epochs):
    """Returns the model and the history of its training, with annealing."""
    keras.utils.set_random_seed(1)
    hidden = [layers.Dense(128, activation="relu") for _ in range(2)]
    encoder = keras.Sequential([keras.Input((64,)), hidden[0], layers.Dense(2 * LATENTS)])
    decoder = keras.Sequential([keras.Input((LATENTS,)), hidden[1], layers.Dense(64)])
    model = VAEModel(encoder, decoder, likelihood=families.Normal(64, scale=scale), seed=1)
    model.compile(keras.optimizers.Adam(2e-3))
    extras = [
        KLAnnealing(schedules.linear(0.0, 1.0, duration=0.3), unit="run"),
        callbacks.PosteriorCollapse(x[:300], patience=max(epochs // 2, 1)),
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(x, epochs=epochs, batch_size=64, verbose=0, callbacks=extras).history
    if any("PosteriorCollapse" in str(warning.message) for warning in caught):
        print(f"scale {scale}: the posterior has collapsed, as the callback warns")
    return history


def draw_training(axis, histories):
    """Draws how many nats the latents carry, while the weight rises and after."""
    for scale, history in histories.items():
        axis.semilogy(np.maximum(history["kl_divergence"], 1e-3), label=f"scale {scale}")
    axis.set(xlabel="epoch", ylabel="KL(q(z|x) || p(z)), nats", title="What the latents carry")
    axis.legend()


def draw_latents(axis, histories, eigenvalues):
    """Draws the latents in use beside those that the theory of the linear model predicts."""
    scales = [scale for scale in histories if scale != "optimal"]
    used = [histories[scale]["active_units"][-1] for scale in scales]
    grid = np.linspace(min(scales), 1.1, 200)
    predicted = [min((eigenvalues > scale**2).sum(), LATENTS) for scale in grid]
    axis.step(grid, predicted, color="grey", label="eigenvalues above scale^2")
    axis.plot(scales, used, "o", color="C3", label="latents in use")
    label = f"in use with the optimal scale: {histories['optimal']['active_units'][-1]}"
    axis.plot([], [], " ", label=label)
    axis.set(xlabel="scale of the likelihood", title=f"Latents in use, of {LATENTS}")
    axis.legend()


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("posterior_collapse"))
    options = parser.parse_args(arguments)
    x = load_data()
    eigenvalues = PCA().fit(x).explained_variance_
    histories = {scale: train(x, scale, options.epochs) for scale in SCALES}
    for scale, history in histories.items():
        numbers = (history[name][-1] for name in ("kl_divergence", "active_units"))
        print("scale {}: KL {:.2f} nats, {} latents in use".format(scale, *numbers))
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_training(left, histories)
    draw_latents(right, histories, eigenvalues)
    options.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output / "posterior_collapse.png", dpi=80)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
