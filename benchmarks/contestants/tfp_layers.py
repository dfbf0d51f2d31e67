"""TFP's probabilistic layers on tf_keras, built as in TFP's own tutorial on them."""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from _networks import networks
from _serve import MODELS, batches, serve

tfd, tfpl = tfp.distributions, tfp.layers


def steps(name):
    encoder, decoder = networks(name, tf_keras)
    latents, shape = MODELS[name]["latents"], MODELS[name]["inputs"]
    prior = tfd.Independent(tfd.Normal(tf.zeros(latents), 1.0), 1)
    encoder.add(
        tfpl.IndependentNormal(latents, activity_regularizer=tfpl.KLDivergenceRegularizer(prior))
    )
    if name == "table":
        likelihood = tfpl.DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t, 1.0), 1))
    else:
        decoder.add(tf_keras.layers.Flatten())
        likelihood = tfpl.IndependentBernoulli(shape, tfd.Bernoulli.logits)
    model = tf_keras.Model(encoder.inputs, likelihood(decoder(encoder.outputs[0])))
    model.compile("adam", loss=lambda x, q: -q.log_prob(x))
    x = tf.data.Dataset.from_tensor_slices(batches(name)).prefetch(2)
    x = tf.data.Dataset.zip((x, x))
    return lambda: model.fit(x, verbose=0)


if __name__ == "__main__":
    serve({"steps": steps})
