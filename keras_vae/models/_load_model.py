"""A saved model, loaded only if it is whole."""

import os
import zipfile
from typing import Any

import keras

from keras_vae import _checks
from keras_vae._types import Path

_OWNER = "load_model"


def load_model(path: Path, custom_objects: dict[str, Any] | None = None) -> keras.Model:
    """Loads a model that was saved as a `.keras` file, after its checksums were verified.

    `keras.saving.load_model` gives the same model, but reads weights that fail the checksum of
    their archive: a file with flipped bytes is a model with other weights. Keras' safe mode is on:
    no code of the file is run, only that of registered classes.

    Args:
        path: Path of a file that `model.save` wrote.
        custom_objects: Dictionary {name: class or function} of what is not registered. Defaults
            to None.

    Returns:
        The model, compiled as it was saved. Any Keras model, not only a `VAEModel`.

    Raises:
        TypeError: If `path` is no path, or `custom_objects` no dictionary.
        ValueError: If there is no such file, or it is truncated, damaged or of another kind.

    Example:
        >>> import os, tempfile
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(5)])
        >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
        >>> VAEModel(encoder, decoder, likelihood="bernoulli").save(path)
        >>> load_model(path).likelihood
        Bernoulli(event_shape=(5,))
    """
    _checks.path(path, "path", _OWNER)
    if not isinstance(custom_objects, (dict, type(None))):
        raise TypeError(
            f"{_OWNER} expects a dictionary of classes and functions. Received: "
            f"custom_objects={custom_objects!r}. Give each its name as the key."
        )
    path = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged, names = archive.testzip(), archive.namelist()
    # There is an error of its own for each way in which an archive can be wrong.
    except Exception as error:
        raise ValueError(_message(path, f"which cannot be read ({error})")) from error
    if damaged is not None:
        raise ValueError(_message(path, f"whose {damaged} fails its checksum"))
    if "config.json" not in names:
        raise ValueError(_message(path, "an archive without config.json"))
    return keras.saving.load_model(path, custom_objects=custom_objects)


def _message(path, fault):
    return (
        f"{_OWNER} expects a whole `.keras` file. Received: path={path!r}, {fault}. "
        "Take it from a copy, or save the model again."
    )
