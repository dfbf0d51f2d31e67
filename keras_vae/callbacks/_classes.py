"""Traversals of latents that are classes: a row is a variable, a column one of its classes."""

import numpy as np

from keras_vae.evaluation._classes import by_variable


def most_probable(probabilities, size):
    """Returns `(B, d / size, size)`, one-hot, from `(B, d)`."""
    return np.eye(size)[by_variable(probabilities, size).argmax(axis=-1)]


def every_class(num_variables, size):
    """Returns `(size, 1, num_variables, size)`: each class, for all variables at once."""
    return np.tile(np.eye(size)[:, np.newaxis, np.newaxis], (1, 1, num_variables, 1))
