"""Latents above latents: a ladder VAE from two layers, used twice.

    python examples/ladder.py                     # needs pip install "keras-vae[examples]"

The upper latents z2 decide what the lower ones z1 are likely to be: the prior p(z1|z2) is a network
of z2, and the posterior q(z1|x, z2) weighs what this prior and what the image say by their
precisions. `KLDivergenceRegularizer` takes the prior's parameters when it is called, so that
the whole model is an ordinary functional one. Writes `ladder/ladder.png`: what each level is for.
"""

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers, ops
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from keras_vae import KLAnnealing, KLDivergenceRegularizer, Sampling, families, losses, schedules

UPPER, LOWER = families.MultivariateNormalDiag(3), families.MultivariateNormalDiag(10)
PIXELS = families.Bernoulli(64)


def mlp(inputs, outputs, name):
    hidden = layers.Dense(256, activation="relu")
    return keras.Sequential([keras.Input((inputs,)), hidden, layers.Dense(outputs)], name=name)


def weighed(a, b):
    """Returns mean and log-variance of the product of two normal densities."""
    (mean_a, log_var_a), (mean_b, log_var_b) = (ops.split(p, 2, axis=-1) for p in (a, b))
    precision_a, precision_b = ops.exp(-log_var_a), ops.exp(-log_var_b)
    total = precision_a + precision_b
    mean = (mean_a * precision_a + mean_b * precision_b) / total
    return ops.concatenate([mean, -ops.log(total)], axis=-1)


def build():
    """Returns the VAE, and its parts for new data: the prior of z1, the decoder, z2 from x."""
    prior = mlp(3, LOWER.params_size, "prior")
    decoder = mlp(10, 64, "decoder")
    x = keras.Input((64,))
    hidden = layers.Dense(256, activation="relu")(x)
    above = layers.Dense(128, activation="relu")(hidden)
    upper = layers.Dense(UPPER.params_size)(above)
    upper = KLDivergenceRegularizer(UPPER, name="upper")(upper)
    z2 = Sampling(UPPER)(upper)
    expected = prior(z2)
    lower = weighed(layers.Dense(LOWER.params_size)(hidden), expected)
    lower = KLDivergenceRegularizer(LOWER, name="lower")(lower, prior_params=expected)
    z1 = Sampling(LOWER)(lower)
    return keras.Model(x, decoder(z1)), prior, decoder, keras.Model(x, upper)


def images(decoder, z1):
    return PIXELS.point_estimate(decoder(z1)).numpy()


def draw(path, x, redrawn, generated):
    """Draws digits with the same upper latents, and new digits in the same way."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axis, rows, title in (
        (left, np.concatenate([x[:, None], redrawn], 1), "unseen digit | its z2, z1 drawn anew"),
        (right, generated, "each row: one draw of z2, several of z1"),
    ):
        rows = np.pad(rows.reshape(len(rows), -1, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
        axis.imshow(np.vstack([np.hstack(row) for row in rows]), cmap="Greys", vmin=0, vmax=1)
        axis.set_title(title)
        axis.set_axis_off()
    left.axvline(9.5, color="C3", linewidth=2)
    figure.savefig(path, dpi=80)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("ladder"))
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).permutation((load_digits().data > 7).astype("float32"))
    train, test = x[:-300], x[-300:]
    vae, prior, decoder, encoder = build()
    vae.compile(keras.optimizers.Adam(2e-3), losses.NegativeLogLikelihood(PIXELS))
    annealing = KLAnnealing(schedules.linear(0.0, 1.0, duration=0.25), unit="run")
    vae.fit(train, train, epochs=options.epochs, batch_size=64, verbose=0, callbacks=[annealing])
    result = vae.evaluate(test, test, verbose=0, return_dict=True)
    print(f"test loss = -ELBO    {result['loss']:.1f} nats a digit")
    for level in ("upper", "lower"):
        print(f"of it for the {level}  {result[f'{level}_kl_divergence']:.1f} nats")
    rows, columns = 8, 8
    z2 = UPPER(encoder(test[:rows])).mean()
    new = UPPER(np.zeros((rows, UPPER.params_size), "float32")).sample(seed=2)
    drawn = [
        np.stack([images(decoder, LOWER.sample(prior(z), seed=i)) for i in range(columns)], axis=1)
        for z in (z2, new)
    ]
    options.output.mkdir(parents=True, exist_ok=True)
    draw(options.output / "ladder.png", test[:rows], *drawn)
    print(f"written to {options.output}/")


if __name__ == "__main__":
    main()
