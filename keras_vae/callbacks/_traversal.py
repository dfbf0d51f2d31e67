"""What a latent traversal shows: arrays, before any picture."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from keras_vae._inputs import split_inputs

_PRIOR_SAMPLES = 4096
_START_EXAMPLES = 3


@dataclasses.dataclass(frozen=True)
class Traversal:
    """One picture's worth of decoded means.

    Attributes:
        means: `(examples, latents, steps, *event_shape)`.
        dims: `(latents,)`, their indices in the flattened latent, most informative first.
        kl: `(latents,)`, mean KL divergence in nats, or None without examples.
        quantiles: `(steps,)`, the quantiles of the prior that the columns stand for.
    """

    means: np.ndarray
    dims: np.ndarray
    kl: np.ndarray | None
    quantiles: np.ndarray


def traverse(model, x, dims, quantiles):
    """Decodes latents that are moved, one at a time, over quantiles of the prior.

    Args:
        model: A `VAEModel`.
        x: Examples (or a dictionary with the keys "x" and "condition"). All of them rank the
            latents, the first three are starting points. None starts from the prior's mean.
        dims: Indices of latents, an integer for as many of the highest rank, or None for all.
        quantiles: `(steps,)`, between 0 and 1.
    """
    quantiles = np.asarray(quantiles)
    if x is None:
        prior, condition, start, kl = model._prior_distribution(None), None, None, None
    else:
        inputs, condition = split_inputs(x)
        posterior = model.encode(inputs, condition)
        prior = model._prior_distribution(condition)
        start = _flat(posterior.mean())[:_START_EXAMPLES]
        condition = None if condition is None else condition[:_START_EXAMPLES]
        kl = _kl_per_latent(posterior, prior)
    samples = _flat_samples(prior)
    if start is None:
        start = samples.mean(axis=0, keepdims=True)
    values = np.quantile(samples, quantiles, axis=0)
    ranked = np.arange(start.shape[1]) if kl is None else np.argsort(-kl, kind="stable")
    chosen = ranked if dims is None else ranked[:dims] if isinstance(dims, int) else np.array(dims)
    if (kl is None and dims is None) or (kl is None and isinstance(dims, int)):
        chosen = _by_effect(model, start, condition, ranked, values)[: len(chosen)]
    means = _decode_moved(model, start, condition, chosen, values)
    return Traversal(means, chosen, None if kl is None else kl[chosen], quantiles)


def _decode_moved(model, start, condition, dims, values):
    """Returns the decoded means, `(examples, latents, steps, *event_shape)`."""
    shape = (len(start), len(dims), len(values))
    z = np.broadcast_to(start[:, None, None, :], (*shape, start.shape[1])).copy()
    for row, dim in enumerate(dims):
        z[:, row, :, dim] = values[:, dim]
    z = z.reshape(-1, *model.posterior.event_shape).astype("float32")
    if condition is not None:
        condition = np.repeat(condition, len(dims) * len(values), axis=0)
    means = model.decode(z, condition).mean().numpy()
    return means.reshape(*shape, *means.shape[1:])


def _by_effect(model, start, condition, dims, values):
    """Orders latents by how much the decoded mean moves with them."""
    means = _decode_moved(model, start, condition, dims, values[[0, -1]])
    moved = np.square(means[:, :, 1] - means[:, :, 0])
    effect = np.mean(np.moveaxis(moved, 1, 0).reshape(len(dims), -1), axis=1)
    return dims[np.argsort(-effect, kind="stable")]


def _kl_per_latent(posterior, prior):
    """Mean over the examples of each latent's own KL divergence, `(latents,)`.

    Exact for normal posteriors and priors with diagonal covariances, else that of the normal
    distributions with the same means and standard deviations.
    """
    loc, scale = _flat(posterior.mean()), np.maximum(_flat(posterior.stddev()), 1e-6)
    prior_loc, prior_scale = _moments(prior)
    ratio = np.square(scale / prior_scale)
    distance = np.square((loc - prior_loc) / prior_scale)
    return np.mean(0.5 * (ratio + distance - 1.0 - np.log(ratio)), axis=0)


def _moments(prior):
    try:
        return _flat_event(prior, prior.mean()), _flat_event(prior, prior.stddev())
    except NotImplementedError:
        samples = _flat_samples(prior)
        return samples.mean(axis=0), samples.std(axis=0)


def _flat_event(prior, value):
    return _flat(value) if prior.batch_shape.rank else _flat(value[tf.newaxis])


def _flat_samples(prior):
    samples = prior.sample(_PRIOR_SAMPLES, seed=tf.constant([20, 14]))
    if prior.batch_shape.rank:
        samples = tf.reshape(samples, (-1, *prior.event_shape))
    return _flat(samples)


def _flat(value):
    value = keras.ops.convert_to_numpy(value)
    return value.reshape(len(value), -1).astype("float64")
