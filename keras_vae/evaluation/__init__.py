"""Evaluation: what a trained model knows, as functions of the model and data."""

from keras_vae.evaluation._active_units import active_units
from keras_vae.evaluation._annealed import AnnealedImportanceSampling
from keras_vae.evaluation._estimate import LogLikelihood
from keras_vae.evaluation._log_likelihood import log_likelihood

__all__ = ["AnnealedImportanceSampling", "LogLikelihood", "active_units", "log_likelihood"]
