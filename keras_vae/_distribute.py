"""The few places where a replica must know of the others."""

import tensorflow as tf


def num_replicas():
    """Returns how many replicas take part in what is being run."""
    replica = tf.distribute.get_replica_context()
    return 1 if replica is None else replica.num_replicas_in_sync


def sum_over_replicas(*values):
    """Returns each tensor summed over all replicas; itself where there is one replica."""
    if num_replicas() == 1:
        return values
    replica = tf.distribute.get_replica_context()
    return tuple(replica.all_reduce(tf.distribute.ReduceOp.SUM, list(values)))
