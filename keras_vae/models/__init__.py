"""The model: a variational autoencoder with its training, tasks and export."""

from keras_vae.models._load_model import load_model
from keras_vae.models._vae_model import VAEModel

__all__ = ["VAEModel", "load_model"]
