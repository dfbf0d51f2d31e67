"""Objectives: what is minimised, as functions of the terms of one forward pass."""

from keras_vae._registry import find
from keras_vae.objectives._elbo import ELBO
from keras_vae.objectives._objective import Objective
from keras_vae.objectives._terms import Terms

__all__ = ["ELBO", "Objective", "Terms", "get"]

_ALL = (ELBO,)


def get(identifier):
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
    if isinstance(identifier, Objective):
        return identifier
    if isinstance(identifier, str):
        return find(identifier, _ALL, "an objective")()
    raise TypeError(
        "keras_vae expects an objective or its name. "
        f"Received: objective={identifier!r}. For example objectives.ELBO(beta=4.0) or 'elbo'."
    )
