"""A VAE of TFP's probabilistic layers, which run on tf_keras (Keras 2) alone."""

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

tfd, tfpl = tfp.distributions, tfp.layers
layers = tf_keras.layers


def build():
    """Returns the encoder, the decoder and the model for pictures of 8 x 8 pixels, 2 latents."""
    prior = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))

    def posterior(params):
        mean, log_variance = tf.split(params, 2, axis=-1)
        return tfd.MultivariateNormalDiag(mean, tf.exp(0.5 * log_variance))

    encoder = tf_keras.Sequential(
        [
            layers.InputLayer((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dense(4),
            tfpl.DistributionLambda(
                posterior,
                activity_regularizer=tfpl.KLDivergenceRegularizer(prior, use_exact_kl=True),
            ),
        ]
    )
    decoder = tf_keras.Sequential(
        [
            layers.InputLayer((2,)),
            layers.Dense(16, activation="relu"),
            layers.Dense(64),
            tfpl.IndependentBernoulli((8, 8, 1), tfd.Bernoulli.logits),
        ]
    )
    vae = tf_keras.Model(encoder.inputs, decoder(encoder.outputs[0]))
    vae.compile(tf_keras.optimizers.Adam(), loss=lambda x, likelihood: -likelihood.log_prob(x))
    return encoder, decoder, vae
