"""A mean with weights over more samples than are in memory at once."""

import functools

import keras
import tensorflow as tf


def weighted_mean(draw, num_samples, chunk):
    """Returns sum_s w_s v_s / sum_s w_s, NaN for an example without any weight.

    Args:
        draw: Function of the number of a chunk, which gives log w, `(chunk, B)`, and the values,
            a structure of tensors `(chunk, B, ...)`.
        num_samples: Integer, or an int32 scalar tensor, S.
        chunk: The same, samples in a chunk.
    """

    # A function of its own is traced once for the two places that call it.
    @functools.partial(tf.function, autograph=False)
    def sums(step):
        log_weight, values = draw(step)
        # The last chunk may be longer than what is left.
        wanted = step * chunk + tf.range(chunk) < num_samples
        log_weight = tf.where(wanted[:, tf.newaxis], log_weight, float("-inf"))
        peak = tf.reduce_max(log_weight, axis=0)
        weight = tf.exp(log_weight - _finite(peak))
        # A weight of zero takes an infinite value out.
        totals = keras.tree.map_structure(
            lambda v: tf.reduce_sum(tf.math.multiply_no_nan(v, _like(weight, v)), axis=0), values
        )
        return peak, tf.reduce_sum(weight, axis=0), totals

    def add(step, peak, weight, totals):
        other_peak, other_weight, other_totals = sums(step)
        highest = tf.maximum(peak, other_peak)
        share, other = (tf.exp(p - _finite(highest)) for p in (peak, other_peak))

        def joined(a, b):
            return tf.math.multiply_no_nan(a, _like(share, a)) + tf.math.multiply_no_nan(
                b, _like(other, b)
            )

        totals = keras.tree.map_structure(joined, totals, other_totals)
        return step + 1, highest, joined(weight, other_weight), totals

    _, _, weight, totals = tf.while_loop(
        lambda step, *_: step * chunk < num_samples, add, (tf.constant(1), *sums(tf.constant(0)))
    )
    return keras.tree.map_structure(lambda total: total / _like(weight, total), totals)


def _finite(peak):
    # Without any weight so far there is nothing to be relative to.
    return tf.where(tf.math.is_inf(peak), tf.zeros_like(peak), peak)


def _like(weight, value):
    """Returns the weights with the axes of the value behind theirs."""
    axes = value.shape.rank - weight.shape.rank
    return tf.reshape(tf.cast(weight, value.dtype), tf.concat([tf.shape(weight), [1] * axes], 0))
