"""The few places where a replica must know of the others."""

import threading

import tensorflow as tf


def replica_and_count():
    """Returns the number of this replica, from 0, and how many replicas there are."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return 0, 1
    return replica.replica_id_in_sync_group, replica.num_replicas_in_sync


def num_replicas():
    """Returns how many replicas take part in what is being run."""
    return replica_and_count()[1]


def over_workers(strategy):
    """Returns whether the strategy is one of several processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy):
    """Returns whether this process writes files: the first of several, or the only one."""
    return not over_workers(strategy) or strategy.cluster_resolver.task_id in (None, 0)


def wait_for_all(strategy):
    """Returns when every process of the strategy has come here."""
    if over_workers(strategy):
        strategy.reduce("SUM", strategy.run(lambda: tf.constant(1)), axis=None)


def sum_over_replicas(*values):
    """Returns each tensor summed over all replicas; itself where there is one replica."""
    if num_replicas() == 1:
        return values
    replica = tf.distribute.get_replica_context()
    return tuple(replica.all_reduce(tf.distribute.ReduceOp.SUM, list(values)))


class LossesOfReplica:
    """Mixin for Keras layers with an `add_loss` that meet other replicas. Give it before `Layer`.

    Replicas are threads that take turns wherever they meet, and Keras keeps what they all add in
    one list of the layer: each would take the losses of the others for its own, or miss its own.
    """

    @property
    def _losses(self):
        if not hasattr(self._of_thread, "losses"):
            self._of_thread.losses = []
        return self._of_thread.losses

    @_losses.setter
    def _losses(self, losses):
        self._of_thread = threading.local()
        self._of_thread.losses = list(losses)


def share_of_mean(total, num_examples):
    """Returns a replica's share of a mean over the global batch.

    The mean of the shares over the replicas, which is what Keras makes of their losses, is the
    mean over all examples, however unevenly these are divided.

    Args:
        total: Sum over the examples of this replica.
        num_examples: Their number, which may be 0.
    """
    (size,) = sum_over_replicas(tf.cast(num_examples, total.dtype))
    return num_replicas() * tf.math.divide_no_nan(total, size)
