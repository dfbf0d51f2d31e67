"""Priors p(z) over the latents."""

from keras_vae.priors._conditional_prior import ConditionalPrior
from keras_vae.priors._fit import fit
from keras_vae.priors._flow_prior import FlowPrior
from keras_vae.priors._mixture_prior import MixturePrior
from keras_vae.priors._prior import Prior
from keras_vae.priors._spherical_uniform import SphericalUniform
from keras_vae.priors._standard_normal import StandardNormal
from keras_vae.priors._trainable_prior import TrainablePrior
from keras_vae.priors._uniform_categorical import UniformCategorical
from keras_vae.priors._vamp_prior import VampPrior

__all__ = [
    "ConditionalPrior",
    "FlowPrior",
    "MixturePrior",
    "Prior",
    "SphericalUniform",
    "StandardNormal",
    "TrainablePrior",
    "UniformCategorical",
    "VampPrior",
    "fit",
]
