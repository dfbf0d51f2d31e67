"""Latents that are classes: vectors of K probabilities, one-hot or nearly so."""

import numpy as np

from keras_vae.families import Blockwise, RelaxedOneHotCategorical


def num_classes(posterior, owner):
    """Returns the number of classes of latents that are one-hot vectors, None for numbers."""
    if isinstance(posterior, RelaxedOneHotCategorical):
        return posterior.event_shape[-1]
    if isinstance(posterior, Blockwise) and any(num_classes(f, owner) for f in posterior.families):
        raise ValueError(
            f"{owner} expects latents that are all numbers or all one-hot vectors. "
            f"Received: posterior={posterior!r}. Look at the latents of interest "
            "with model.encode(x) and model.decode(z)."
        )
    return None


def by_variable(probabilities, size):
    """Returns `(B, d / size, size)` from `(B, d)`."""
    return probabilities.reshape(len(probabilities), -1, size)


def kl_per_variable(q, p, size):
    """Returns the KL divergence of each variable, `(B, d / size)`, from the probabilities."""
    q, p = by_variable(q, size), by_variable(p, size)
    # A class without probability adds nothing.
    tiny = np.finfo("float64").tiny
    return np.sum(q * (np.log(np.maximum(q, tiny)) - np.log(np.maximum(p, tiny))), axis=-1)
