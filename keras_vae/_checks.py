"""Checks of arguments that several classes share."""

import math
import os

import numpy as np
import tensorflow as tf

from keras_vae._tfp import tfd


def number(value, name, owner, minimum=0.0, maximum=math.inf, optional=False):
    """Returns `value` as a float within the limits, or raises with the argument's name."""
    if value is None and optional:
        return None
    what = "a finite number"
    if maximum < math.inf:
        what = f"a number in [{minimum:g}, {maximum:g}]"
    elif minimum > -math.inf:
        what += f" of at least {minimum:g}"
    what += " or None" if optional else ""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(
            f"{owner} expects {name} to be {what}. Received: {name}={value!r}. "
            "Give a Python or NumPy number."
        )
    if not math.isfinite(value) or not minimum <= value <= maximum:
        raise ValueError(
            f"{owner} expects {name} to be {what}. Received: {name}={value!r}. Change the value."
        )
    return float(value)


def count(value, name, owner, minimum=1):
    """Returns `value` as an integer of at least `minimum`, or raises with the argument's name."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(
            f"{owner} expects {name} to be an integer of at least {minimum}. "
            f"Received: {name}={value!r}. Give a Python or NumPy integer."
        )
    if value < minimum:
        raise ValueError(
            f"{owner} expects {name} to be an integer of at least {minimum}. "
            f"Received: {name}={value!r}. Change the value."
        )
    return int(value)


def counts(values, name, owner):
    """Returns `values` as a tuple of integers of at least 1, or raises with the argument's name."""
    if not isinstance(values, (list, tuple)):
        raise TypeError(
            f"{owner} expects {name} to be a tuple of integers. "
            f"Received: {name}={values!r}. For example {name}=(64, 64)."
        )
    return tuple(count(value, name, owner) for value in values)


def choice(value, name, owner, choices):
    """Returns `value` if it is one of `choices`, or raises with the argument's name."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"{owner} expects {name} to be one of {', '.join(map(repr, choices))}. "
            f"Received: {name}={value!r}. Change the value."
        )
    return value


def flag(value, name, owner):
    """Returns `value` as True or False, or raises with the argument's name."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(
            f"{owner} expects {name} to be True or False. Received: {name}={value!r}. "
            "Change the value."
        )
    return bool(value)


def verbosity(value, owner):
    """Returns whether `verbose` asks for a text, or raises."""
    if not isinstance(value, (bool, int, np.integer)) or value not in (0, 1):
        raise ValueError(
            f"{owner} expects verbose to be 0 or 1. Received: verbose={value!r}. Change the value."
        )
    return bool(value)


def items(values, name, owner) -> list:
    """Returns `values` as a list, or raises with the argument's name."""
    if not isinstance(values, (list, tuple)):
        raise TypeError(
            f"{owner} expects {name} to be a list or a tuple. Received: {name}={values!r}. "
            f"For one of them, {name}=[...]."
        )
    return list(values)


def path(value, name, owner):
    """Returns `value` if it can be the name of a file, or raises with the argument's name."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(
            f"{owner} expects {name} to be a string or a path. Received: {name}={value!r}. "
            "Change the value."
        )
    return value


def from_keras(get, value, name, owner):
    """Returns what Keras makes of this name or object, or raises with the argument's name."""
    try:
        return get(value)
    # Keras has errors of several kinds for what it does not know.
    except Exception as error:
        raise ValueError(
            f"{owner} expects {name} to be one that Keras knows, by its name or itself. "
            f"Received: {name}={value!r}. Keras says: {error}"
        ) from error


def real_numbers(value, name, owner, rank=None):
    """Returns `value` as a tensor of floating point numbers, or raises with the argument's name."""
    what = "a tensor of real numbers" + ("" if rank is None else f" with {rank} axes")
    try:
        tensor = tf.convert_to_tensor(value)
    except (TypeError, ValueError):
        tensor = None
    if tensor is None or not (tensor.dtype.is_floating or tensor.dtype.is_integer):
        raise TypeError(
            f"{owner} expects {name} to be {what}. Received: {name}={value!r}. Change the value."
        )
    if rank is not None and tensor.shape.rank not in (None, rank):
        raise ValueError(
            f"{owner} expects {name} to be {what}. Received: {name} of shape "
            f"{tuple(tensor.shape)}. Change the shape."
        )
    return tensor if tensor.dtype.is_floating else tf.cast(tensor, tf.float32)


def samples(z, name, owner, q):
    """Returns `z` as a tensor in the precision of `q`, or raises unless `q` can have drawn it."""
    z = tf.cast(real_numbers(z, name, owner), q.dtype)
    axes = q.event_shape.rank
    if None in (z.shape.rank, axes, q.batch_shape.rank):
        return z
    try:
        leading = z.shape[: max(z.shape.rank - axes, 0)]
        tf.broadcast_static_shape(leading, q.batch_shape)
        fits = z.shape[len(leading) :].is_compatible_with(q.event_shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{owner} expects {name} to be samples, {('...', *q.batch_shape, *q.event_shape)}. "
            f"Received: {name} of shape {tuple(z.shape)}. Take what the distribution's sample() "
            "returns."
        )
    return z


def density(q, owner):
    """Returns the posterior `q` if it has a density, or raises."""
    inner = q.distribution if isinstance(q, tfd.Independent) else q
    if isinstance(inner, tfd.VectorDeterministic):
        raise ValueError(
            f"{owner} expects a posterior with a density. Received: a point, the posterior of a "
            "plain autoencoder. Take MMD or LatentNorm, or another family, such as "
            "MultivariateNormalDiag."
        )
    return q


def distributions(q, p, owner):
    """Raises unless `q` and `p` are distributions of events of one shape."""
    for name, value in (("q", q), ("p", p)):
        if not isinstance(value, tfd.Distribution):
            raise TypeError(
                f"{owner} expects two TFP distributions. Received: {name}={value!r}. "
                "For example families.MultivariateNormalDiag(2)(params)."
            )
    # Without this check TFP repeats an event of size 1.
    if not q.event_shape.is_compatible_with(p.event_shape):
        raise ValueError(
            f"{owner} expects two distributions of events of one shape. "
            f"Received: event shapes {tuple(q.event_shape)} and {tuple(p.event_shape)}. "
            "Give the prior the shape of the latent."
        )
