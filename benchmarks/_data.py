"""The data of the benchmarks, as flat float32 arrays."""

import keras
import numpy as np


def mnist(path=None):
    """Returns the intensities of the digits in [0, 1]: 60000 to train on and 10000 to test.

    Args:
        path: An npz file with the keys that Keras' own has, or None for `keras.datasets.mnist`.
    """
    if path is None:
        (x_train, _), (x_test, _) = keras.datasets.mnist.load_data()
    else:
        with np.load(path, allow_pickle=False) as data:
            x_train, x_test = data["x_train"], data["x_test"]
    return tuple(x.reshape(len(x), -1).astype("float32") / 255 for x in (x_train, x_test))


def binarised(intensities, seed):
    """Returns pixels that are 1 with the probability that is their intensity."""
    noise = np.random.default_rng(seed).random(intensities.shape, dtype="float32")
    return (noise < intensities).astype("float32")
