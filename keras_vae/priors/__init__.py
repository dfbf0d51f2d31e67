"""Priors p(z) over the latents."""

from keras_vae.priors._prior import Prior
from keras_vae.priors._standard_normal import StandardNormal
from keras_vae.priors._trainable_prior import TrainablePrior

__all__ = ["Prior", "StandardNormal", "TrainablePrior"]
