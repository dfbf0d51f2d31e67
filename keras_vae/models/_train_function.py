"""The functions that run steps of training on an iterator over the data.

Keras' own pass each step's results through optional values, which takes half a dozen further
calls from Python an execution, and compile one step at a time. A small model spends more time in
those calls than in its steps.
"""

import weakref

import keras
import tensorflow as tf

from keras_vae._inputs import without_optionals

# Longer blocks gain nothing, but their batches are in memory at once.
_LONGEST_BLOCK = 50


def train_function(model, otherwise):
    """Returns a function of an iterator that runs the steps of one execution.

    Args:
        model: A compiled model whose metrics tell all that a step logs.
        otherwise: Keras' function, for eager steps, several replicas, several steps that XLA
            does not compile, and data that is no `tf.data.Iterator` over dense tensors.
    """
    if model.run_eagerly or model.distribute_strategy.num_replicas_in_sync > 1:
        return otherwise
    if model.steps_per_execution == 1:
        run = _single_step(model)
    elif model.jit_compile:
        run = _several_steps(model)
    else:
        return otherwise
    return lambda iterator: run(iterator) if _is_dense(iterator) else otherwise(iterator)


def _asked_once(choose):
    """Returns a function that asks `choose` what to run on an iterator when it is a new one.

    To find the trace of a `tf.function` takes longer, at each call, than a small layer does.
    """
    known, run = None, None

    def function(iterator):
        nonlocal known, run
        if known is None or known() is not iterator:
            # Not to keep the data in memory when the training is over.
            known, run = weakref.ref(iterator), choose(iterator)
        return run(iterator)

    return function


def _single_step(model):
    step = _compiled(model, model.train_step)
    # The end of the data is an OutOfRangeError, which `fit` expects.
    graph = _graph(lambda iterator: step(without_optionals(iterator.get_next())))

    def trace(iterator):
        # A trace knows nothing of the switch that makes every `tf.function` run eagerly.
        eager = tf.config.functions_run_eagerly()
        return graph if eager else graph.get_concrete_function(iterator)

    return _asked_once(trace)


def _several_steps(model):
    """Runs steps in blocks of nearly equal length, each of them one compiled loop.

    In a loop the weights stay where they are, and a step follows the other without a word from
    outside.
    """
    steps = model.steps_per_execution
    num_blocks = -(-steps // _LONGEST_BLOCK)
    lengths = [(steps + index) // num_blocks for index in range(num_blocks)]
    step, loop = _compiled(model, model.train_step), _compiled(model, _loop(model))
    block = _graph(lambda iterator, length: _run_block(iterator, length, step, loop))

    def run(iterator):
        logs = None
        for length in lengths:
            try:
                logs = block(iterator, length)
            except tf.errors.OutOfRangeError:
                # Only an execution without any step is the end of the data.
                if logs is None:
                    raise
                break
        return logs

    return run


def _loop(model):
    """Returns a function of stacked batches, `(steps, B, ...)`, that trains on one by one."""

    def run(batches):
        def body(index):
            model.train_step(keras.tree.map_structure(lambda part: part[index], batches))
            return index + 1

        steps = keras.tree.flatten(batches)[0].shape[0]
        tf.while_loop(lambda index: index < steps, body, [0])
        return model.get_metrics_result()

    return run


def _run_block(iterator, length, step, loop):
    """Runs up to `length` >= 2 steps and returns the logs of the last.

    The loop takes batches of one shape, and all of them. Others are run one by one.
    """
    first = without_optionals(iterator.get_next())
    others = [iterator.get_next_as_optional() for _ in range(length - 1)]
    present = [batch.has_value() for batch in others]

    def all_steps():
        batches = [first, *(without_optionals(batch.get_value()) for batch in others)]
        return tf.cond(
            _have_one_shape(batches),
            lambda: loop(keras.tree.map_structure(lambda *parts: tf.stack(parts), *batches)),
            lambda: [step(batch) for batch in batches][-1],
        )

    def last_steps():
        logs = step(first)
        for is_present, batch in zip(present, others, strict=True):
            logs = tf.cond(
                is_present,
                lambda batch=batch: step(without_optionals(batch.get_value())),
                lambda logs=logs: logs,
            )
        return logs

    return tf.cond(tf.reduce_all(present), all_steps, last_steps)


def _have_one_shape(batches):
    flat = [keras.tree.flatten(batch) for batch in batches]
    shapes = [tf.stack([tf.shape(part) for part in parts]) for parts in zip(*flat, strict=True)]
    return tf.reduce_all([tf.reduce_all(sizes == sizes[0]) for sizes in shapes])


def _compiled(model, function):
    return _graph(function, jit_compile=model.jit_compile)


def _graph(function, **kwargs):
    return tf.function(function, reduce_retracing=True, autograph=False, **kwargs)


def _is_dense(iterator):
    """Whether the data are a `tf.data.Iterator` of tensors, some of them perhaps absent."""
    if not isinstance(iterator, tf.data.Iterator):
        return False
    parts = keras.tree.flatten(iterator.element_spec)
    return all(isinstance(part, (tf.TensorSpec, tf.OptionalSpec)) for part in parts)
