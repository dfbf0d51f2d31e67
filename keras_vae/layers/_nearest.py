"""Steps of vector quantisation, as functions of tensors: N vectors, K codes of d entries."""

import tensorflow as tf

from keras_vae._random import standard_uniform


def nearest(z, embeddings):
    """Returns which of the `(K, d)` embeddings is nearest to each of the `(N, d)` vectors.

    argmin_k ||z - e_k||^2 = argmin_k ||e_k||^2 / 2 - z.e_k: one matrix product.
    """
    # Distances do not depend on the origin, but the digits that are lost in their terms do.
    centre = tf.reduce_mean(embeddings, axis=0)
    z, embeddings = z - centre, embeddings - centre
    norms = 0.5 * tf.reduce_sum(tf.square(embeddings), axis=-1)
    products = tf.matmul(z, embeddings, transpose_b=True)
    return tf.argmin(norms - products, axis=-1, output_type=tf.int32)


def moved_to_means(embeddings, old_counts, counts, residuals, decay):
    """Returns the embeddings and counts after one step of the exponential moving averages.

    With N_k and m_k the moving averages of how many vectors a code has and of their sum, the code
    is e_k = m_k / N_k. Written as a step from the old e_k nothing is divided by the vanishing
    N_k of a code without vectors, which stays where it is; and large sums do not cancel.

    Args:
        embeddings: `(K, d)`.
        old_counts: `(K,)`, the N_k before.
        counts: `(K,)`, how many vectors of the batch each code has.
        residuals: `(K, d)`, the sum of z - e_k over these vectors.
        decay: Share of the old averages that stays.
    """
    new_counts = decay * old_counts + (1.0 - decay) * counts
    steps = tf.math.divide_no_nan((1.0 - decay) * residuals, new_counts[:, tf.newaxis])
    return embeddings + steps, new_counts


def random_rows(z, number, seed):
    """Returns `number` random ones of the `(N, d)` vectors, zeros if there are none.

    One from each of as many equal parts of the batch, so that hardly any comes twice.
    """
    size = tf.shape(z)[0]
    noise = standard_uniform((number,), seed, tf.float32)
    share = (tf.range(number, dtype=tf.float32) + noise) / number
    index = tf.cast(share * tf.cast(size, tf.float32), tf.int32)
    index = tf.minimum(index, tf.maximum(size - 1, 0))
    return tf.gather(tf.pad(z, [[0, 1], [0, 0]]), index)
