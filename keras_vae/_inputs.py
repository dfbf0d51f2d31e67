"""How data comes into a `VAEModel`: one tensor, or x with a condition."""

import keras
import tensorflow as tf

from keras_vae._numerics import wide


def split_inputs(inputs):
    """Returns `(x, condition)` of a tensor or of a dictionary with these keys."""
    if not isinstance(inputs, dict):
        if isinstance(inputs, (list, tuple)):
            if len(inputs) != 1:
                raise ValueError(
                    "VAEModel expects one tensor, or a dictionary with the keys 'x' and "
                    f"'condition'. Received: inputs=a {type(inputs).__name__} of {len(inputs)}. "
                    "Give {'x': x, 'condition': condition}."
                )
            inputs = inputs[0]
        return inputs, None
    if not {"x"} <= set(inputs) <= {"x", "condition"}:
        raise ValueError(
            "VAEModel expects a dictionary with the key 'x' and, if the networks take one, "
            f"'condition'. Received: inputs with the keys {sorted(inputs)}. Rename the keys."
        )
    return inputs["x"], inputs.get("condition")


def fitting(x, network):
    """Returns `x`, or raises if the network was built for data of another shape."""
    inputs = getattr(network, "inputs", None)
    if not inputs:
        return x
    x = tf.convert_to_tensor(x)
    expected = tuple(inputs[0].shape[1:])
    if x.shape.rank is not None and not tf.TensorShape(expected).is_compatible_with(x.shape[1:]):
        raise ValueError(
            f"VAEModel expects x of shape {('batch', *expected)}, as its encoder takes it. "
            f"Received: x of shape {tuple(x.shape)}. Reshape the data."
        )
    return x


def fill_missing(x):
    """Returns `x` with its NaN made zero, the value that a network is shown for 'missing'."""
    x = tf.convert_to_tensor(x)
    return tf.where(tf.math.is_nan(x), tf.zeros_like(x), x) if x.dtype.is_floating else x


def observed_or(y, y_pred):
    """Returns `y` with the prediction in place of its NaN, for metrics that know no 'missing'."""
    y = tf.convert_to_tensor(y)
    if not y.dtype.is_floating:
        return y
    return tf.where(tf.math.is_nan(y), tf.cast(y_pred, y.dtype), y)


def network_inputs(x, condition):
    """Returns what a network is called with."""
    # Keras takes no list in which tensors and arrays are mixed.
    return x if condition is None else [x, tf.convert_to_tensor(condition)]


def example_weights(sample_weight, batch_size, dtype):
    """Returns the weights of the examples, `(B,)`, or None."""
    if sample_weight is None:
        return None
    weights = tf.convert_to_tensor(sample_weight)
    if weights.shape.rank == 2 and weights.shape[-1] == 1:
        weights = tf.squeeze(weights, -1)
    if weights.shape.rank != 1:
        raise ValueError(
            "VAEModel expects one sample_weight an example, of shape (batch,). "
            f"Received: sample_weight of shape {tuple(weights.shape)}. "
            "Mark missing entries of the data by NaN instead."
        )
    return tf.ensure_shape(tf.cast(wide(weights), dtype), batch_size)


def without_optionals(data):
    """Returns a batch with None in place of Keras' optional values, which mark what is absent."""
    return keras.tree.map_structure(
        lambda part: None if isinstance(part, tf.experimental.Optional) else part, data
    )
