"""Larochelle's fixed binarisation of MNIST: what a better prior is worth.

Gated layers (784-300-300-40) and batches of 100 as in Tomczak and Welling, "VAE with a
VampPrior", 2018, whose figure for VampPrior(500) is 85.57 nats. The same network with a standard
normal prior beside it. The weight of the KL divergence rises over the first tenth of the epochs,
the rate falls as half a cosine. A cell is the mean negative log-likelihood of the 10000 test
digits by 5000 samples, of the weights that were best on the validation digits.

    python benchmarks/static_mnist.py --data binarized_mnist_larochelle.npz [--epochs 100]

The data are the three files of the binarised digits as one npz, bit-packed along the pixels
(`x_train`, `x_valid`, `x_test`). Each run can be killed and started again.
"""

import argparse
import json
import pathlib

import keras
import numpy as np
from _long_runs import train
from _results import RESULTS, save

from keras_vae import KLAnnealing, VAEModel, evaluation, families, priors, schedules

BATCH_SIZE, NUM_LATENTS, NUM_SAMPLES, SEED = 100, 40, 5000, 1
PUBLISHED = {"standard": "", "vamp_500": 85.57}


def load(path):
    """Returns the pixels to train on, to validate with and to test, float32 zeros and ones."""
    with np.load(path, allow_pickle=False) as data:
        parts = [np.unpackbits(data[f"x_{name}"], axis=1) for name in ("train", "valid", "test")]
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
    prior = None
    if name == "vamp_500":
        digits = np.random.default_rng(SEED).choice(x_train, 500, replace=False)
        prior = priors.VampPrior(784, num_components=500, pseudo_inputs=digits)
    model = VAEModel(encoder, decoder, likelihood=families.Bernoulli(784), prior=prior, seed=SEED)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * len(x_train) // BATCH_SIZE)
    model.compile(keras.optimizers.Adam(rate), jit_compile=True, steps_per_execution=100)
    return model
