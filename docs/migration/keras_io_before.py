"""A VAE as the keras.io example builds it: its own sampling layer, its own train_step."""

import keras
from keras import layers, ops


class Sampling(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        noise = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * noise


class VAE(keras.Model):
    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder, decoder
        names = ("loss", "reconstruction_loss", "kl_loss")
        self.trackers = [keras.metrics.Mean(name) for name in names]

    @property
    def metrics(self):
        return self.trackers

    def losses_of(self, data):
        z_mean, z_log_var, z = self.encoder(data)
        entropy = keras.losses.binary_crossentropy(data, self.decoder(z))
        reconstruction_loss = ops.mean(ops.sum(entropy, axis=(1, 2)))
        kl = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
        kl_loss = ops.mean(ops.sum(kl, axis=1))
        return reconstruction_loss + kl_loss, reconstruction_loss, kl_loss

    def train_step(self, data):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            losses = self.losses_of(data)
        gradients = tape.gradient(losses[0], self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        for tracker, loss in zip(self.trackers, losses, strict=True):
            tracker.update_state(loss)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def build():
    """Returns the model for pictures of 8 x 8 pixels, with 2 latents."""
    inputs = keras.Input((8, 8, 1))
    hidden = layers.Conv2D(8, 3, activation="relu", strides=2, padding="same")(inputs)
    hidden = layers.Dense(16, activation="relu")(layers.Flatten()(hidden))
    z_mean = layers.Dense(2, name="z_mean")(hidden)
    z_log_var = layers.Dense(2, name="z_log_var")(hidden)
    encoder = keras.Model(inputs, [z_mean, z_log_var, Sampling()([z_mean, z_log_var])])

    latents = keras.Input((2,))
    hidden = layers.Reshape((4, 4, 8))(layers.Dense(4 * 4 * 8, activation="relu")(latents))
    pixels = layers.Conv2DTranspose(1, 3, activation="sigmoid", strides=2, padding="same")
    decoder = keras.Model(latents, pixels(hidden))

    vae = VAE(encoder, decoder)
    vae.compile(keras.optimizers.Adam())
    return vae
