"""Tasks: what a trained model is used for, as functions of the model and data.

Between data points (`interpolate`), along an attribute (`attribute_vector`, `add_attribute`),
what is missing (`impute`), what is strange (`anomaly_score`, `calibrate_threshold`).
"""

from keras_vae.tasks._anomaly_score import anomaly_score
from keras_vae.tasks._attributes import add_attribute, attribute_vector
from keras_vae.tasks._impute import impute
from keras_vae.tasks._interpolate import interpolate
from keras_vae.tasks._threshold import calibrate_threshold

__all__ = [
    "add_attribute",
    "anomaly_score",
    "attribute_vector",
    "calibrate_threshold",
    "impute",
    "interpolate",
]
