"""Evaluation: what a trained model knows, as functions of the model and data.

The disentanglement scores are functions of codes, such as the means of q(z|x), and of the known
factors of the same examples.
"""

from keras_vae.evaluation._active_units import active_units
from keras_vae.evaluation._aggregate_posterior import Estimate, aggregate_kl, mutual_information
from keras_vae.evaluation._annealed import AnnealedImportanceSampling
from keras_vae.evaluation._beta_vae_score import beta_vae_score
from keras_vae.evaluation._bits_per_dimension import bits_per_dimension
from keras_vae.evaluation._dci import DCI, dci
from keras_vae.evaluation._estimate import LogLikelihood
from keras_vae.evaluation._factor_vae_score import factor_vae_score
from keras_vae.evaluation._frechet_distance import frechet_distance
from keras_vae.evaluation._kl_per_dimension import kl_per_dimension
from keras_vae.evaluation._log_likelihood import log_likelihood
from keras_vae.evaluation._modularity import modularity
from keras_vae.evaluation._mutual_information_gap import mutual_information_gap
from keras_vae.evaluation._rate_distortion import RateDistortion, rate_distortion
from keras_vae.evaluation._report import report
from keras_vae.evaluation._sap_score import sap_score

__all__ = [
    "DCI",
    "AnnealedImportanceSampling",
    "Estimate",
    "LogLikelihood",
    "RateDistortion",
    "active_units",
    "aggregate_kl",
    "beta_vae_score",
    "bits_per_dimension",
    "dci",
    "factor_vae_score",
    "frechet_distance",
    "kl_per_dimension",
    "log_likelihood",
    "modularity",
    "mutual_information",
    "mutual_information_gap",
    "rate_distortion",
    "report",
    "sap_score",
]
