from typing import TYPE_CHECKING

import numpy as np

from keras_vae._checks import count
from keras_vae._inputs import split_inputs
from keras_vae._types import Data, Integer
from keras_vae.evaluation._batches import batches, refuse_no_example
from keras_vae.evaluation._classes import kl_per_variable, num_classes
from keras_vae.evaluation._moments import moments

if TYPE_CHECKING:
    from keras_vae.models import VAEModel


def kl_per_dimension(model: "VAEModel", x: Data, batch_size: Integer = 256) -> np.ndarray:
    """Returns how many nats each latent carries: its own KL divergence, averaged over the data.

    A latent that the model has given up carries none. Where the latents of posterior and prior
    are independent, the sum is the KL divergence that training logs.

        kl_i = E_x KL(q(z_i|x) || p(z_i))                                               [nats]

    Exact for latents that are classes and for normal posteriors and priors; for others it is that
    of the normal distributions with the same means and standard deviations. A point, the
    posterior of an autoencoder, has no entropy, which is then left out.

    Args:
        model: A `keras_vae.VAEModel`.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        batch_size: Integer >= 1, examples at a time. Defaults to 256.

    Returns:
        Array `(d,)`, one number for each latent, or for each variable of one-hot latents.

    Raises:
        TypeError: If `batch_size` is no integer.
        ValueError: If it is below 1, or there is no example.

    Reference:
        Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016, section 5.2.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> kl_per_dimension(model, np.zeros((5, 8)))
        array([0., 0.])
    """
    owner = "kl_per_dimension"
    batch_size = count(batch_size, "batch_size", owner)
    refuse_no_example(x, owner)
    size = num_classes(model.posterior, owner)
    divergences = []
    for batch in batches(x, batch_size, owner):
        inputs, condition = split_inputs(batch)
        loc, scale = moments(model.encode(inputs, condition))
        prior_loc, prior_scale = moments(model._prior_distribution(condition))
        if size is None:
            divergences.append(_kl_of_normals(loc, scale, prior_loc, prior_scale))
        else:
            divergences.append(kl_per_variable(loc, prior_loc, size))
    return np.concatenate(divergences).mean(axis=0)


def _kl_of_normals(loc, scale, prior_loc, prior_scale):
    variance = np.square(scale / prior_scale)
    distance = np.square((loc - prior_loc) / prior_scale)
    spread = np.where(variance > 0, variance - 1 - np.log(np.maximum(variance, 1e-30)), 0)
    return 0.5 * (distance + spread)
