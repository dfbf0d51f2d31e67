"""Sampling importance resampling, with flat memory."""

import functools

import tensorflow as tf

from keras_vae._random import fold_in, standard_gumbel


def resampled(draw, num_samples, chunk, multiple, latent_shape, seed):
    """Returns `multiple` of the latents of each example, drawn by weight: `(M, B, *latent)`.

    With replacement. The largest of log w_s + Gumbel noise is z_s with probability w_s / sum w,
    and a largest value can be kept while the samples pass by.

    Args:
        draw: Function of a number and a seed that gives z, anything, and log w.
        num_samples: Integer, or an int32 scalar tensor, S.
        chunk: The same, samples in memory at once.
        multiple: Integer, M.
        latent_shape: Tuple.
        seed: Tensor of shape (2,).
    """

    # A function of its own is traced once for the two places that call it.
    @functools.partial(tf.function, autograph=False)
    def best_of(step):
        noise = fold_in(seed, step)
        z, _, log_weight = draw(chunk, noise)
        # The last chunk may be longer than what is left.
        wanted = step * chunk + tf.range(chunk) < num_samples
        log_weight = tf.where(wanted[:, tf.newaxis], log_weight, float("-inf"))
        shape = [tf.shape(z)[1], multiple, chunk]
        gumbel = standard_gumbel(shape, fold_in(noise, 1), log_weight.dtype)
        value = tf.transpose(log_weight)[:, tf.newaxis] + gumbel
        order = [1, 0, *range(2, z.shape.rank)]
        chosen = tf.gather(tf.transpose(z, order), tf.argmax(value, axis=-1), batch_dims=1)
        return tf.reduce_max(value, axis=-1), chosen

    def keep_best(step, value, z):
        other_value, other_z = best_of(step)
        better = other_value > value
        better_z = tf.reshape(better, tf.concat([tf.shape(better), [1] * len(latent_shape)], 0))
        return step + 1, tf.where(better, other_value, value), tf.where(better_z, other_z, z)

    start = (tf.constant(1), *best_of(tf.constant(0)))
    _, value, z = tf.while_loop(lambda step, *_: step * chunk < num_samples, keep_best, start)
    # Without any weight there is no latent to choose.
    nothing = tf.reshape(value, tf.concat([tf.shape(value), [1] * len(latent_shape)], 0))
    z = tf.where(tf.math.is_finite(nothing), z, float("nan"))
    z = tf.ensure_shape(z, (None, multiple, *latent_shape))
    return tf.transpose(z, [1, 0, *range(2, z.shape.rank)])
