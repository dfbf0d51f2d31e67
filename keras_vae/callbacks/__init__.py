"""Callbacks for `fit`."""

from keras_vae.callbacks._annealing import Annealing
from keras_vae.callbacks._backup_and_restore import BackupAndRestore
from keras_vae.callbacks._kl_annealing import KLAnnealing
from keras_vae.callbacks._latent_traversal import LatentTraversal
from keras_vae.callbacks._posterior_collapse import PosteriorCollapse

__all__ = [
    "Annealing",
    "BackupAndRestore",
    "KLAnnealing",
    "LatentTraversal",
    "PosteriorCollapse",
]
