"""Compiled functions of a model, traced once and kept as long as the model lives."""

import weakref

import keras
import tensorflow as tf

_PARTS = ("encoder", "decoder", "posterior", "likelihood", "prior")
_KEPT: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def traced(model, name, function, inputs):
    """Returns the compiled form of `function(model, inputs, num_samples, seed)`.

    Weights may change between its calls; other parts in their place, or other settings of the
    families, are another function.

    Args:
        model: A `VAEModel` that is built.
        name: String that stands for `function`.
        function: Pure function of these arguments.
        inputs: Arrays of one batch. The length of a batch is left open.
    """
    parts = [getattr(model, part) for part in _PARTS]
    parts += [*model.encoder.variables, *model.decoder.variables]
    settings = repr([model.posterior.get_config(), model.likelihood.get_config()])
    known = _KEPT.get(model)
    if known is None or not known.is_of(parts, settings):
        known = _KEPT[model] = _Functions(parts, settings)
    if name not in known.functions:
        known.functions[name] = _compiled(model, function)
    return known.functions[name].get_concrete_function(
        keras.tree.map_structure(_spec, inputs),
        tf.TensorSpec((), tf.int32),
        tf.TensorSpec((2,), tf.int32),
    )


class _Functions:
    """The functions of a model with these parts, which it does not keep alive."""

    def __init__(self, parts, settings):
        self.functions = {}
        self._parts = [weakref.ref(part) for part in parts]
        self._settings = settings

    def is_of(self, parts, settings):
        same = len(parts) == len(self._parts) and settings == self._settings
        return same and all(a() is b for a, b in zip(self._parts, parts, strict=True))


def _compiled(model, function):
    # Not the model itself: what is kept for it would keep it alive.
    reference = weakref.ref(model)
    return tf.function(
        lambda inputs, num_samples, seed: function(reference(), inputs, num_samples, seed),
        autograph=False,
    )


def _spec(array):
    return tf.TensorSpec((None, *array.shape[1:]), tf.as_dtype(array.dtype))
