"""What a latent traversal shows: arrays, before any picture."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from keras_vae._inputs import split_inputs
from keras_vae._tfp import tfd
from keras_vae.callbacks._classes import every_class, most_probable
from keras_vae.evaluation import kl_per_dimension
from keras_vae.evaluation._batches import batches
from keras_vae.evaluation._classes import num_classes
from keras_vae.evaluation._moments import moments, samples_of

# More of them would make the cells of a picture too small.
_START_EXAMPLES = 2


@dataclasses.dataclass(frozen=True)
class Traversal:
    """One picture's worth of decoded means. A starting points, R latents, C columns.

    Attributes:
        means: `(A, R, C, *event_shape)`.
        dims: `(R,)`, indices of the flattened latent; of its variables if it is one-hot.
        kl: `(R,)`, mean KL divergence in nats, or None without examples.
        quantiles: `(C,)`, the quantiles of the prior that the columns stand for, or None if they
            are the classes of one-hot latents.
    """

    means: np.ndarray
    dims: np.ndarray
    kl: np.ndarray | None
    quantiles: np.ndarray | None


def traverse(model, x, dims, quantiles):
    """Decodes latents that are moved, one at a time, over quantiles of the prior.

    A latent that is a one-hot vector is moved over its classes, and starts from the most probable.

    Args:
        model: A `VAEModel`.
        x: Examples (or a dictionary with the keys "x" and "condition"). All of them rank the
            latents, the first two are starting points. None starts from the prior's mean.
        dims: List of latents, an integer for as many of the highest rank, or None for all.
        quantiles: `(C,)`, between 0 and 1.
    """
    size = num_classes(model.posterior, "LatentTraversal")
    if x is None:
        prior, condition = model._prior_distribution(None), None
        start, kl = moments(prior)[0], None
    else:
        first = next(batches(x, _START_EXAMPLES, "LatentTraversal"), None)
        if first is None:
            raise ValueError(
                "LatentTraversal expects at least one example. Received: x of length 0. "
                "Leave x out to start from the mean of the prior."
            )
        inputs, condition = split_inputs(keras.tree.map_structure(tf.convert_to_tensor, first))
        prior = model._prior_distribution(condition)
        start = moments(model.encode(inputs, condition))[0]
        kl = kl_per_dimension(model, x)
    if size is None:
        values = _quantiles(prior, quantiles)
        ends = values[[0, -1]]
    else:
        start, quantiles = most_probable(start, size), None
        values = ends = every_class(start.shape[1], size)

    def decode(dims, values):
        return _decode_moved(model, start, condition, dims, values)

    if not isinstance(dims, list):
        # Without examples there is no divergence: what changes the data most comes first.
        rank = _effect_per_latent(decode, ends) if kl is None else kl
        dims = np.argsort(-rank, kind="stable")[:dims]
    _check_range(dims, start.shape[1])
    kl = None if kl is None else kl[dims]
    return Traversal(decode(dims, values), np.asarray(dims), kl, quantiles)


def _decode_moved(model, start, condition, dims, values):
    """Returns the decoded means, `(A, R, C, *event_shape)`.

    Args:
        start: `(A, d)`, or `(A, d, K)` for one-hot vectors.
        dims: `(R,)`.
        values: `(C, A, d)` or `(C, 1, d)`, or the same with K at the end.
    """
    z = np.tile(start, (len(dims), len(values), *[1] * start.ndim))
    for row, dim in enumerate(dims):
        z[row, :, :, dim] = values[:, :, dim]
    z = z.reshape(*z.shape[:3], *model.posterior.event_shape)
    z = tf.cast(z, model.variable_dtype)
    params = model._decoder_params(z, condition, training=False)
    return np.moveaxis(model.likelihood.point_estimate(params).numpy(), 2, 0)


def _effect_per_latent(decode, values):
    """How much the decoded mean moves with each latent, `(d,)`."""
    size = values.shape[2]
    moved = decode(range(size), values).var(axis=2)
    return np.moveaxis(moved, 1, 0).reshape(size, -1).mean(axis=1)


def _quantiles(prior, quantiles):
    """Returns quantiles of each latent on its own, `(C, B, d)`, `(C, 1, d)` without a batch."""
    base = prior.distribution if isinstance(prior, tfd.Independent) else prior
    if isinstance(base, (tfd.Normal, tfd.MultivariateNormalLinearOperator)):
        loc, scale = moments(prior)
        steps = tf.math.ndtri(np.asarray(quantiles, "float64")).numpy()
        return loc + scale * steps[:, np.newaxis, np.newaxis]
    return np.quantile(samples_of(prior), quantiles, axis=0)


def _check_range(dims, size):
    outside = [int(dim) for dim in dims if dim >= size]
    if outside:
        raise ValueError(
            f"LatentTraversal expects dims below the number of latents, {size}. "
            f"Received: dims with {outside}. The first latent is 0, the last one {size - 1}."
        )
