"""The log-likelihood of many samples, in one pass over memory."""

import tensorflow as tf


def fused(likelihood):
    """Returns `likelihood.log_likelihood`, compiled by XLA where that pays.

    What is computed of an entry takes TensorFlow half a dozen passes over all samples, XLA one:
    with independent entries it is 1.6 to 3.6 times faster on a CPU. Other families are left as
    they are: to compile the equations of a full covariance takes longer than it ever saves.

    Args:
        likelihood: A family.
    """
    function = likelihood.log_likelihood
    if not likelihood.entries_independent:
        return function
    compiled = tf.function(function, jit_compile=True, autograph=False)
    return compiled if _runs(compiled, likelihood) else function


def _runs(compiled, likelihood):
    """Whether it can be compiled: not every build of TensorFlow has XLA, nor every operation."""
    with tf.init_scope():
        try:
            compiled(
                tf.zeros((1, *likelihood.event_shape)), tf.zeros((1, *likelihood.params_shape))
            )
        except tf.errors.OpError:
            return False
    return True
