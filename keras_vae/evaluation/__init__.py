"""Evaluation: what a trained model knows, as functions of the model and data."""

from keras_vae.evaluation._active_units import active_units
from keras_vae.evaluation._aggregate_posterior import Estimate, aggregate_kl, mutual_information
from keras_vae.evaluation._bits_per_dimension import bits_per_dimension
from keras_vae.evaluation._frechet_distance import frechet_distance
from keras_vae.evaluation._importance import LogLikelihood
from keras_vae.evaluation._kl_per_dimension import kl_per_dimension
from keras_vae.evaluation._log_likelihood import log_likelihood
from keras_vae.evaluation._rate_distortion import RateDistortion, rate_distortion
from keras_vae.evaluation._report import report

__all__ = [
    "Estimate",
    "LogLikelihood",
    "RateDistortion",
    "active_units",
    "aggregate_kl",
    "bits_per_dimension",
    "frechet_distance",
    "kl_per_dimension",
    "log_likelihood",
    "mutual_information",
    "rate_distortion",
    "report",
]
