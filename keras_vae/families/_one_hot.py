"""The distribution of one-hot vectors that the categorical latents and their prior share."""

import tensorflow as tf

from keras_vae._tfp import tfd
from keras_vae.families._family import independent_over_leading_axes


def one_hot_categorical(logits, event_shape):
    """Returns the distribution of one-hot vectors on the last axis, independent on the others."""
    distribution = _OneHotCategorical(logits=logits, dtype=logits.dtype)
    return independent_over_leading_axes(distribution, event_shape)


class _OneHotCategorical(tfd.OneHotCategorical):
    """TFP stops the gradient with respect to x, which objectives of relaxed samples need."""

    def _log_prob(self, x):
        # Linear in x: for points between the corners, the mean over the corners.
        return tf.reduce_sum(x * tf.nn.log_softmax(self.logits), axis=-1)
