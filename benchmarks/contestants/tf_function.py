"""What a user would write with Keras and `tf.function`, and the matrix products alone."""

import itertools

import keras
import tensorflow as tf
from _networks import networks
from _serve import MODELS, batches, serve


def steps(name):
    encoder, decoder = networks(name, keras)
    variables = encoder.trainable_weights + decoder.trainable_weights
    optimizer = keras.optimizers.Adam()
    optimizer.build(variables)
    means = [keras.metrics.Mean() for _ in range(3)]
    seed = keras.random.SeedGenerator(1)

    def entry_losses(batch, output):
        if name == "table":
            return 0.5 * tf.square(batch - output)
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=batch, logits=output)

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(encoder(batch, training=True), 2, axis=-1)
            noise = tf.random.stateless_normal(tf.shape(mean), tf.cast(seed.next(), tf.int32))
            output = decoder(mean + tf.exp(0.5 * log_variance) * noise, training=True)
            losses = entry_losses(batch, output)
            reconstruction = tf.reduce_mean(tf.reduce_sum(losses, axis=range(1, len(batch.shape))))
            kl = tf.exp(log_variance) + tf.square(mean) - 1.0 - log_variance
            kl = tf.reduce_mean(0.5 * tf.reduce_sum(kl, axis=-1))
            loss = reconstruction + kl
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for metric, value in zip(means, (loss, reconstruction, kl), strict=True):
            metric.update_state(value)

    x = tf.data.Dataset.from_tensor_slices(batches(name)).prefetch(2)
    options = tf.data.Options()
    options.autotune.enabled = False
    x = x.with_options(options)

    def epoch():
        for batch in x:
            step(batch)

    return epoch


def products(num_samples, num_examples, rows=4096):
    """The decoder's products for the samples of a log-likelihood: the least it can take."""
    model = MODELS["mlp"]
    sizes = (model["latents"], *reversed(model["hidden"]), model["inputs"])
    pairs = list(itertools.pairwise(sizes))
    weights = [tf.random.normal(pair) for pair in pairs]
    inputs = [tf.random.normal((rows, size)) for size, _ in pairs]

    @tf.function
    def decode(inputs):
        # Every product must be needed, but nothing of its size may be added to its cost.
        return tf.add_n([tf.matmul(*pair)[0, 0] for pair in zip(inputs, weights, strict=True)])

    def run():
        for _ in range(num_samples * num_examples // rows):
            decode(inputs)

    return run


if __name__ == "__main__":
    serve({"steps": steps, "products": products})
