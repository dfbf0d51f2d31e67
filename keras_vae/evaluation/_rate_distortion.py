import typing

import keras
import numpy as np
import tensorflow as tf

from keras_vae._checks import count
from keras_vae._inputs import split_inputs
from keras_vae._random import as_seed, fold_in
from keras_vae._types import Data, Integer, Seed
from keras_vae.divergences import kl_divergence
from keras_vae.evaluation._batches import batches, refuse_no_example

if typing.TYPE_CHECKING:
    from keras_vae.models import VAEModel


class RateDistortion(typing.NamedTuple):
    """Where a model stands between copying the data and ignoring it, in nats an example.

    Attributes:
        rate: Number, R = E_x KL(q(z|x) || p(z)), what the latents cost.
        distortion: Number, D = -E_x E_q log p(x|z), what is still missing with them.
    """

    rate: float
    distortion: float

    @property
    def elbo(self) -> float:
        """-(R + D), the bound on log p(x)."""
        return -(self.rate + self.distortion)


def rate_distortion(
    model: "VAEModel",
    x: Data,
    num_samples: Integer = 1,
    batch_size: Integer = 256,
    seed: Seed = None,
) -> RateDistortion:
    """Estimates the rate and the distortion of a model: the two parts of its ELBO.

    Models of one ELBO lie on a line; where on it tells whether the latents are used. A rate of 0
    is a collapsed posterior. What `beta` and `KLAnnealing` weigh is not weighed here.

        R = E_x KL(q(z|x) || p(z)),  D = -E_x E_q log p(x|z),  ELBO = -(R + D)          [nats]

    Args:
        model: A `keras_vae.VAEModel`.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        num_samples: Integer >= 1, samples an example. Defaults to 1.
        batch_size: Integer >= 1, examples at a time. Defaults to 256.
        seed: Integer, pair of integers or None. Defaults to None, the model's own noise.

    Returns:
        `RateDistortion(rate, distortion)`, with the property `elbo`.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If a number is below 1 or there is no example.

    Reference:
        Alemi et al., "Fixing a Broken ELBO", 2018, section 2.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> rate_distortion(model, np.zeros((5, 8))).rate
        0.0
    """
    owner = "rate_distortion"
    num_samples = count(num_samples, "num_samples", owner)
    batch_size = count(batch_size, "batch_size", owner)
    refuse_no_example(x, owner)
    seed = model._next_seed() if seed is None else as_seed(seed)
    rates, distortions = [], []
    for index, batch in enumerate(batches(x, batch_size, owner)):
        inputs, condition = split_inputs(keras.tree.map_structure(tf.convert_to_tensor, batch))
        if not model.built:
            model(batch)
        encoded = model._encoder_params(inputs, condition, training=False)
        posterior, z = model.posterior.draw(encoded, num_samples, fold_in(seed, index))
        params = model._decoder_params(z, condition, training=False)
        log_likelihood = model.likelihood.log_likelihood(inputs, params)
        distortions.append(-tf.reduce_mean(log_likelihood, axis=0))
        rates.append(kl_divergence(posterior, model._prior_distribution(condition), z))
    rate, distortion = (
        float(np.concatenate(part).mean(dtype="float64")) for part in (rates, distortions)
    )
    return RateDistortion(rate, distortion)
