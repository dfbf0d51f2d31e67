"""Names: of classes in saved files, and of families and objectives given as strings."""

import re
from collections.abc import Callable
from typing import TypeVar

import keras

_Class = TypeVar("_Class", bound=type)
PACKAGE = "keras_vae"
# As mypy sees it, a class stays what it was.
serializable: Callable[[_Class], _Class] = keras.saving.register_keras_serializable(PACKAGE)


def snake_case(name):
    """Returns "MultivariateNormalDiag" as "multivariate_normal_diag"; "ELBO" as "elbo".

    A capital at the end is no word: "MultivariateNormalTriL" is "multivariate_normal_tril".
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name).lower()


def find(name, classes, kind, owner, argument):
    """Returns the class of this snake_case name, or raises a ValueError that lists the names."""
    by_name = {snake_case(cls.__name__): cls for cls in classes}
    if name not in by_name:
        raise ValueError(
            f"{owner} expects the name of {kind}, one of {', '.join(map(repr, by_name))}. "
            f"Received: {argument}={name!r}. Give an object for anything that needs arguments."
        )
    return by_name[name]


def serialized(part):
    """Returns the configuration of a part of this library or of Keras, None for None."""
    return None if part is None else keras.saving.serialize_keras_object(part)


def revived(value):
    """Returns a value of a saved configuration with its parts made objects again.

    One that is an object already, in a configuration that was never saved, stays as it is.
    """
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value)
    return [revived(part) for part in value] if isinstance(value, list) else value


def deserialized(config, *names):
    """Returns a copy of `config` with the parts of these names made objects again."""
    parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in names}
    return {**config, **parts}
