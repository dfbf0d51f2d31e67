"""Evaluation: what a trained model knows, as functions of the model and data.

The disentanglement scores are functions of codes, such as the means of q(z|x), and of the known
factors of the same examples.
"""

from keras_vae.evaluation._active_units import active_units
from keras_vae.evaluation._beta_vae_score import beta_vae_score
from keras_vae.evaluation._dci import DCI, dci
from keras_vae.evaluation._factor_vae_score import factor_vae_score
from keras_vae.evaluation._importance import LogLikelihood
from keras_vae.evaluation._log_likelihood import log_likelihood
from keras_vae.evaluation._modularity import modularity
from keras_vae.evaluation._mutual_information_gap import mutual_information_gap
from keras_vae.evaluation._sap_score import sap_score

__all__ = [
    "DCI",
    "LogLikelihood",
    "active_units",
    "beta_vae_score",
    "dci",
    "factor_vae_score",
    "log_likelihood",
    "modularity",
    "mutual_information_gap",
    "sap_score",
]
