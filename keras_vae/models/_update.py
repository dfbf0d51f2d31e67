"""The update of the weights that a non-finite number never reaches."""

import keras
import tensorflow as tf

from keras_vae._distribute import sum_over_replicas


def finite_on_all_replicas(values):
    """Returns for each scalar whether it is finite on every replica, as one boolean vector."""
    failures = tf.where(tf.math.is_finite(tf.stack(values)), 0.0, 1.0)
    (failures,) = sum_over_replicas(failures)
    return tf.equal(failures, 0.0)


def total(gradients):
    """Returns the sum of all entries: not finite if one of them is not.

    One pass over each gradient, and no mask in memory.
    """
    gradients = [_values(gradient) for gradient in gradients if gradient is not None]
    return tf.add_n([tf.cast(tf.reduce_sum(gradient), tf.float32) for gradient in gradients])


def apply_gradients(optimizer, gradients, variables, finite):
    """Applies the gradients if `finite`, and otherwise leaves every variable as it is.

    Keras' `LossScaleOptimizer` skips steps itself, and must see them to lower its scale.
    """
    optimizer.build(variables)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
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


def _nothing():
    return tf.constant(0)


def _nothing_after(function):
    def run():
        function()
        return _nothing()

    return run


def _values(tensor):
    return tensor.values if isinstance(tensor, tf.IndexedSlices) else tensor
