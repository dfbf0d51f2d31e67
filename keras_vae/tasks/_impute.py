import functools
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from keras_vae._checks import count
from keras_vae._inputs import split_inputs
from keras_vae._random import fold_in
from keras_vae._types import Data, Integer, Seed
from keras_vae.evaluation._batches import num_examples
from keras_vae.evaluation._estimate import samples_at_a_time
from keras_vae.evaluation._importance import weighted_draws
from keras_vae.evaluation._run import run
from keras_vae.evaluation._weighted_mean import weighted_mean
from keras_vae.tasks._resample import resampled

if TYPE_CHECKING:
    from keras_vae.models import VAEModel


def impute(
    model: "VAEModel",
    x: Data,
    num_samples: Integer = 100,
    multiple: Integer | None = None,
    seed: Seed = None,
    batch_size: Integer | None = None,
    verbose: int = 0,
) -> np.ndarray:
    """Fills what is missing (NaN) given what is there: entries of a table, parts of an image.

    Latents are drawn from q(z|x_observed) and weighted by how well they explain what is there, so
    that the result is right for the model, whatever the encoder makes of incomplete data, as
    `num_samples` grows. One imputation is the best guess; several (`multiple`) are draws, whose
    spread tells how sure the model is, for analyses that are repeated on each.

        single:   E[x_missing | x_observed] ~ sum_s w_s E[x_missing | x_observed, z_s] / sum_s w_s
        multiple: z ~ {z_s} with probability w_s / sum w;  x_missing ~ p(x | x_observed, z)
        w_s = p(x_observed|z_s) p(z_s) / q(z_s|x_observed),  z_s ~ q(z|x_observed)

    The best guess is the mean: of binary entries the probability of a one, of counts the expected
    count, which need not be whole. Where a mean is none of the values (class codes, one-hot
    vectors, directions) it is the most probable class or the mean direction, which goes by the
    classes' probabilities over all latents. `multiple` always gives values as they occur in data.
    One-hot vectors and directions of which some entries are missing are filled as a whole.

    The model may have been trained on incomplete data: `fit` leaves NaN out of the likelihood.
    Where `evaluation.log_likelihood(model, x).effective_sample_size` is small, take more samples.

    Args:
        model: A `keras_vae.VAEModel`.
        x: Array `(N, ...)` with NaN where it is missing, or a dictionary with the keys "x" and
            "condition".
        num_samples: Integer >= 1, latents an example. Defaults to 100.
        multiple: Integer >= 1, how many imputations are drawn, or None for the best guess.
            Defaults to None.
        seed: Integer, pair of integers or None. The same seed gives the same imputation. Defaults
            to None, the model's own noise.
        batch_size: Integer or None, examples at a time. Defaults to None, 64.
        verbose: 0 or 1, whether a progress bar is shown. Defaults to 0.

    Returns:
        Array like x without NaN, `(N, ...)`, or `(multiple, N, ...)`.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If a number is below 1, the posterior is a point, or the observed entries of
            an example have no probability.

    Reference:
        Mattei and Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data
        Sets", 2019, equations 12 and 13.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> model = VAEModel(encoder, decoder)
        >>> x = np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, 3.0]])
        >>> impute(model, x).shape, impute(model, x, multiple=5).shape
        ((2, 3), (5, 2, 3))
    """
    owner = "impute"
    if multiple is not None:
        multiple = count(multiple, "multiple", owner)
    num_samples = count(num_samples, "num_samples", owner)
    num_examples(x, owner)
    x = keras.tree.map_structure(np.asarray, x)
    filled, _ = split_inputs(x)
    missing = np.isnan(filled) if filled.dtype.kind == "f" else np.zeros(filled.shape, bool)
    rows = np.flatnonzero(missing.any(axis=tuple(range(1, missing.ndim))))
    # The examples that have nothing missing are left alone.
    results = run(
        model,
        f"impute {multiple}",
        functools.partial(_impute, multiple),
        keras.tree.map_structure(lambda part: part[rows], x),
        num_samples,
        owner,
        batch_size=batch_size,
        seed=seed,
        verbose=verbose,
    )
    if multiple is not None:
        filled = np.repeat(filled[np.newaxis], multiple, axis=0)
    filled = np.array(filled)
    if results:
        axis, where = (0, rows) if multiple is None else (1, (slice(None), rows))
        events, anew, lost = zip(*results, strict=True)
        _refuse_lost(rows[np.concatenate(lost)])
        events, anew = np.concatenate(events, axis=axis), np.concatenate(anew)  # type: ignore[assignment, unused-ignore]
        filled[where] = np.where(anew, events, filled[where])
    return filled


def _impute(multiple, model, inputs, num_samples, seed):
    """Returns events for a batch, which entries of the data they replace, and what has none."""
    x, condition = split_inputs(inputs)
    draw = weighted_draws(model, x, condition, owner="impute")
    chunk = samples_at_a_time(tf.shape(x)[0], num_samples)
    likelihood = model.likelihood

    def given_observed(params):
        return likelihood._data_and_parameters(x, params)

    def expectation(step):
        _, params, log_weight = draw(chunk, fold_in(seed, step))
        return log_weight, likelihood._expectation(*given_observed(params))

    if multiple is None:
        mean = weighted_mean(expectation, num_samples, chunk)
        events, lost = likelihood._event_of(mean), _not_a_number(mean, axis=0)
    else:
        z = resampled(draw, num_samples, chunk, multiple, model.posterior.event_shape, seed)
        params = model._decoder_params(z, condition, training=False)
        observed, missing, *parameters = given_observed(params)
        events = likelihood._sample_missing(observed, missing, fold_in(seed, -1), *parameters)
        lost = _not_a_number(z, axis=1)
    return events, likelihood._missing_events(tf.math.is_nan(x)), lost


def _not_a_number(values, axis):
    """Returns whether there is a NaN for an example, `(B,)`, whose axis this is."""
    flags = [
        tf.reduce_any(tf.math.is_nan(v), [i for i in range(v.shape.rank) if i != axis])
        for v in keras.tree.flatten(values)
    ]
    return tf.reduce_any(tf.stack(flags), axis=0)


def _refuse_lost(rows):
    if rows.size:
        raise ValueError(
            "impute expects observed entries to which the likelihood gives a probability. "
            f"Received: {rows.size} examples without any, the first of them number {rows[0]}. "
            "Look at their range, and whether the model's weights are finite."
        )
