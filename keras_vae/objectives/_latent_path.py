import tensorflow as tf


class LatentPath:
    """Lets an objective weigh the gradient that passes from the decoder through z to the encoder.

    The decoder is given `path.z`, which equals z. The weights depend on the decoder's output, so
    that they are set after it has run and used when the gradient comes back.

    Args:
        z: `(S, B, *latent)`.
    """

    def __init__(self, z: tf.Tensor) -> None:
        self._weights = None
        self.z = self._attach(z)

    def weigh(self, weights: tf.Tensor) -> None:
        """Multiplies the gradient of each sample by its weight, `(S, B)`."""
        self._weights = tf.stop_gradient(weights)

    def _attach(self, z):
        @tf.custom_gradient
        def identity(z):
            return tf.identity(z), self._weighed

        return identity(z)

    def _weighed(self, upstream):
        if self._weights is None:
            return upstream
        ones = [1] * (upstream.shape.rank - 2)
        shape = tf.concat([tf.shape(self._weights), ones], 0) if ones else tf.shape(self._weights)
        return upstream * tf.reshape(tf.cast(self._weights, upstream.dtype), shape)
