"""The networks of a `VAETransformer`, and their training."""

import keras
import tensorflow as tf

from keras_vae import families
from keras_vae.models import VAEModel

LIKELIHOODS = {
    "normal": lambda features: families.Normal(features, scale="optimal", dtype="float64"),
    "laplace": families.Laplace,
    "bernoulli": families.Bernoulli,
    "continuous_bernoulli": families.ContinuousBernoulli,
    "poisson": families.Poisson,
    "negative_binomial": families.NegativeBinomial,
}
_LEARNING_RATE = 3e-3
# Tracing a step takes as long as about ten small steps without it.
_STEPS_WORTH_TRACING = 10


def build(x, num_latents, hidden_units, likelihood, seed):
    """Returns a `VAEModel` in double precision for data of this shape."""
    features = x.shape[1]
    family = LIKELIHOODS[likelihood](features)
    posterior = families.MultivariateNormalDiag(num_latents)
    seeds = iter(range(seed, seed + 2 * len(hidden_units) + 2))
    encoder = _network(features, hidden_units, posterior.params_size, seeds)
    decoder = _network(num_latents, hidden_units[::-1], family.params_size, seeds)
    return VAEModel(encoder, decoder, posterior, family, seed=seed, dtype="float64")


def train(model, x, epochs, batch_size, seed):
    """Trains the model on examples that are shuffled by `seed` alone, not by global noise."""
    steps = -(-len(x) // batch_size)

    def batches(epoch):
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(len(x)), seed=[seed, epoch])
        return tf.data.Dataset.from_tensor_slices(shuffled).batch(batch_size)

    data = tf.constant(x)
    epoch = tf.data.Dataset.range(epochs, output_type=tf.int32).flat_map(batches)
    # To nothing by the end, so that the result is an average and not the last step's noise.
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * steps)
    model.compile(keras.optimizers.Adam(rate), run_eagerly=epochs * steps < _STEPS_WORTH_TRACING)
    model.fit(
        epoch.map(lambda rows: tf.gather(data, rows)),
        epochs=epochs,
        steps_per_epoch=steps,
        verbose=0,
    )


def _network(inputs, hidden_units, outputs, seeds):
    layers = [
        keras.layers.Dense(
            units,
            activation,
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            dtype="float64",
        )
        for units, activation in [*((units, "relu") for units in hidden_units), (outputs, None)]
    ]
    return keras.Sequential([keras.Input((inputs,), dtype="float64"), *layers])
