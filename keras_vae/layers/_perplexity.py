import keras
import tensorflow as tf


class Perplexity(keras.metrics.Metric):
    """exp(entropy) of how often each code was used: how many codes are used, in effect.

    Of the usage in all batches of an epoch together. The mean of the batches' perplexities would
    depend on the batch size, and be small if every batch used a few codes, though different ones.
    """

    def __init__(self, num_codes, name="perplexity", **kwargs):
        super().__init__(name=name, dtype="float32", **kwargs)
        self.usage = self.add_variable(shape=(num_codes,), initializer="zeros", name="usage")

    def update_state(self, counts):
        """Adds how many vectors of a batch each code stands for, `(K,)`."""
        self.usage.assign_add(tf.cast(counts, tf.float32))

    def result(self):
        usage = tf.convert_to_tensor(self.usage)
        # NaN without any vector: no number of codes is right.
        share = usage / tf.reduce_sum(usage)
        return tf.exp(-tf.reduce_sum(tf.math.multiply_no_nan(tf.math.log(share), share)))
