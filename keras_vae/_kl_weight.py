"""The variable that `KLAnnealing` moves."""

from keras_vae._scheduled import add_scheduled


def add_kl_weight(layer):
    """Adds the weight of the KL divergence, 1 to begin with, to a layer or model."""
    return add_scheduled(layer, "kl_weight", 1.0)
