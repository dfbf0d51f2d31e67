"""Codes and factors as the disentanglement scores take them."""

import numpy as np


def checked_examples(codes, factors, owner, min_factors=2):
    """Returns the codes and the labels of two arrays, or raises.

    Returns:
        Codes `(N, d)`, float64, and labels `(N, k)`, integers that number the values of each
        factor from 0.
    """
    codes, factors = np.asarray(codes), np.asarray(factors)
    for name, array, kinds in (("codes", codes, "biuf"), ("factors", factors, "biufU")):
        if array.dtype.kind not in kinds:
            raise TypeError(
                f"{owner} expects {name} to be an array of numbers. "
                f"Received: {name} of dtype {array.dtype}. Convert them with np.asarray."
            )
        if array.ndim != 2:
            raise ValueError(
                f"{owner} expects {name} with a row an example and a column each. "
                f"Received: {name} of shape {array.shape}. Give one array of two axes."
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"{owner} expects {name} to be finite. "
                f"Received: {name} with NaN or infinite entries. Leave those examples out."
            )
    if len(codes) != len(factors):
        raise ValueError(
            f"{owner} expects codes and factors of the same examples. Received: codes of shape "
            f"{codes.shape} and factors of shape {factors.shape}. Give one row of each an example."
        )
    for name, array, minimum in (("latents", codes, 2), ("factors", factors, min_factors)):
        if array.shape[1] < minimum:
            raise ValueError(
                f"{owner} expects at least {minimum} {name}. Received: {array.shape[1]}. "
                "Give a column each."
            )
    columns = [_labels(column, j, owner) for j, column in enumerate(factors.T)]
    return codes.astype(np.float64), np.stack(columns, axis=1)


def _labels(column, index, owner):
    values, labels = np.unique(column, return_inverse=True)
    if len(values) < 2:
        raise ValueError(
            f"{owner} expects factors of at least two values. "
            f"Received: factors whose column {index} takes {len(values)}. Leave the column out."
        )
    # No score can learn a value from the one example that shows it.
    if 2 * len(values) > len(column):
        raise ValueError(
            f"{owner} expects discrete factors, each value in several examples. Received: factors "
            f"whose column {index} takes {len(values)} values in {len(column)} examples. "
            "Bin it, for example with np.digitize, or give more examples."
        )
    return labels.reshape(-1)
