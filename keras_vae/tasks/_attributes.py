from typing import TYPE_CHECKING

import numpy as np

from keras_vae._checks import count, real_numbers
from keras_vae._inputs import split_inputs
from keras_vae._types import Array, Data, Integer
from keras_vae.evaluation._batches import batches, num_examples
from keras_vae.tasks._codes import decoded, encoded

if TYPE_CHECKING:
    from keras_vae.models import VAEModel


def attribute_vector(
    model: "VAEModel",
    x: Data,
    has_attribute: Array,
    groups: Array | None = None,
    batch_size: Integer = 256,
) -> np.ndarray:
    """Returns the direction in the latents along which an attribute grows.

    The codes (means of q(z|x)) of the examples that have the attribute, on average, minus those
    of the others. `add_attribute` moves data along it. An attribute that is more frequent in
    some class brings that class along: with `groups`, the difference is taken within each class,
    and averaged over the classes that have examples of both kinds.

        v = mean_g ( mean of z over examples of g with it - mean of z over those without )

    Args:
        model: A `keras_vae.VAEModel`.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        has_attribute: Booleans, or zeros and ones, `(N,)`.
        groups: Array `(N,)`, such as class labels, or None for one group. Defaults to None.
        batch_size: Integer >= 1, examples at a time. Defaults to 256.

    Returns:
        Array of the shape of one latent.

    Raises:
        TypeError: If `batch_size` is no integer.
        ValueError: If `has_attribute` or `groups` is of another kind or length, or if no group
            has examples of both kinds.

    Reference:
        Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", 2016,
        section 4.1.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> x = np.repeat([[0.0], [1.0]], 3, axis=0) * np.ones(8)
        >>> vector = attribute_vector(model, x, has_attribute=x[:, 0] > 0.5)
        >>> add_attribute(model, x, vector, strength=2.0).shape
        (6, 8)
    """
    owner = "attribute_vector"
    size = num_examples(x, owner)
    has_attribute = np.asarray(has_attribute)
    if has_attribute.shape != (size,) or not np.isin(has_attribute, (0, 1)).all():
        raise ValueError(
            f"{owner} expects has_attribute to be one boolean an example, of shape ({size},). "
            f"Received: has_attribute of shape {has_attribute.shape} and dtype "
            f"{has_attribute.dtype} for x of {size} examples. Give True where an example has it."
        )
    groups = np.zeros(size) if groups is None else np.asarray(groups)
    if groups.shape != (size,):
        raise ValueError(
            f"{owner} expects one group an example, of shape ({size},). "
            f"Received: groups of shape {groups.shape}. Give the class of each example."
        )
    with_it = has_attribute.astype(bool)
    both = [g for g in np.unique(groups) if 0 < with_it[groups == g].mean() < 1]
    if not both:
        raise ValueError(
            f"{owner} expects examples with and without the attribute within a group. "
            f"Received: {with_it.sum()} of {size} examples with it, and no group with both. "
            "Give examples of both kinds, or coarser groups."
        )
    codes = encoded(model, x, owner, batch_size)
    differences = [
        codes[with_it & (groups == g)].mean(axis=0) - codes[~with_it & (groups == g)].mean(axis=0)
        for g in both
    ]
    return np.mean(differences, axis=0)


def add_attribute(
    model: "VAEModel", x: Data, vector: Array, strength: Array = 1.0, batch_size: Integer = 256
) -> np.ndarray:
    """Returns data with more, or less, of an attribute: their codes moved along it, decoded.

    The same as `model.decode(model.encode(x).mean() + strength * vector).mean()`, for any family.
    A strength of 0 gives the reconstructions, one of 1 moves an average example without the
    attribute to an average one with it, and a negative one takes it away.

        x' = E p(x|z + strength * v),  z the mean of q(z|x)

    Args:
        model: A `keras_vae.VAEModel`.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        vector: Array of the shape of one latent, from `attribute_vector`.
        strength: Number, or one for each example, `(N,)`. Defaults to 1.0.
        batch_size: Integer >= 1, examples at a time. Defaults to 256.

    Returns:
        Array `(N, *event_shape)`.

    Raises:
        TypeError: If `batch_size` is no integer.
        ValueError: If `vector` or `strength` has another shape.

    Reference:
        Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", 2016,
        section 4.1.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> add_attribute(model, np.ones((3, 8)), [1.0, 0.0], strength=[-1.0, 0.0, 1.0]).shape
        (3, 8)
    """
    owner = "add_attribute"
    batch_size = count(batch_size, "batch_size", owner)
    codes = encoded(model, x, owner, batch_size)
    vector = real_numbers(vector, "vector", owner).numpy()
    strength = real_numbers(strength, "strength", owner).numpy()
    if vector.shape != codes.shape[1:]:
        raise ValueError(
            f"{owner} expects a vector of the shape of one latent, {codes.shape[1:]}. "
            f"Received: vector of shape {vector.shape}. Give what attribute_vector returned."
        )
    if strength.shape not in [(), (len(codes),)]:
        raise ValueError(
            f"{owner} expects strength to be a number, or one for each of {len(codes)} examples. "
            f"Received: strength of shape {strength.shape}. Call it once for each strength."
        )
    for name, value in (("vector", vector), ("strength", strength)):
        if not np.isfinite(value).all():
            raise ValueError(
                f"{owner} expects {name} to be finite. Received: {name}={value!r}. "
                "Change the value."
            )
    strength = np.broadcast_to(strength, len(codes)).reshape(-1, *[1] * vector.ndim)
    codes = (codes + strength * vector).astype(codes.dtype)
    _, condition = split_inputs(x)
    moved = {"z": codes} if condition is None else {"z": codes, "condition": condition}
    pieces = batches(moved, batch_size, owner)
    parts = [decoded(model, piece["z"], piece.get("condition")) for piece in pieces]
    return np.concatenate(parts or [np.zeros((0, *model.likelihood.event_shape), codes.dtype)])
