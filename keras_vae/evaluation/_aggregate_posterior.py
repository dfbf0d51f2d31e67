"""The aggregate posterior q(z): what the encoder makes of all the data."""

import typing

import keras
import numpy as np
import tensorflow as tf

from keras_vae._checks import count, density
from keras_vae._inputs import split_inputs
from keras_vae._random import as_seed, fold_in
from keras_vae._types import Data, Integer, Seed
from keras_vae.evaluation._batches import batches, refuse_no_example

if typing.TYPE_CHECKING:
    from keras_vae.models import VAEModel

# Posteriors, and pairs of a sample and a posterior, at a time.
_POSTERIORS = 2**8
_PAIRS = 2**16


class Estimate(typing.NamedTuple):
    """A mean over samples.

    Attributes:
        value: Number, in nats.
        standard_error: Number, from the spread between the examples: how far the value for other
            examples may be from it. Another seed moves it less.
    """

    value: float
    standard_error: float


def mutual_information(
    model: "VAEModel",
    x: Data,
    num_samples: Integer = 1,
    batch_size: Integer = 256,
    seed: Seed = None,
) -> Estimate:
    """Estimates how much the latents tell about which example they come from.

    Zero if all examples have one posterior, log N if no two of N posteriors overlap. It is a
    property of these N examples: where it is near log N, more of them would raise it.

        I_q(x; z) = E_x KL(q(z|x) || q(z)),  q(z) = 1/N sum_n q(z|x_n)                  [nats]

    The time grows with N^2: some thousand examples are enough.

    Args:
        model: A `keras_vae.VAEModel`.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        num_samples: Integer >= 1, samples an example. Defaults to 1.
        batch_size: Integer >= 1, examples at a time. Defaults to 256.
        seed: Integer, pair of integers or None. Defaults to None, the model's own noise.

    Returns:
        `Estimate(value, standard_error)`.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If a number is below 1, there is no example, or the posterior is a point.

    Reference:
        Hoffman and Johnson, "ELBO surgery", 2016.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> round(mutual_information(model, np.zeros((5, 8))).value, 3) + 0.0
        0.0
    """
    return information(model, x, num_samples, batch_size, seed, "mutual_information")[0]


def aggregate_kl(
    model: "VAEModel",
    x: Data,
    num_samples: Integer = 1,
    batch_size: Integer = 256,
    seed: Seed = None,
) -> Estimate:
    """Estimates how far the latents of all the data, together, are from the prior.

    Where it is large, samples of the prior land where the decoder has learned nothing. With the
    mutual information it makes up the KL divergence of training.

        KL(q(z) || p(z)),  q(z) = 1/N sum_n q(z|x_n)                                    [nats]
        E_x KL(q(z|x) || p(z)) = I_q(x; z) + KL(q(z) || p(z))

    Args:
        model: A `keras_vae.VAEModel` with one prior for all examples.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        num_samples: Integer >= 1, samples an example. Defaults to 1.
        batch_size: Integer >= 1, examples at a time. Defaults to 256.
        seed: Integer, pair of integers or None. Defaults to None, the model's own noise.

    Returns:
        `Estimate(value, standard_error)`.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If a number is below 1, there is no example, the posterior is a point, or
            the prior differs from example to example.

    Reference:
        Hoffman and Johnson, "ELBO surgery", 2016.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> round(aggregate_kl(model, np.zeros((5, 8))).value, 3) + 0.0
        0.0
    """
    _, divergence = information(model, x, num_samples, batch_size, seed, "aggregate_kl")
    if divergence is None:
        raise ValueError(
            "aggregate_kl expects one prior for all examples. Received: a prior that depends on "
            "the condition. Evaluate the examples of each condition on their own."
        )
    return divergence


def information(model, x, num_samples, batch_size, seed, owner):
    """Returns I_q(x; z) and KL(q(z) || p(z)), None where the prior depends on the condition."""
    log_posterior, log_aggregate, log_prior = _log_densities(
        model, x, num_samples, batch_size, seed, owner
    )
    divergence = None if log_prior is None else _mean(log_aggregate - log_prior)
    return _mean(log_posterior - log_aggregate), divergence


def _log_densities(model, x, num_samples, batch_size, seed, owner):
    """Returns log q(z|x), log q(z) and log p(z) of samples of the posteriors, `(S, N)` each.

    The last is None if the prior depends on the condition.
    """
    num_samples = count(num_samples, "num_samples", owner)
    batch_size = count(batch_size, "batch_size", owner)
    refuse_no_example(x, owner)
    seed = model._next_seed() if seed is None else as_seed(seed)
    params, samples, log_posterior, log_prior = [], [], [], []
    for index, batch in enumerate(batches(x, batch_size, owner)):
        inputs, condition = split_inputs(keras.tree.map_structure(tf.convert_to_tensor, batch))
        if not model.built:
            model(batch)
        params.append(model._encoder_params(inputs, condition, training=False))
        posterior = density(model.posterior(params[-1]), owner)
        noise = fold_in(seed, index)
        z, log_prob = posterior.experimental_sample_and_log_prob(num_samples, seed=noise)
        prior = model._prior_distribution(condition)
        samples.append(z)
        log_posterior.append(log_prob)
        log_prior.append(None if prior.batch_shape.rank else prior.log_prob(z))
    params = keras.tree.map_structure(lambda *parts: tf.concat(parts, 0), *params)
    z = tf.concat(samples, 1)
    log_aggregate = _log_aggregate(model.posterior, params, tf.reshape(z, (-1, *z.shape[2:])))
    log_prior = None if log_prior[0] is None else np.concatenate(log_prior, axis=1)
    return np.concatenate(log_posterior, axis=1), log_aggregate.reshape(z.shape[:2]), log_prior


def _log_aggregate(family, params, z):
    """Returns log q(z) of each point, `(M,)`, as the mean over the posteriors of N examples."""
    num_posteriors = keras.tree.flatten(params)[0].shape[0]
    columns = min(num_posteriors, _POSTERIORS)
    rows = max(1, _PAIRS // columns)

    def log_sum(points, some_params):
        posterior = family(some_params)
        # Tiled: not every distribution broadcasts its points against its batch.
        size = posterior.batch_shape_tensor()[0]
        pairs = tf.repeat(points[:, tf.newaxis], size, axis=1)
        return tf.reduce_logsumexp(posterior.log_prob(pairs), axis=1)

    compiled = tf.function(log_sum, autograph=False).get_concrete_function(
        _any_length(z), keras.tree.map_structure(_any_length, params)
    )

    chunks = [
        keras.tree.map_structure(lambda part, i=start: part[i : i + columns], params)
        for start in range(0, num_posteriors, columns)
    ]

    def log_mean(points):
        sums = [compiled(points, chunk) for chunk in chunks]
        return tf.reduce_logsumexp(tf.stack(sums), axis=0) - np.log(num_posteriors)

    parts = [log_mean(z[start : start + rows]) for start in range(0, z.shape[0], rows)]
    return np.concatenate([part.numpy() for part in parts])


def _any_length(tensor):
    return tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype)


def _mean(values):
    """Returns the mean over `(S, N)`; the samples of one example count as one number."""
    examples = np.asarray(values, "float64").mean(axis=0)
    size = len(examples)
    error = examples.std(ddof=1) / np.sqrt(size) if size > 1 else float("inf")
    return Estimate(float(examples.mean()), float(error))
