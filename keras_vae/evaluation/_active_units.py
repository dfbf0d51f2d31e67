from typing import TYPE_CHECKING

import numpy as np

from keras_vae._checks import count, number
from keras_vae._types import Data, Integer, Number
from keras_vae.evaluation._batches import batches, refuse_no_example
from keras_vae.evaluation._moments import moments

if TYPE_CHECKING:
    from keras_vae.models import VAEModel


def active_units(
    model: "VAEModel", x: Data, threshold: Number = 0.01, batch_size: Integer = 256
) -> np.ndarray:
    """Returns which latents carry information about the data.

    A latent is active if its posterior mean moves with the data. One that the model has given
    up keeps the prior's mean for every example.

        active_i = Var_x( E_q(z|x)[z_i] ) >= threshold

    Args:
        model: A `keras_vae.VAEModel`.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        threshold: Number >= 0. Defaults to 0.01.
        batch_size: Integer >= 1, examples at a time. Defaults to 256.

    Returns:
        Boolean array of the shape of one latent; its sum is the number of active units.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If a number is out of range or there is no example.

    Reference:
        Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016, section 5.2.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> active_units(model, np.ones((5, 8)))
        array([False, False])
    """
    owner = "active_units"
    threshold = number(threshold, "threshold", owner)
    batch_size = count(batch_size, "batch_size", owner)
    refuse_no_example(x, owner)
    means = [moments(model.encode(batch))[0] for batch in batches(x, batch_size, owner)]
    variance = np.var(np.concatenate(means), axis=0)
    return variance.reshape(model.posterior.event_shape) >= threshold
