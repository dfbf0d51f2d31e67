"""What an objective changes: ELBO, IWAE and beta-TCVAE side by side on data of known factors.

    python examples/objectives.py                 # needs pip install "keras-vae[examples]"

Each picture shows a disc; three factors set where it is and how large. Of three objectives one
sees how much every latent tells of every factor (mutual information), what moving it does, and how
probable new pictures are. Each finds a latent for each factor, and one that mixes two; IWAE is the
most probable, and the penalty costs half a nat. Writes `objectives/objectives.png`.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers
from matplotlib.figure import Figure
from sklearn.feature_selection import mutual_info_regression

from keras_vae import VAEModel, evaluation
from keras_vae.objectives import ELBO, IWAE, Penalized, TotalCorrelation

SIZE, LATENTS, NUM_TRAIN, NUM_TEST = 16, 5, 8000, 1000
OBJECTIVES = {
    "ELBO": ELBO(),
    "IWAE, 8 samples": IWAE(8, gradient="dreg"),
    "ELBO + 8 TotalCorrelation": Penalized(ELBO(), TotalCorrelation(8.0, NUM_TRAIN)),
}


def make_discs(num_examples, seed):
    """Returns pictures of black and white pixels, and the factors that they were made from."""
    rng = np.random.default_rng(seed)
    factors = rng.uniform((4.0, 4.0, 1.5), (11.0, 11.0, 4.0), size=(num_examples, 3))
    across, down, radius = factors[:, :, np.newaxis, np.newaxis].swapaxes(0, 1)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = np.hypot(columns - across, rows - down)
    ink = 1.0 / (1.0 + np.exp(4.0 * (distance - radius)))
    return (rng.uniform(size=ink.shape) < ink).astype("float32"), factors


def train(x, epochs, objective):
    keras.utils.set_random_seed(1)
    a, b, c, d = (layers.Dense(units, "relu") for units in (256, 128, 128, 256))
    x_to_hidden = [keras.Input((SIZE, SIZE)), layers.Flatten(), a, b]
    encoder = keras.Sequential([*x_to_hidden, layers.Dense(2 * LATENTS)])
    hidden_to_x = [c, d, layers.Dense(SIZE**2), layers.Reshape((SIZE, SIZE))]
    decoder = keras.Sequential([keras.Input((LATENTS,)), *hidden_to_x])
    model = VAEModel(encoder, decoder, likelihood="bernoulli", seed=1)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * (len(x) // 100))
    model.compile(keras.optimizers.Adam(rate), objective, jit_compile=True)
    model.fit(x, epochs=epochs, batch_size=100, verbose=0)
    return model


def interval(values):
    return f"{np.mean(values):.2f} ± {np.std(values) / np.sqrt(len(values)):.2f}"


def information(model, x, factors):
    """Returns the latents, the best first, and what the mean of each tells of each factor."""
    codes = model.encode(x).mean().numpy()
    table = np.stack([mutual_info_regression(codes, f, random_state=1) for f in factors.T], axis=1)
    order = np.argsort(-table.max(axis=1))
    return order, table[order]


def draw_information(axis, table):
    axis.imshow(table, cmap="Blues", vmin=0.0, vmax=2.0, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        color = "white" if value > 1.0 else "black"
        axis.text(column, row, f"{value:.1f}", ha="center", va="center", color=color)
    axis.set_xticks(range(3), ["across", "down", "radius"])


def draw_traversal(axis, model, order):
    """Draws one row of pictures for each latent: it moves from -2 to 2, the others stay at 0."""
    z = np.eye(LATENTS)[order, np.newaxis] * np.linspace(-2.0, 2.0, 7)[:, np.newaxis]
    images = model.decode(z.reshape(-1, LATENTS).astype("float32")).mean().numpy()
    images = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=0.6)
    rows = images.reshape(LATENTS, 7, SIZE + 2, SIZE + 2)
    axis.imshow(np.vstack([np.hstack(row) for row in rows]), cmap="gray_r", vmin=0, vmax=1)
    axis.set(xticks=9 + 54 * np.arange(3), xticklabels=["-2", "0", "2"])
    axis.set(yticks=9 + 18 * np.arange(LATENTS), xlabel="value of the latent, the others at 0")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("objectives"))
    options = parser.parse_args(arguments)
    (x, _), (x_test, factors) = make_discs(NUM_TRAIN, seed=1), make_discs(NUM_TEST, seed=2)
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes, log_probs = figure.subplots(2, 3, height_ratios=(3, 2.4)), []
    for (top, bottom), (name, objective) in zip(axes.T, OBJECTIVES.items(), strict=True):
        model = train(x, options.epochs, objective)
        log_probs.append(evaluation.log_likelihood(model, x_test, 500, seed=1).log_prob)
        text = f"log p(x) = {interval(log_probs[-1])} nats"
        if log_probs[1:]:
            text += f"\nabove the ELBO: {interval(log_probs[-1] - log_probs[0])}"
        print(f"{name}: {text}")
        order, table = information(model, x_test, factors)
        draw_information(top, table)
        draw_traversal(bottom, model, order)
        top.set_title(f"{name}\n{text}", fontsize=11)
        top.set_yticks(range(LATENTS))
        for axis in (top, bottom):
            axis.set_yticklabels([f"latent {latent}" for latent in order])
    axes[0, 0].set_ylabel("what it tells of a factor [nats]")
    axes[1, 0].set_ylabel("what moving it does")
    options.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output / "objectives.png", dpi=80)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
