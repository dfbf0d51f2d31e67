"""Larochelle's fixed binarisation of MNIST: what a better prior is worth.

Gated layers (784-300-300-40) and batches of 100 as in Tomczak and Welling, "VAE with a
VampPrior", 2018, whose figure for VampPrior(500) is 85.57 nats. The same network with a standard
normal prior beside it. The weight of the KL divergence rises over the first tenth of the epochs,
the rate falls from 1e-3 as half a cosine. A cell is the mean negative log-likelihood of the test
digits by 5000 samples, after the last epoch: of all 10000, or of as many as asked for, drawn at
random (the file has them sorted by class).

    python benchmarks/static_mnist.py --data binarized_mnist_larochelle.npz [--epochs 100]
        [--num-test 10000]

The data are the three files of the binarised digits as one npz, bit-packed along the pixels
(`x_train`, `x_test`). Each run can be killed and started again.
"""

import argparse
import json
import pathlib

import keras
import numpy as np
from _long_runs import train
from _results import RESULTS, save

from keras_vae import VAEModel, evaluation, families, objectives, priors, schedules

BATCH_SIZE, NUM_LATENTS, NUM_SAMPLES, SEED = 100, 40, 5000, 1
PUBLISHED = {"standard_normal": "", "vamp_500": 85.57}


def load(path):
    """Returns the pixels to train on and to test, float32 zeros and ones."""
    with np.load(path, allow_pickle=False) as data:
        parts = [np.unpackbits(data[f"x_{name}"], axis=1) for name in ("train", "test")]
    return [part.astype("float32") for part in parts]


def gated(num_inputs, num_outputs):
    """Two hidden layers, each the product of a linear layer and a sigmoid one."""
    inputs = hidden = keras.Input((num_inputs,))
    for _ in range(2):
        gate = keras.layers.Dense(300, activation="sigmoid")(hidden)
        hidden = keras.layers.Multiply()([keras.layers.Dense(300)(hidden), gate])
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(hidden))


def build(name, x_train, epochs):
    """Returns the compiled model; the pseudo-inputs start at digits."""
    keras.utils.set_random_seed(SEED)
    encoder, decoder = gated(784, 2 * NUM_LATENTS), gated(NUM_LATENTS, 784)
    prior = priors.StandardNormal(NUM_LATENTS)
    if name == "vamp_500":
        prior = priors.VampPrior(784, num_components=500, bounded=True)
        digits = np.random.default_rng(SEED).choice(x_train, 500, replace=False)
        prior.pseudo_inputs.assign(digits)
    model = VAEModel(encoder, decoder, likelihood=families.Bernoulli(784), prior=prior, seed=SEED)
    num_steps = epochs * len(x_train) // BATCH_SIZE
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, num_steps)),
        objective=objectives.ELBO(beta=schedules.linear(0.0, 1.0, duration=num_steps // 10)),
        jit_compile=True,
        steps_per_execution=100,
    )
    return model


def cell(name, x_train, x_test, epochs, models):
    """Returns the figures of a prior."""
    model, seconds = train(
        models / f"{name}_{epochs}.keras",
        lambda: build(name, x_train, epochs),
        lambda epoch: x_train,
        epochs,
        batch_size=BATCH_SIZE,
    )
    estimate = evaluation.log_likelihood(
        model, x_test, num_samples=NUM_SAMPLES, seed=SEED, verbose=1
    )
    return {
        "negative_log_likelihood": -float(np.mean(estimate.log_prob)),
        "standard_error": float(np.std(estimate.log_prob) / np.sqrt(len(x_test))),
        "median_effective_sample_size": float(np.median(estimate.effective_sample_size)),
        "training_seconds": seconds,
        "seed": SEED,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="npz of the binarised digits")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--num-test", type=int, default=10_000, help="test digits, at random")
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path("static_models"))
    parser.add_argument("--result", type=pathlib.Path, default=RESULTS / "static_mnist")
    arguments = parser.parse_args()
    x_train, x_test = load(arguments.data)
    x_test = np.random.default_rng(SEED).permutation(x_test)[: arguments.num_test]
    known = arguments.result.with_suffix(".json")
    cells = json.loads(known.read_text())["cells"] if known.exists() else {}
    for name in PUBLISHED:
        key = f"{name}, {arguments.epochs} epochs, {len(x_test)} digits"
        if key not in cells:
            cells[key] = cell(name, x_train, x_test, arguments.epochs, arguments.models)
            table = [("prior", "nats", "standard error", "published")]
            for row, figures in cells.items():
                nats = f"{figures['negative_log_likelihood']:.2f}"
                error = f"{figures['standard_error']:.2f}"
                table.append((row, nats, error, PUBLISHED[row.split(",")[0]]))
            save(arguments.result, table, cells=cells)
            print(key, cells[key])


if __name__ == "__main__":
    main()
