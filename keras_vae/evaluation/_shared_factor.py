"""Examples that share the value of one factor, drawn from given ones."""

import numpy as np


def sharing(labels, first, size, rng):
    """Draws examples, with replacement, of the same label as `first`.

    Args:
        labels: `(N,)`, integers from 0.
        first: Indices of examples, of a shape that broadcasts with `size`.
        size: Tuple, the shape of the result.
        rng: A NumPy generator.

    Returns:
        Indices of examples, of the shape `size`.
    """
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    starts = np.cumsum(counts) - counts
    value = labels[first]
    return order[starts[value] + rng.integers(counts[value], size=size)]


def halves(features):
    """Splits `(k, n, ...)`, n batches of each factor, to learn from and to test with.

    Returns:
        Features and factors of the first half, features and factors of the second.
    """
    factors = np.broadcast_to(np.arange(len(features))[:, np.newaxis], features.shape[:2])
    middle = features.shape[1] // 2
    parts = features[:, :middle], factors[:, :middle], features[:, middle:], factors[:, middle:]
    return tuple(part.reshape(-1, *part.shape[2:]) for part in parts)
