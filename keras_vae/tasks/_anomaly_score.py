import functools
from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf

from keras_vae._checks import choice
from keras_vae._inputs import split_inputs
from keras_vae._random import fold_in
from keras_vae._types import Data, Integer, Seed
from keras_vae.evaluation._estimate import samples_at_a_time
from keras_vae.evaluation._importance import importance_estimate, weighted_draws
from keras_vae.evaluation._run import run
from keras_vae.evaluation._weighted_mean import weighted_mean

if TYPE_CHECKING:
    from keras_vae.models import VAEModel

_METHODS = ("log_likelihood", "elbo", "reconstruction_probability")


def anomaly_score(
    model: "VAEModel",
    x: Data,
    method: Literal["log_likelihood", "elbo", "reconstruction_probability"] = "log_likelihood",
    num_samples: Integer = 100,
    per_feature: bool = False,
    batch_size: Integer | None = None,
    seed: Seed = None,
    verbose: int = 0,
) -> np.ndarray:
    """Returns how strange each example is to the model, higher for stranger, in nats.

    `calibrate_threshold` tells from which score on an example is to be called an anomaly. Missing
    entries (NaN) leave the score, which is then that of what is there. Data that the likelihood
    gives no probability to have the score infinity.

        "log_likelihood":             -log p(x), by importance sampling
        "elbo":                       -E_q[log p(x|z) + log p(z) - log q(z|x)], a bound on it
        "reconstruction_probability": -E_q log p(x|z), whatever the latents cost     [nats]

    The last has a part for each entry (`per_feature`), which shows where an example is strange;
    and it is the one that a plain autoencoder has. What is rare but simple, such as an empty
    image, may have a low score by each of them: look at data of your own.

    Args:
        model: A `keras_vae.VAEModel`.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        method: "log_likelihood", "elbo" or "reconstruction_probability". Defaults to
            "log_likelihood".
        num_samples: Integer >= 1, latents an example. Defaults to 100.
        per_feature: Whether the parts of the reconstruction probability are returned. They are
            NaN where the data are, and their sum is the score. Defaults to False.
        batch_size: Integer or None, examples at a time. Defaults to None, 64.
        seed: Integer, pair of integers or None. The same seed gives the same scores. Defaults to
            None, the model's own noise.
        verbose: 0 or 1, whether a progress bar is shown. Defaults to 0.

    Returns:
        Array `(N,)`, or `(N, *event_shape)` per feature.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If `method` is unknown, a number is below 1, the posterior is a point where
            its density is needed, or the entries of the likelihood depend on each other.

    Reference:
        An and Cho, "Variational Autoencoder based Anomaly Detection using Reconstruction
        Probability", 2015, algorithm 4.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder)
        >>> scores = anomaly_score(model, np.repeat([[1.0], [100.0]], 8, axis=1), seed=1)
        >>> bool(scores[1] > scores[0])
        True
    """
    owner = "anomaly_score"
    choice(method, "method", owner, _METHODS)
    if per_feature and method != "reconstruction_probability":
        raise ValueError(
            f"{owner} expects method='reconstruction_probability' where per_feature is True, "
            f"since no other score is a sum over features. Received: method={method!r}. "
            "Change the method."
        )
    function = functools.partial(_FUNCTIONS[method], bool(per_feature))
    name = f"{owner} {method} {bool(per_feature)}"
    results = run(
        model,
        name,
        function,
        x,
        num_samples,
        owner,
        batch_size=batch_size,
        seed=seed,
        verbose=verbose,
    )
    if not results:
        shape = model.likelihood.event_shape if per_feature else ()
        return np.zeros((0, *shape), np.float32)
    return np.concatenate(results)


def _log_likelihood(per_feature, model, inputs, num_samples, seed):
    del per_feature
    x, condition = split_inputs(inputs)
    return -importance_estimate(model, x, condition, num_samples, seed).log_prob


def _elbo(per_feature, model, inputs, num_samples, seed):
    del per_feature
    x, condition = split_inputs(inputs)
    draw = weighted_draws(model, x, condition, owner="anomaly_score")
    return -_mean(lambda *size_and_seed: draw(*size_and_seed)[2], x, num_samples, seed)


def _reconstruction_probability(per_feature, model, inputs, num_samples, seed):
    x, condition = split_inputs(inputs)
    encoded = model._encoder_params(x, condition, training=False)
    likelihood = model.likelihood

    def log_likelihood(size, seed):
        z = model.posterior.draw(encoded, size, seed)[1]
        params = model._decoder_params(z, condition, training=False)
        if per_feature:
            return likelihood.entry_log_likelihood(x, params)
        return likelihood.log_likelihood(x, params)

    score = -_mean(log_likelihood, x, num_samples, seed)
    if not per_feature:
        return score
    return tf.where(tf.math.is_nan(tf.cast(x, score.dtype)), float("nan"), score)


_FUNCTIONS = {
    "log_likelihood": _log_likelihood,
    "elbo": _elbo,
    "reconstruction_probability": _reconstruction_probability,
}


def _mean(values, x, num_samples, seed):
    """Returns the mean over samples of what a function of their number and a seed gives."""
    batch_size = tf.shape(x)[0]
    chunk = samples_at_a_time(batch_size, num_samples)

    def equally_weighted(step):
        value = values(chunk, fold_in(seed, step))
        return tf.zeros([chunk, batch_size], value.dtype), value

    return weighted_mean(equally_weighted, num_samples, chunk)
