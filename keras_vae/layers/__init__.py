"""Layers to drop into any Keras model."""

from keras_vae._made import MADE
from keras_vae.layers._kl_divergence_regularizer import KLDivergenceRegularizer
from keras_vae.layers._sampling import Sampling
from keras_vae.layers._vector_quantizer import VectorQuantizer

__all__ = ["MADE", "KLDivergenceRegularizer", "Sampling", "VectorQuantizer"]
