from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vae._checks import count, verbosity
from keras_vae._random import as_seed, fold_in
from keras_vae._types import Data, Integer, Seed
from keras_vae.evaluation._active_units import active_units
from keras_vae.evaluation._aggregate_posterior import information
from keras_vae.evaluation._batches import num_examples
from keras_vae.evaluation._bits_per_dimension import bits_per_dimension
from keras_vae.evaluation._kl_per_dimension import kl_per_dimension
from keras_vae.evaluation._log_likelihood import log_likelihood
from keras_vae.evaluation._rate_distortion import rate_distortion
from keras_vae.families import Bernoulli

if TYPE_CHECKING:
    from keras_vae.models import VAEModel

_LATENTS_IN_A_LINE = 6


def report(
    model: "VAEModel",
    x: Data,
    num_samples: Integer = 100,
    batch_size: Integer = 64,
    seed: Seed = None,
    verbose: int = 1,
) -> dict[str, Any]:
    """Prints what a model has learned as one table, and returns the numbers.

    Read it from the top: how good the model is, how far its bound is from that, what the bound
    is made of, and which latents carry it.

    Args:
        model: A `keras_vae.VAEModel` whose posterior has a density.
        x: Array `(N, ...)`, or a dictionary with the keys "x" and "condition". The time grows
            with N^2: some thousand examples at most.
        num_samples: Integer >= 2, samples an example for log p(x). Defaults to 100.
        batch_size: Integer >= 1, examples at a time. Defaults to 64.
        seed: Integer, pair of integers or None. Defaults to None, the model's own noise.
        verbose: 0 or 1, whether the table is printed. Defaults to 1.

    Returns:
        Dictionary with numbers in nats an example: "log_likelihood", "elbo", "distortion",
        "rate", "mutual_information", "aggregate_kl" (not with a conditional prior), and the
        "standard_error" of the first; arrays with an entry for each latent: "kl_per_dimension",
        "active_units"; and "bits_per_dimension" of data that are whole numbers.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If a number is out of range, there is no example, or the posterior is a
            point.

    Example:
        >>> import keras, numpy as np
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> numbers = report(model, np.zeros((5, 8)), verbose=0)
        >>> numbers["rate"]
        0.0
    """
    num_samples = count(num_samples, "num_samples", "report", minimum=2)
    seed = model._next_seed() if seed is None else as_seed(seed)
    verbose = verbosity(verbose, "report")
    # First, since it refuses a point, for which nothing below means much.
    mutual_information, divergence = information(
        model, x, 1, batch_size, fold_in(seed, 0), "report"
    )
    numbers = {"mutual_information": mutual_information.value}
    if divergence is not None:
        numbers["aggregate_kl"] = divergence.value
    estimate = log_likelihood(
        model, x, num_samples, batch_size=batch_size, seed=fold_in(seed, 1), verbose=0
    )
    numbers["log_likelihood"] = float(estimate.log_prob.mean(dtype="float64"))
    errors = np.sqrt(np.mean(np.square(estimate.standard_error, dtype="float64")))
    numbers["standard_error"] = float(errors / np.sqrt(len(estimate.log_prob)))
    parts = rate_distortion(model, x, batch_size=batch_size, seed=fold_in(seed, 2))
    numbers.update(elbo=parts.elbo, rate=parts.rate, distortion=parts.distortion)
    numbers["kl_per_dimension"] = kl_per_dimension(model, x, batch_size)
    numbers["active_units"] = active_units(model, x, batch_size=batch_size)
    if isinstance(model.likelihood, Bernoulli) or getattr(model.likelihood, "integers", False):
        numbers["bits_per_dimension"] = bits_per_dimension(
            numbers["log_likelihood"], model.likelihood.event_shape
        )
    if verbose:
        print(_table(numbers, num_examples(x, "report"), num_samples))
    return numbers


def _table(numbers, size, num_samples):
    rows = [
        (
            f"log p(x), {num_samples} samples",
            f"{numbers['log_likelihood']:.2f} +- {numbers['standard_error']:.2f}",
        ),
        ("ELBO = -(distortion + rate)", f"{numbers['elbo']:.2f}"),
        ("  distortion -E_q log p(x|z)", f"{numbers['distortion']:.2f}"),
        ("  rate KL(q(z|x) || p(z))", f"{numbers['rate']:.2f}"),
        ("    mutual information I_q(x; z)", f"{numbers['mutual_information']:.2f}"),
    ]
    if "aggregate_kl" in numbers:
        rows.append(("    aggregate KL(q(z) || p(z))", f"{numbers['aggregate_kl']:.2f}"))
    if "bits_per_dimension" in numbers:
        rows.append(("bits per dimension", f"{numbers['bits_per_dimension']:.3f}"))
    active, kl = numbers["active_units"], numbers["kl_per_dimension"]
    rows.append(("active units", f"{active.sum()} of {active.size}"))
    width = max(len(name) for name, _ in rows)
    lines = [f"{size} examples; nats an example unless said otherwise"]
    lines += [f"{name:<{width}}  {value}" for name, value in rows]
    ranked = [f"z{index} {kl[index]:.2f}" for index in np.argsort(-kl, kind="stable")]
    lines.append("rate of each latent on its own, the largest first:")
    for start in range(0, len(ranked), _LATENTS_IN_A_LINE):
        lines.append("  " + ", ".join(ranked[start : start + _LATENTS_IN_A_LINE]))
    return "\n".join(lines)
