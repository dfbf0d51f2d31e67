import functools
from typing import TYPE_CHECKING, Literal

import keras
import numpy as np

from keras_vae._checks import choice, count
from keras_vae._inputs import split_inputs
from keras_vae._types import Data, Integer, Seed
from keras_vae.evaluation._annealed import AnnealedImportanceSampling
from keras_vae.evaluation._estimate import LogLikelihood
from keras_vae.evaluation._importance import importance_estimate
from keras_vae.evaluation._run import run

if TYPE_CHECKING:
    from keras_vae.models import VAEModel

_METHODS = ("importance", "prior", "ais")
# Entries of the data times samples, where compiling a likelihood takes as long as it saves.
_MANY_ENTRIES = 200_000_000


def log_likelihood(
    model: "VAEModel",
    x: Data,
    num_samples: Integer | None = None,
    method: Literal["importance", "prior", "ais"] | AnnealedImportanceSampling = "importance",
    batch_size: Integer | None = None,
    seed: Seed = None,
    verbose: int = 0,
) -> LogLikelihood:
    """Estimates log p(x) of each example, with its standard error.

    Importance sampling with q(z|x) as proposal; for few samples the estimate is low, for many it
    is exact. The memory it takes does not grow with the number of samples. `method="prior"` is
    the naive estimate that samples the prior, shown for comparison: in more than a few
    dimensions nearly no sample of the prior explains x. `method="ais"` moves samples of the prior
    to the true posterior: an estimate that does not rely on q, thousands of times as dear.

        log p(x) ~ log 1/S sum_s p(x|z_s) p(z_s) / q(z_s|x),  z_s ~ q(z|x)              [nats]

    An effective sample size far below `num_samples` means that few samples carry the estimate
    and that its standard error is too small: check it with "ais". The function is traced at the
    first call and kept with the model, for any number of samples and examples. From 2e8 entries
    (examples x entries x samples) on, the likelihood is compiled by XLA, where it can be.

    Args:
        model: A `keras_vae.VAEModel`.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition".
        num_samples: Integer >= 1, samples (of "ais", chains) an example. Defaults to None: 1000,
            or 16 chains.
        method: "importance", "prior", "ais" or `AnnealedImportanceSampling(...)`. Defaults to
            "importance".
        batch_size: Integer or None, examples at a time. Defaults to None, 64.
        seed: Integer, pair of integers or None. The same seed gives the same estimate. Defaults
            to None, the model's own noise.
        verbose: 0 or 1, whether a progress bar is shown. Defaults to 0.

    Returns:
        `LogLikelihood(log_prob, standard_error, effective_sample_size)`, each `(N,)`.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If `method` is unknown or a number below 1, or if the posterior is one that
            the method does not take: a point, or for "ais" one that is not of real numbers.

    Reference:
        Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016, equation 8.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> log_likelihood(model, np.ones((5, 8)), num_samples=10, seed=1).log_prob.shape
        (5,)
    """
    owner = "log_likelihood"
    name, method = _method(method, owner)
    if num_samples is None:
        num_samples = 16 if isinstance(method, AnnealedImportanceSampling) else 1000
    num_samples = count(num_samples, "num_samples", owner)
    many = num_samples * sum(map(np.size, keras.tree.flatten(x))) >= _MANY_ENTRIES
    many &= not isinstance(method, AnnealedImportanceSampling)
    results = run(
        model,
        f"{name}, many" if many else name,
        functools.partial(_estimate, method, many),
        x,
        num_samples,
        owner,
        batch_size=batch_size,
        seed=seed,
        verbose=verbose,
    )
    if not results:
        return LogLikelihood(*(np.zeros(0, np.float32) for _ in range(3)))
    return LogLikelihood(*(np.concatenate(part) for part in zip(*results, strict=True)))


def _method(method, owner):
    """Returns the name that functions are kept under, and the method."""
    if isinstance(method, str) or not isinstance(method, AnnealedImportanceSampling):
        choice(method, "method", owner, _METHODS)
        method = AnnealedImportanceSampling() if method == "ais" else method
    return repr(method), method


def _estimate(method, many, model, inputs, num_samples, seed):
    x, condition = split_inputs(inputs)
    if isinstance(method, AnnealedImportanceSampling):
        return method.estimate(model, x, condition, num_samples, seed)
    proposal = "posterior" if method == "importance" else "prior"
    return importance_estimate(model, x, condition, num_samples, seed, proposal, many)
