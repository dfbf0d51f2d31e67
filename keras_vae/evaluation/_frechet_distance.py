from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_vae._checks import count
from keras_vae._types import Array, Integer
from keras_vae.evaluation._batches import batches, num_examples


def frechet_distance(
    a: Array, b: Array, features: Callable[[Any], Any] | None = None, batch_size: Integer = 256
) -> float:
    """Returns the squared Frechet distance of two sets of data, as normal distributions.

    It compares samples of a model with data, by the mean and the covariance of features that a
    network sees in them. Zero for equal moments. With few examples it is too large: give both
    sides many more than there are features, and compare only distances of equal numbers.

        d^2 = ||m_a - m_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))

    Args:
        a: Array `(N, ...)`.
        b: Array `(M, ...)`, such as samples of a model.
        features: Keras model, or another function of a batch, that gives `(B, ...)`. Published
            figures (FID) take an Inception network. Defaults to None, the data as they are.
        batch_size: Integer >= 1, examples at a time. Defaults to 256.

    Returns:
        Number >= 0.

    Raises:
        TypeError: If `batch_size` is no integer.
        ValueError: If there are fewer than two examples, a feature is not finite, or the numbers of
            features differ.

    Reference:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
        Equilibrium", 2017, equation 6.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> round(frechet_distance(x, x + [2.0, 0.0, 0.0]), 6)
        4.0
    """
    batch_size = count(batch_size, "batch_size", "frechet_distance")
    (mean_a, root_a), (mean_b, root_b) = (
        _mean_and_root(_features(data, features, batch_size, name), name)
        for name, data in (("a", a), ("b", b))
    )
    if len(mean_a) != len(mean_b):
        raise ValueError(
            "frechet_distance expects two sets of one number of features. "
            f"Received: a with {len(mean_a)} and b with {len(mean_b)}. Give data of one shape."
        )
    # C = R' R; the trace of the root of C_a C_b is the sum of the singular values of R_a R_b'.
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = np.sum(root_a**2) + np.sum(root_b**2) - 2.0 * cross
    return float(max(np.sum((mean_a - mean_b) ** 2) + spread, 0.0))


def _features(data, features, batch_size, name):
    """Returns `(N, f)` in double precision."""
    if features is not None:
        outputs = [
            features(part, training=False) if isinstance(features, keras.Layer) else features(part)
            for part in batches(data, batch_size, "frechet_distance", name)
        ]
        data = np.concatenate(outputs) if outputs else np.zeros((0, 1))
    num_examples(data, "frechet_distance", name)
    if isinstance(data, dict):
        raise TypeError(
            f"frechet_distance expects features of data with several parts. "
            f"Received: {name} with the keys {sorted(data)}. Give features, a function of them."
        )
    values = np.asarray(data, "float64")
    if len(values) < 2:
        raise ValueError(
            f"frechet_distance expects at least two examples. Received: {name} of length "
            f"{len(values)}. A covariance needs many more."
        )
    return values.reshape(len(values), -1)


def _mean_and_root(values, name):
    """Returns the mean and a matrix R, of at most f rows, with R' R the covariance."""
    if not np.isfinite(values).all():
        raise ValueError(
            f"frechet_distance expects finite features. Received: {name} with "
            "NaN or infinity in its features. Fill in what is missing."
        )
    mean = values.mean(axis=0)
    root = np.linalg.qr((values - mean) / np.sqrt(len(values) - 1), mode="r")
    return mean, root
