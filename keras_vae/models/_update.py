"""The update of the weights that a non-finite number never reaches."""

import keras
import tensorflow as tf

from keras_vae._distribute import sum_over_replicas


def true_on_all_replicas(flags):
    """Returns a boolean vector: which of the flags are true on every replica."""
    (failures,) = sum_over_replicas(tf.where(tf.stack(flags), 0.0, 1.0))
    return tf.equal(failures, 0.0)


def entries_finite(gradients):
    """Returns whether every entry of every gradient is finite, on this replica.

    A sum is finite only if its entries are: one pass over each gradient and no mask in memory.
    Sums of rows, since XLA runs them on all cores, and the sum of everything on one.
    """
    gradients = [_values(gradient) for gradient in gradients if gradient is not None]
    rows = [tf.reshape(tf.reduce_sum(g, -1) if g.shape.rank else g, [-1]) for g in gradients]
    return tf.reduce_all(tf.math.is_finite(tf.concat([tf.cast(r, tf.float32) for r in rows], 0)))


def values_of(variables):
    """Returns copies of the variables' values."""
    return [tf.identity(variable) for variable in variables]


def restore_unless(finite, variables, values):
    """Gives the variables their old values back unless the step was finite.

    The forward pass of a batch with infinities has put them into moving averages already.
    """
    for variable, value in zip(variables, values, strict=True):
        variable.assign(tf.where(finite, tf.convert_to_tensor(variable), value))


def apply_gradients(optimizer, gradients, variables, finite):
    """Applies the gradients if `finite`, and otherwise leaves every variable as it is.

    Keras' `LossScaleOptimizer` skips steps itself, and must see them to lower its scale.
    """
    if not optimizer.built:
        # Before the condition, inside which no variable can be made.
        optimizer.build(variables)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        gradients = _not_finite_unless(finite, gradients)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return

    def apply():
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        tf.cond(finite, _nothing_after(apply), _nothing)
        return
    # An update merges the replicas, which TensorFlow does not allow inside a replica's
    # condition: the condition goes around all replicas.
    replica.merge_call(_apply_on_all_replicas, args=(optimizer, gradients, variables, finite))


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
