"""How the time of a training step grows: with the batch, the latents, the importance samples.

The MLP of step_time.py (784-512-256-20, batches of 128, Bernoulli pixels), one number changed at
a time. All points in turn in every round, in one process; a point is the median of its rounds.
The clock starts with the second step of a `fit`, which itself takes as long to begin as some steps.

    python benchmarks/scaling.py [--rounds 5]       # needs pip install "keras-vae[examples]"
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf
from _models import mlp_decoder, mlp_encoder
from _results import RESULTS, save, whole
from matplotlib.figure import Figure

from keras_vae import VAEModel, families, objectives

BATCH_SIZE, NUM_LATENTS, NUM_STEPS, SEED = 128, 20, 12, 1
POSTERIORS = {
    "diagonal": families.MultivariateNormalDiag,
    "full covariance": families.MultivariateNormalTriL,
    "flow": families.InverseAutoregressiveFlow,
}
BATCHES, LATENTS, SAMPLES = (16, 64, 256, 1024, 4096), (2, 8, 32, 128), (1, 4, 16, 64)
TICKS = (5, 10, 20, 50, 100, 200, 500)


def points():
    """Yields the curve, the number on its axis and the settings of every point."""
    for size in BATCHES:
        yield "batch size", size, {"batch_size": size}
    for name in POSTERIORS:
        for latents in LATENTS:
            yield name, latents, {"posterior": name, "latents": latents}
    for samples in SAMPLES:
        yield "IWAE", samples, {"objective": objectives.IWAE(samples)}


class Clock(keras.callbacks.Callback):
    """Notes when each step ends."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())

    def milliseconds(self):
        """Returns those of a step."""
        return 1e3 * float(np.median(np.diff(self.ends)))


def step(batch_size=BATCH_SIZE, latents=NUM_LATENTS, posterior="diagonal", objective="elbo"):
    """Returns a function that trains for `NUM_STEPS` steps and gives the milliseconds of one."""
    keras.utils.set_random_seed(SEED)
    posterior = POSTERIORS[posterior](latents)
    # The networks of step_time.py, but for the number of parameters that a posterior has.
    encoder = keras.Sequential(
        mlp_encoder().layers[:-1] + [keras.layers.Dense(posterior.params_size)]
    )
    encoder.build((None, 784))
    model = VAEModel(
        encoder, mlp_decoder(num_latents=latents), posterior, likelihood="bernoulli", seed=SEED
    )
    model.compile("adam", objective=objective)
    x = np.random.default_rng(SEED).uniform(size=(NUM_STEPS, batch_size, 784)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices(x)

    def run():
        clock = Clock()
        model.fit(data, shuffle=False, verbose=0, callbacks=[clock])
        return clock.milliseconds()

    return run


def measure(rounds):
    """Returns {curve: {number: milliseconds a step}}."""
    contestants = [(curve, number, step(**settings)) for curve, number, settings in points()]
    times = [[] for _ in contestants]
    for index in range(rounds + 1):
        for (*_, run), values in zip(contestants, times, strict=True):
            milliseconds = run()
            if index:  # The first round traces.
                values.append(milliseconds)
    curves = {}
    for (curve, number, _), values in zip(contestants, times, strict=True):
        curves.setdefault(curve, {})[number] = float(np.median(values))
    return curves


def draw(curves, path):
    """Writes a panel for what grows: milliseconds a step on logarithmic axes."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    titles = (
        "examples a batch",
        f"latents (batch {BATCH_SIZE})",
        f"importance samples (batch {BATCH_SIZE})",
    )
    shown = (["batch size"], list(POSTERIORS), ["IWAE"])
    for axes, title, names in zip(panels, titles, shown, strict=True):
        for name in names:
            numbers, values = zip(*curves[name].items(), strict=True)
            axes.loglog(numbers, values, marker="o", label=name)
        axes.set(xlabel=title, xticks=numbers, xticklabels=numbers)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0].set(ylabel="milliseconds a step", yticks=TICKS, yticklabels=TICKS)
    panels[1].legend(title="posterior")
    with whole(path) as temporary:
        figure.savefig(temporary, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    start = time.perf_counter()
    curves = measure(arguments.rounds)
    table = [("what grows", "number", "ms a step")]
    table += [(c, n, f"{v:.2f}") for c, values in curves.items() for n, v in values.items()]
    seconds = time.perf_counter() - start
    save(RESULTS / "scaling", table, milliseconds=curves, seed=SEED, seconds=seconds)
    draw(curves, RESULTS.parents[1] / "docs" / "images" / "scaling.png")


if __name__ == "__main__":
    main()
