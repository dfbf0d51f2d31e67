"""Data in batches, for evaluations."""

import keras
import numpy as np

# Objects, texts, dates and complex numbers.
_NO_NUMBERS = "OSUMmc"


def num_examples(data, owner, name="x"):
    """Returns the number of examples of an array or of a dictionary of arrays, or raises.

    Args:
        data: Array, or a structure of arrays.
        owner, name: The function and its argument, for errors.
    """
    arrays = [np.asarray(array) for array in keras.tree.flatten(data)]
    if any(not array.ndim or array.dtype.kind in _NO_NUMBERS for array in arrays):
        raise TypeError(
            f"{owner} expects arrays of numbers, whose first axis is that of the examples. "
            f"Received: {name}={data!r}. Give a batch, such as {name}[np.newaxis] for one example."
        )
    sizes = {len(array) for array in arrays}
    if len(sizes) != 1:
        raise ValueError(
            f"{owner} expects arrays of one length. "
            f"Received: {name} with the lengths {sorted(sizes)}. Give one row of each an example."
        )
    return sizes.pop()


def refuse_no_example(data, owner):
    """Raises if the data are empty."""
    if not num_examples(data, owner):
        raise ValueError(
            f"{owner} expects at least one example. Received: x of length 0. "
            "Give the data that the model is judged by."
        )


def batches(data, batch_size, owner, name="x"):
    """Yields the data in pieces of at most `batch_size` examples, or raises as `num_examples`."""
    data = keras.tree.map_structure(np.asarray, data)
    for start in range(0, num_examples(data, owner, name), batch_size):
        yield keras.tree.map_structure(lambda a, i=start: a[i : i + batch_size], data)
