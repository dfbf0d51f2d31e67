"""What the layers that take parameters of a distribution have in common."""

import keras

from keras_vae._registry import serialized
from keras_vae.families import Family, MultivariateNormalDiag


def check_family(family, owner):
    """Raises a TypeError unless `family` is a family or None."""
    if family is not None and not isinstance(family, Family):
        raise TypeError(
            f"{owner} expects a family of distributions or None. Received: family={family!r}. "
            "For example families.MultivariateNormalTriL(8)."
        )


def family_for(family, params_shape, owner):
    """Returns `family`, or the diagonal normal one that fits parameters of this shape.

    Args:
        family: A `Family` or None.
        params_shape: Shape with the batch axis, or a list of shapes.
        owner: Name of the layer, for the error.
    """
    if family is not None:
        return family
    if not isinstance(params_shape[0], (tuple, list)):
        return MultivariateNormalDiag.from_params_shape(params_shape[1:])
    if len(params_shape) != 2 or tuple(params_shape[0]) != tuple(params_shape[1]):
        raise ValueError(
            f"{owner} without a family expects [z_mean, z_log_var] of one shape. "
            f"Received: params of the shapes {', '.join(map(str, params_shape))}. "
            "Give two tensors of one shape, or a family and its parameters."
        )
    return MultivariateNormalDiag(params_shape[0][1:])


def serialized_family(family):
    """Returns the configuration of a family, which layers of one model may share."""
    config = serialized(family)
    if getattr(family, "weights", ()):
        # Keras' mark of one object in several places of a file. It sets the mark itself when it
        # meets the object again, but on a dictionary of which the file has a copy by then: two
        # layers would come back with weights of their own.
        config["shared_object_id"] = id(family)
    return config


def shapes_of(params):
    """Returns the shape of a tensor, or the shapes of a list of tensors."""
    return keras.tree.map_structure(lambda tensor: tuple(tensor.shape), params)
