"""Objectives: what is minimised, as functions of the terms of one forward pass."""

from keras_vae._registry import find
from keras_vae.objectives._density_ratio import DensityRatio
from keras_vae.objectives._dip import DIP
from keras_vae.objectives._elbo import ELBO
from keras_vae.objectives._forward_kl import ForwardKL
from keras_vae.objectives._geco import GECO
from keras_vae.objectives._gradient_penalty import GradientPenalty
from keras_vae.objectives._iwae import IWAE
from keras_vae.objectives._jensen_shannon import JensenShannon
from keras_vae.objectives._latent_norm import LatentNorm
from keras_vae.objectives._latent_path import LatentPath
from keras_vae.objectives._mmd import MMD
from keras_vae.objectives._objective import Objective
from keras_vae.objectives._penalized import Penalized
from keras_vae.objectives._penalty import Penalty
from keras_vae.objectives._renyi_bound import RenyiBound
from keras_vae.objectives._terms import Terms
from keras_vae.objectives._total_correlation import TotalCorrelation

__all__ = [
    "DIP",
    "ELBO",
    "GECO",
    "IWAE",
    "MMD",
    "DensityRatio",
    "ForwardKL",
    "GradientPenalty",
    "JensenShannon",
    "LatentNorm",
    "LatentPath",
    "Objective",
    "Penalized",
    "Penalty",
    "RenyiBound",
    "Terms",
    "TotalCorrelation",
    "get",
]

_ALL = (ELBO,)


def get(identifier: Objective | str) -> Objective:
    """Returns an objective from an object or a name such as "elbo".

    Args:
        identifier: An `Objective`, or the snake_case name of one.

    Raises:
        TypeError: If `identifier` is neither.
        ValueError: If the name is unknown.

    Example:
        >>> get("elbo").beta
        1.0
    """
    return _get(identifier, "objectives.get", "identifier")


def _get(identifier, owner, argument):
    """Returns the objective; `owner` and its `argument` are what errors name."""
    if isinstance(identifier, Objective):
        return identifier
    if isinstance(identifier, str):
        return find(identifier, _ALL, "an objective", owner, argument)()
    raise TypeError(
        f"{owner} expects an objective or its name. Received: {argument}={identifier!r}. "
        "For example objectives.ELBO(beta=4.0) or 'elbo'."
    )
