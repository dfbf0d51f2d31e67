"""Traversals of latents that are classes: a row is a variable, a column one of its classes."""

import numpy as np

from keras_vae.families import Blockwise, RelaxedOneHotCategorical


def num_classes(posterior):
    """Returns the number of classes of latents that are one-hot vectors, None for numbers."""
    if isinstance(posterior, RelaxedOneHotCategorical):
        return posterior.event_shape[-1]
    if isinstance(posterior, Blockwise) and any(map(num_classes, posterior.families)):
        raise ValueError(
            "LatentTraversal expects latents that are all numbers or all one-hot vectors. "
            f"Received: posterior={posterior!r}. Leave the callback out, and decode the latents "
            "of interest with model.decode(z)."
        )
    return None


def most_probable(probabilities, size):
    """Returns `(B, d / size, size)`, one-hot, from `(B, d)`."""
    return np.eye(size)[_by_variable(probabilities, size).argmax(axis=-1)]


def every_class(num_variables, size):
    """Returns `(size, 1, num_variables, size)`: each class, for all variables at once."""
    return np.tile(np.eye(size)[:, np.newaxis, np.newaxis], (1, 1, num_variables, 1))


def kl_per_variable(q, p, size):
    """Returns the KL divergence of each variable, `(B, d / size)`, from the probabilities."""
    q, p = _by_variable(q, size), _by_variable(p, size)
    # A class without probability adds nothing.
    tiny = np.finfo("float64").tiny
    return np.sum(q * (np.log(np.maximum(q, tiny)) - np.log(np.maximum(p, tiny))), axis=-1)


def _by_variable(probabilities, size):
    return probabilities.reshape(len(probabilities), -1, size)
