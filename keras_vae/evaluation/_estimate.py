"""The mean of weights that are too many to be in memory at once."""

import typing

import tensorflow as tf

# Decoder inputs (samples times examples) at a time: enough to fill the cores, little memory.
_ROWS = 4096


class LogLikelihood(typing.NamedTuple):
    """Estimates of log p(x), one for each example, in nats.

    Attributes:
        log_prob: `(N,)`, the estimate, a lower bound in expectation.
        standard_error: `(N,)`, its standard error, by the delta method.
        effective_sample_size: `(N,)`, how many equally weighted samples the weights are worth.
    """

    log_prob: typing.Any
    standard_error: typing.Any
    effective_sample_size: typing.Any


def samples_at_a_time(batch_size, num_samples, extra=0):
    """Returns how many samples of each example are in memory, with `extra` ones beside them."""
    fitting = _ROWS // tf.maximum(batch_size, 1) - extra
    return tf.clip_by_value(fitting, 1, tf.maximum(num_samples, 1))


def log_mean(log_weight, num_samples, chunk, batch_size, dtype):
    """Returns the `LogLikelihood` of the mean of weights.

        log p(x) ~ log mean_s w_s;  standard error ~ sd(w) / (sqrt(S) mean(w))

    Args:
        log_weight: Function of the number of a chunk, which gives log w, `(chunk, B)`.
        num_samples: Integer, or an int32 scalar tensor, S.
        chunk: The same, samples in a chunk.
        batch_size: The same, B.
        dtype: That of the weights.
    """

    def add(step, log_sum, log_sum_of_squares):
        value = log_weight(step)
        # The last chunk may be longer than what is left.
        wanted = step * chunk + tf.range(chunk) < num_samples
        value = tf.where(wanted[:, tf.newaxis], value, float("-inf"))
        return (
            step + 1,
            _log_add(log_sum, tf.reduce_logsumexp(value, axis=0)),
            _log_add(log_sum_of_squares, tf.reduce_logsumexp(2.0 * value, axis=0)),
        )

    nothing = tf.fill([batch_size], tf.constant(float("-inf"), dtype))
    _, log_sum, log_sum_of_squares = tf.while_loop(
        lambda step, *_: step * chunk < num_samples,
        add,
        (0, nothing, nothing),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None]), tf.TensorShape([None])),
    )
    total = tf.cast(num_samples, log_sum.dtype)
    # Without any weight, as for data outside the likelihood's support, there is no sample either.
    effective = tf.where(
        tf.math.is_inf(log_sum), tf.zeros_like(log_sum), tf.exp(2.0 * log_sum - log_sum_of_squares)
    )
    variance = tf.maximum(total / effective - 1.0, 0.0) / (total - 1.0)
    # One sample tells nothing about its own spread.
    error = tf.where(total > 1.0, tf.sqrt(variance), float("inf"))
    return LogLikelihood(log_sum - tf.math.log(total), error, effective)


def _log_add(a, b):
    return tf.reduce_logsumexp(tf.stack([a, b]), axis=0)
