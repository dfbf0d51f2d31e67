"""Divergences between distributions: pure functions of distributions and samples, in nats."""

from keras_vae.divergences._js_divergence import js_divergence
from keras_vae.divergences._kl_divergence import kl_divergence
from keras_vae.divergences._maximum_mean_discrepancy import maximum_mean_discrepancy
from keras_vae.divergences._total_correlation import (
    KLDecomposition,
    kl_decomposition,
    total_correlation,
)

__all__ = [
    "KLDecomposition",
    "js_divergence",
    "kl_decomposition",
    "kl_divergence",
    "maximum_mean_discrepancy",
    "total_correlation",
]
