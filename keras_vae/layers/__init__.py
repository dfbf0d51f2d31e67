"""Layers to drop into any Keras model."""

from keras_vae._made import MADE
from keras_vae.layers._kl_divergence_regularizer import KLDivergenceRegularizer
from keras_vae.layers._sampling import Sampling

__all__ = ["MADE", "KLDivergenceRegularizer", "Sampling"]
