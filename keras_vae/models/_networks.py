"""What a `VAEModel` asks of its networks before there is any data."""

import keras

from keras_vae.layers import KLDivergenceRegularizer


def check_network(network, name):
    """Returns `network`, or raises a TypeError if it is no Keras model or layer."""
    if not isinstance(network, keras.layers.Layer):
        raise TypeError(
            f"VAEModel expects a Keras model as {name}. Received: {name}={network!r}. "
            "For example keras.Sequential([...])."
        )
    return network


def refuse_kl_twice(encoder):
    """Raises a ValueError if the encoder's output comes out of a KLDivergenceRegularizer."""
    outputs = getattr(encoder, "outputs", None)
    if outputs:
        layers = [output._keras_history.operation for output in outputs]
    else:
        # A Sequential without Input has no outputs yet.
        layers = encoder.layers[-1:] if isinstance(encoder, keras.Sequential) else []
    for layer in layers:
        if isinstance(layer, KLDivergenceRegularizer):
            raise ValueError(
                "VAEModel expects an encoder without a KLDivergenceRegularizer on its output, "
                "since the objective has the KL divergence already. Received: an encoder that "
                f"ends in {layer.name!r}. Leave the layer out."
            )


def params_shapes(outputs):
    """Returns the shapes of a network's outputs without the batch axis."""
    return [tuple(output.shape[1:]) for output in keras.tree.flatten(outputs)]


def joined_shape(shapes):
    """Returns the shape of the concatenation along the last axis."""
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))
