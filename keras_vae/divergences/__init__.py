"""Divergences between distributions: pure functions of distributions and samples, in nats."""

from keras_vae.divergences._js_divergence import js_divergence
from keras_vae.divergences._kl_divergence import kl_divergence

__all__ = ["js_divergence", "kl_divergence"]
