"""The masked network of autoregressive models. Here, since both families and layers need it."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae._checks import count, counts, flag, from_keras
from keras_vae._registry import serializable
from keras_vae._types import Activation, BatchShape, Config, Initializer, Integer


@serializable
class MADE(keras.layers.Layer):
    """A dense network whose outputs for an entry see only the entries before it.

    Masks on the kernels cut every path from an entry to the outputs of itself and of those before
    it: one pass gives the parameters of all factors of an autoregressive model, or the shifts and
    log-scales of an autoregressive flow. A context is seen by all outputs.

        outputs_i = f_i(x_1, ..., x_(i - 1), context)

    Args:
        num_outputs: Integer >= 1, outputs an entry. Defaults to 1.
        hidden_units: Tuple of integers, the hidden layers. With fewer units than entries some
            outputs share what they see. Defaults to (64, 64).
        activation: Keras activation of the hidden layers. Defaults to "elu".
        reverse: Whether the order of the entries is from the last to the first. Defaults to
            False.
        output_initializer: Keras initializer of the last kernel. Defaults to "glorot_uniform".
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Call arguments:
        inputs: `(..., d)`.
        context: `(..., c)`, whose leading axes broadcast with those of the inputs, or None.
            Defaults to None. Whether there is one is settled by the first call.

    Shapes:
        outputs: `(..., num_outputs * d)`, the outputs of one kind side by side, entry by entry:
            `tf.split(outputs, num_outputs, axis=-1)` gives them.

    Raises:
        TypeError: If a number is no integer or `hidden_units` no tuple.
        ValueError: If a number is below 1, or the inputs have another size than before.

    Reference:
        Germain et al., "MADE: Masked Autoencoder for Distribution Estimation", 2015, section 4.

    Example:
        >>> import tensorflow as tf
        >>> logits = MADE(hidden_units=(16,))(tf.ones((5, 8)))      # of eight binary entries
        >>> logits.shape
        TensorShape([5, 8])
    """

    def __init__(
        self,
        num_outputs: Integer = 1,
        hidden_units: Sequence[Integer] = (64, 64),
        activation: Activation = "elu",
        reverse: bool = False,
        output_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.num_outputs = count(num_outputs, "num_outputs", owner)
        self.hidden_units = counts(hidden_units, "hidden_units", owner)
        self.activation = from_keras(keras.activations.get, activation, "activation", owner)
        self.reverse = flag(reverse, "reverse", owner)
        self.output_initializer = from_keras(
            keras.initializers.get, output_initializer, "output_initializer", owner
        )

    def build(self, inputs_shape: BatchShape, context_shape: BatchShape | None = None) -> None:
        self._masks = autoregressive_masks(
            inputs_shape[-1],
            self.hidden_units,
            self.num_outputs,
            with_context=context_shape is not None,
            reverse=self.reverse,
        )
        self.kernels, self.biases = [], []
        for index, mask in enumerate(self._masks):
            last = index == len(self._masks) - 1
            initializer = self.output_initializer if last else "glorot_uniform"
            kernel = self.add_weight(
                name=f"kernel_{index}", shape=mask.shape, initializer=initializer
            )
            self.kernels.append(kernel)
            bias = self.add_weight(name=f"bias_{index}", shape=mask.shape[1:], initializer="zeros")
            self.biases.append(bias)
        self.context_kernel = None
        if context_shape is not None:
            self.context_kernel = self.add_weight(
                name="context_kernel",
                shape=(context_shape[-1], self._masks[0].shape[-1]),
                initializer="glorot_uniform",
            )

    def call(self, inputs: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        size = self._masks[0].shape[0]
        if inputs.shape[-1] != size:
            raise ValueError(
                f"MADE expects inputs of shape (..., {size}), as it was built for. "
                f"Received: inputs of shape {tuple(inputs.shape)}. Make a layer for each size."
            )
        x = inputs
        for index, mask in enumerate(self._masks):
            # In the precision of the inputs, which may have more digits than the weights.
            kernel = tf.cast(self.kernels[index], x.dtype) * tf.constant(mask, x.dtype)
            x = tf.tensordot(x, kernel, 1) + tf.cast(self.biases[index], x.dtype)
            if index == 0 and context is not None:
                # Once an example, for all of its samples.
                x += tf.tensordot(context, tf.cast(self.context_kernel, x.dtype), 1)
            if index < len(self._masks) - 1:
                x = self.activation(x)
        return x

    def compute_output_shape(
        self, inputs_shape: BatchShape, context_shape: BatchShape | None = None
    ) -> BatchShape:
        leading = tuple(inputs_shape[:-1])
        if context_shape is not None:
            before = context_shape[:-1]
            leading = tuple(tf.broadcast_static_shape(*map(tf.TensorShape, (leading, before))))
        return (*leading, self.num_outputs * inputs_shape[-1])

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_outputs": self.num_outputs,
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "reverse": self.reverse,
            "output_initializer": keras.initializers.serialize(self.output_initializer),
        }


def autoregressive_masks(size, hidden_units, num_outputs, with_context, reverse):
    """Returns one mask for each kernel, 0 or 1, of shape `(inputs, outputs)`.

    Entries have the degrees 1 to d in their order. A hidden unit of degree m sees the entries up
    to m, outputs see the hidden units of a lower degree than their own entry's. Units of degree 0
    see the context alone; without one they would be constants, and there are none.
    """
    entries = np.arange(size, 0, -1) if reverse else np.arange(1, size + 1)
    lowest = 0 if with_context else 1
    num_degrees = max(1, size - lowest)
    masks, before = [], entries
    for units in hidden_units:
        degrees = lowest + np.arange(units) * num_degrees // units
        masks.append(degrees >= before[:, np.newaxis])
        before = degrees
    masks.append(np.tile(entries > before[:, np.newaxis], num_outputs))
    return [mask.astype("float64") for mask in masks]
