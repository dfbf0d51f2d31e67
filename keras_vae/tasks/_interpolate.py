from typing import TYPE_CHECKING, Literal

import keras
import numpy as np

from keras_vae._checks import choice, count
from keras_vae._inputs import split_inputs
from keras_vae._types import Data, Integer
from keras_vae.evaluation._batches import num_examples
from keras_vae.tasks._codes import decoded, encoded, with_batch_axis

if TYPE_CHECKING:
    from keras_vae.models import VAEModel

_METHODS = ("linear", "spherical")


def interpolate(
    model: "VAEModel",
    a: Data,
    b: Data,
    num_steps: Integer = 10,
    method: Literal["linear", "spherical"] = "linear",
) -> np.ndarray:
    """Returns what lies between two data points: the way between their codes, decoded.

    The way leads from the mean of q(z|a) to that of q(z|b), so that its ends are the
    reconstructions of a and b. On a line, or along the sphere: each vector on the last axis of
    the code turns at a constant speed, and its length changes evenly. That is the way for
    posteriors on a sphere, which a line leaves. A condition that differs moves on a line.

        linear:    z_t = (1 - t) z_a + t z_b,  t from 0 to 1
        spherical: the direction z_t / |z_t| along the great circle, |z_t| on a line

    Args:
        model: A `keras_vae.VAEModel`.
        a: One data point without a batch axis, or a dictionary with the keys "x" and "condition".
        b: The same, for the other end.
        num_steps: Integer >= 2, with both ends. Defaults to 10.
        method: "linear" or "spherical". Defaults to "linear".

    Returns:
        Array `(num_steps, *event_shape)`.

    Raises:
        TypeError: If `num_steps` is no integer.
        ValueError: If `num_steps` is below 2, `method` is unknown, codes are opposite to each
            other on the sphere, or conditions that differ are whole numbers.

    Reference:
        White, "Sampling Generative Networks", 2016, section 2.1.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> interpolate(model, np.zeros(8), np.ones(8), num_steps=5).shape
        (5, 8)
    """
    owner = "interpolate"
    num_steps = count(num_steps, "num_steps", owner, minimum=2)
    choice(method, "method", owner, _METHODS)
    keys = [sorted(end) if isinstance(end, dict) else ["x"] for end in (a, b)]
    if keys[0] != keys[1] or "x" not in keys[0]:
        raise ValueError(
            f"{owner} expects two arrays, or two dictionaries with the key 'x' and, if the model "
            f"has one, 'condition'. Received: a with the keys {keys[0]} and b with the keys "
            f"{keys[1]}. Change one of them."
        )
    if isinstance(a, dict) != isinstance(b, dict):
        a, b = (end["x"] if isinstance(end, dict) else end for end in (a, b))
    for name, end in (("a", a), ("b", b)):
        num_examples(with_batch_axis(end), owner, name)
    shapes = [np.shape(end["x"] if isinstance(end, dict) else end) for end in (a, b)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{owner} expects two data points of one shape. "
            f"Received: a of shape {shapes[0]} and b of shape {shapes[1]}. Change one of them."
        )
    ends = keras.tree.map_structure(
        lambda *parts: np.concatenate(parts), with_batch_axis(a), with_batch_axis(b)
    )
    codes = encoded(model, ends, owner)
    shares = np.linspace(0.0, 1.0, num_steps)
    way = _line if method == "linear" else _great_circle
    start, end = np.asarray(codes, np.float64)
    z = way(start, end, shares).astype(codes.dtype)
    _, condition = split_inputs(ends)
    return decoded(model, z, None if condition is None else _conditions(condition, shares))


def _line(a, b, shares):
    shares = shares.reshape(-1, *[1] * np.ndim(a))
    return (1.0 - shares) * a + shares * b


def _great_circle(a, b, shares):
    lengths = [np.linalg.norm(end, axis=-1, keepdims=True) for end in (a, b)]
    # A vector of length 0 has no direction: that of the other one.
    a, b = np.where(lengths[0] > 0, a, b), np.where(lengths[1] > 0, b, a)
    a, b = (end / np.maximum(np.linalg.norm(end, axis=-1, keepdims=True), 1e-30) for end in (a, b))
    # From chords: the cosine has few digits for small angles.
    angle = 2.0 * np.arctan2(*(np.linalg.norm(c, axis=-1, keepdims=True) for c in (a - b, a + b)))
    if np.any(np.pi - angle < 1e-6):
        raise ValueError(
            "interpolate expects codes that are not opposite to each other where method is "
            "'spherical'. Received: two codes in opposite directions, between which every "
            "great circle is as short. Take method='linear'."
        )
    shares = shares.reshape(-1, *[1] * np.ndim(a))
    # Both weights are the shares themselves in the limit of no angle.
    small = angle < 1e-8
    sine = np.sin(np.where(small, 1.0, angle))
    weights = [np.where(small, t, np.sin(t * angle) / sine) for t in (1.0 - shares, shares)]
    return (weights[0] * a + weights[1] * b) * _line(*lengths, shares.ravel())


def _conditions(condition, shares):
    """Returns the condition of each step."""
    start, end = condition
    if np.array_equal(start, end):
        return np.repeat(condition[:1], len(shares), axis=0)
    if condition.dtype.kind != "f":
        raise ValueError(
            "interpolate expects conditions that are equal, or floating-point numbers. "
            f"Received: conditions of dtype {condition.dtype} that differ, between which there is "
            "nothing. Give both the same condition."
        )
    return _line(start, end, shares).astype(condition.dtype)
