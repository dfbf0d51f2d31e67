"""The estimate of log p(x) by importance sampling, as one graph with flat memory."""

import typing

import tensorflow as tf

from keras_vae._random import fold_in

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


def importance_estimate(model, x, condition, num_samples, seed, proposal="posterior"):
    """Returns the `LogLikelihood` of one batch.

        log p(x) ~ log mean_s w_s,  w_s = p(x|z_s) p(z_s) / r(z_s),  z_s ~ r
        standard error ~ sd(w) / (sqrt(S) mean(w))

    Args:
        model: A `VAEModel`.
        x: `(B, ...)`.
        condition: `(B, ...)` or None.
        num_samples: Integer, or an int32 scalar tensor.
        seed: Tensor of shape (2,).
        proposal: r, "posterior" or "prior".
    """
    prior = model._prior_distribution(condition)
    posterior = model.encode(x, condition) if proposal == "posterior" else None
    batch_size = tf.shape(x)[0]
    chunk = tf.clip_by_value(_ROWS // tf.maximum(batch_size, 1), 1, tf.maximum(num_samples, 1))

    def log_weight(step):
        noise = fold_in(seed, step)
        if posterior is not None:
            # Together: the density of its own samples is cheaper for a flow than that of others.
            z, log_posterior = posterior.experimental_sample_and_log_prob(chunk, seed=noise)
            log_ratio = prior.log_prob(z) - log_posterior
        else:
            shape = [chunk] if prior.batch_shape.rank else [chunk, batch_size]
            z, log_ratio = prior.sample(shape, seed=noise), 0.0
        params = model._decoder_params(z, condition, training=False)
        value = model.likelihood.log_likelihood(x, params) + log_ratio
        # The last chunk may be longer than what is left.
        wanted = step * chunk + tf.range(chunk) < num_samples
        return tf.where(wanted[:, tf.newaxis], value, float("-inf"))

    def add(step, log_sum, log_sum_of_squares):
        value = log_weight(step)
        return (
            step + 1,
            _log_add(log_sum, tf.reduce_logsumexp(value, axis=0)),
            _log_add(log_sum_of_squares, tf.reduce_logsumexp(2.0 * value, axis=0)),
        )

    nothing = tf.fill([batch_size], tf.constant(float("-inf"), prior.dtype))
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
