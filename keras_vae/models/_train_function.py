"""The function that runs one step of training on an iterator over the data."""

import keras
import tensorflow as tf


def single_step_function(model, otherwise):
    """Returns a function of an iterator that runs one training step, in one call.

    Keras' own passes each step's results through an optional value, which takes half a dozen
    further calls from Python a step; a small model spends more time in them than in its step.

    Args:
        model: A compiled model.
        otherwise: Keras' function, for eager steps, several steps per execution, several
            replicas, and data that is no `tf.data.Iterator`.
    """
    several = model.steps_per_execution > 1 or model.distribute_strategy.num_replicas_in_sync > 1
    if model.run_eagerly or several:
        return otherwise
    step = tf.function(
        model.train_step, jit_compile=model.jit_compile, reduce_retracing=True, autograph=False
    )
    on_iterator = tf.function(
        lambda iterator: step(_without_optionals(iterator.get_next())),
        reduce_retracing=True,
        autograph=False,
    )

    def function(iterator):
        # The end of the data is an OutOfRangeError, which `fit` expects.
        is_tf_data = isinstance(iterator, tf.data.Iterator)
        return on_iterator(iterator) if is_tf_data else otherwise(iterator)

    return function


def _without_optionals(data):
    """Keras marks absent targets and weights in its data as optional values."""
    return keras.tree.map_structure(
        lambda part: None if isinstance(part, tf.experimental.Optional) else part, data
    )
