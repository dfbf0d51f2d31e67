"""The update of the weights that a non-finite number never reaches."""

import functools
import math

import keras
import tensorflow as tf

from keras_vae._distribute import num_replicas, sum_over_replicas
from keras_vae._numerics import wide
from keras_vae._random import compiled_by_xla

# Of a smaller model, a call to a compiled part takes longer than the part gains (measured: 1.2x
# the time of a step at 3000 weights, 1.0x at half a million, 0.8x at a few millions).
_LEAST_WEIGHTS = 2**19


def true_on_all_replicas(flags):
    """Returns a boolean vector: which of the flags are true on every replica."""
    (failures,) = sum_over_replicas(tf.where(tf.stack(flags), 0.0, 1.0))
    return tf.equal(failures, 0.0)


def entries_finite(gradients):
    """Returns whether every entry of every gradient is finite, on this replica.

    A sum is finite only if its entries are: one pass over each gradient and no mask in memory.
    Sums of columns, which are independent of each other: XLA adds several at a time.
    """
    gradients = [wide(_values(gradient)) for gradient in gradients if gradient is not None]
    sums = [tf.reshape(tf.reduce_sum(g, list(range(g.shape.rank - 1))), [-1]) for g in gradients]
    dtype = tf.float64 if any(total.dtype == tf.float64 for total in sums) else tf.float32
    return tf.reduce_all(tf.math.is_finite(tf.concat([tf.cast(total, dtype) for total in sums], 0)))


def can_be_compiled(optimizer, gradients, variables):
    """Whether XLA may compile what follows the gradients, where nothing else is compiled."""
    dense = not any(isinstance(gradient, tf.IndexedSlices) for gradient in gradients)
    large = sum(math.prod(variable.shape) for variable in variables) >= _LEAST_WEIGHTS
    plain = not isinstance(optimizer, keras.optimizers.LossScaleOptimizer) and num_replicas() == 1
    in_graph = tf.inside_function() and not compiled_by_xla()
    return dense and large and plain and in_graph and _xla_works()


@functools.cache
def _xla_works():
    """Whether this build of TensorFlow can compile for the CPU, as not every one can."""
    with tf.init_scope():
        try:
            tf.function(tf.negative, jit_compile=True)(1.0)
        except tf.errors.OpError:
            return False
    return True


def values_of(variables):
    """Returns copies of the variables' values."""
    return [tf.identity(variable) for variable in variables]


def restore_unless(finite, variables, values):
    """Gives the variables their old values back unless the step was finite.

    The forward pass of a batch with infinities has put them into moving averages already.
    """
    for variable, value in zip(variables, values, strict=True):
        variable.assign(tf.where(finite, tf.convert_to_tensor(variable), value))


def apply_gradients(optimizer, gradients, variables, finite, compiled):
    """Applies the gradients if `finite`, and otherwise leaves every variable as it is.

    Keras' `LossScaleOptimizer` skips steps itself, and must see them to lower its scale.

    Args:
        optimizer: A Keras optimizer, built.
        gradients: List of tensors, or None where the loss does not depend on a variable.
        variables: List of variables, of the same length.
        finite: Boolean scalar.
        compiled: Wraps what XLA may compile.
    """

    def apply():
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        gradients = _not_finite_unless(finite, gradients)
        apply()
    elif num_replicas() > 1:
        # An update merges the replicas, which TensorFlow does not allow inside a replica's
        # condition: the condition goes around all replicas.
        replica = tf.distribute.get_replica_context()
        replica.merge_call(_apply_on_all_replicas, args=(optimizer, gradients, variables, finite))
    elif compiled_by_xla():
        # XLA makes one pass of an update and a choice, but copies all weights for a condition.
        changed = [*variables, *optimizer.variables]
        old = values_of(changed)
        apply()
        restore_unless(finite, changed, old)
    else:
        tf.cond(finite, _nothing_after(compiled(apply)), _nothing)


def _apply_on_all_replicas(strategy, optimizer, gradients, variables, finite):
    def apply():
        strategy.extended.call_for_each_replica(
            lambda *grads: optimizer.apply_gradients(zip(grads, variables, strict=True)),
            args=tuple(gradients),
        )

    # `finite` is the same on every replica.
    finite = strategy.experimental_local_results(finite)[0]
    tf.cond(finite, _nothing_after(apply), _nothing)


def _not_finite_unless(finite, gradients):
    """Returns the gradients, one of them NaN unless `finite`.

    The optimizer looks at the gradients alone, and only at those of one replica: it would apply
    finite gradients of a loss that is not, and those that are not finite on another replica.
    """
    first = next(i for i, gradient in enumerate(gradients) if gradient is not None)
    gradient = gradients[first]
    factor = tf.where(finite, tf.ones((), gradient.dtype), gradient.dtype.as_numpy_dtype("nan"))
    if isinstance(gradient, tf.IndexedSlices):
        gradient = tf.IndexedSlices(gradient.values * factor, gradient.indices)
    else:
        gradient *= factor
    return [*gradients[:first], gradient, *gradients[first + 1 :]]


def _nothing():
    return tf.constant(0)


def _nothing_after(function):
    def run():
        function()
        return _nothing()

    return run


def _values(tensor):
    return tensor.values if isinstance(tensor, tf.IndexedSlices) else tensor
