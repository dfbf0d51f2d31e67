"""Checks of the arguments of `LatentTraversal`."""

import importlib.util

import numpy as np

from keras_vae._checks import count

_FORMATS = ("png", "gif", "tensorboard")


def checked_dims(dims, owner):
    """Returns `dims` as None, an integer or a list of integers, or raises."""
    if dims is None:
        return None
    if not isinstance(dims, (list, tuple, range)) and np.ndim(dims) != 1:
        return count(dims, "dims", owner)
    dims = [count(dim, "dims", owner, minimum=0) for dim in dims]
    if not dims:
        raise ValueError(
            "LatentTraversal expects at least one latent. Received: dims=[]. "
            "Give dims=None for all of them."
        )
    return dims


def checked_quantiles(quantiles):
    """Returns two increasing numbers between 0 and 1, or raises."""
    try:
        low, high = map(float, quantiles)
        increasing = 0 < low < high < 1
    except (TypeError, ValueError):
        increasing = False
    if not increasing:
        raise ValueError(
            "LatentTraversal expects two increasing quantiles between 0 and 1. "
            f"Received: quantiles={quantiles!r}. For example (0.02, 0.98)."
        )
    return low, high


def checked_formats(formats):
    """Returns a tuple of formats whose packages are installed, or raises."""
    names = (formats,) if isinstance(formats, str) else formats
    if not isinstance(names, (list, tuple)) or any(name not in _FORMATS for name in names):
        raise ValueError(
            f"LatentTraversal expects formats among {', '.join(map(repr, _FORMATS))}. "
            f"Received: formats={formats!r}. Change the value."
        )
    _check_installed(names)
    return tuple(names)


def _check_installed(formats):
    packages = {"matplotlib": "matplotlib", "PIL": "pillow"}
    if "tensorboard" in formats:
        packages["tensorboard"] = "tensorboard"
    for module, package in packages.items():
        if importlib.util.find_spec(module) is None:
            raise ImportError(
                f"LatentTraversal expects the package {package} for formats={formats!r}. "
                f"Received: no {package} in this environment. "
                f"Install it with `pip install {package}`."
            )
