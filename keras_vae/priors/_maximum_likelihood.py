"""A prior's weights, fitted to latents by stochastic gradients."""

import keras
import numpy as np
import tensorflow as tf

# The rate falls to zero, so that the last steps average over the batches.
_LEARNING_RATE = 1e-2
# A few latents far outside of a density have gradients that would throw the others' work away.
_GRADIENT_NORM = 10.0


def maximise_likelihood(prior, z, encode, epochs, batch_size, seed):
    """Returns `prior`, its weights trained to give the latents `z` a high density.

    Args:
        prior: A `Prior` with trainable weights.
        z: Array `(N, *event_shape)`.
        encode: The model's function x -> q(z|x), for priors made of encoded points.
        epochs: Integer, passes over the latents.
        batch_size: Integer, latents a step.
        seed: Tensor of two integers, the order of the latents.
    """
    weights = prior.trainable_weights
    if not weights:
        raise ValueError(
            f"fit expects a prior with weights to train. Received: prior={prior!r}, which has "
            "none. For example priors.FlowPrior(2)."
        )
    if len(z) < 1 or prior.event_shape not in (None, z.shape[1:]):
        raise ValueError(
            "fit expects at least one latent, and a prior of its shape. Received: latents of "
            f"shape {z.shape} for a prior with the event shape {prior.event_shape}. "
            "Give data, and the prior the event_shape of the model's posterior."
        )
    batch_size = min(batch_size, len(z))
    num_batches = len(z) // batch_size
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * num_batches)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=_GRADIENT_NORM)
    optimizer.build(weights)
    latents = tf.constant(z, prior.distribution(encode=encode).dtype)

    @tf.function(autograph=False)
    def step(indices):
        with tf.GradientTape() as tape:
            log_prob = prior.distribution(encode=encode).log_prob(tf.gather(latents, indices))
            loss = -tf.reduce_mean(log_prob)
        optimizer.apply(tape.gradient(loss, weights), weights)

    rng = np.random.default_rng(np.asarray(seed, np.int64) % 2**32)
    for _ in range(epochs):
        # What is left over belongs to the next order of the latents.
        order = rng.permutation(len(z))[: num_batches * batch_size]
        for indices in order.reshape(num_batches, batch_size):
            step(tf.constant(indices))
    if not all(np.all(np.isfinite(weight)) for weight in weights):
        raise ValueError(
            "fit expects a training that converges. Received: weights with NaN or infinity in "
            f"prior={prior!r}. Train the model with a KL weight that keeps its latents small."
        )
    return prior
