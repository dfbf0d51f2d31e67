"""The distribution of `FlowPrior`: noise that affine couplings have bent."""

import numpy as np
import tensorflow as tf

from keras_vae._numerics import sum_event
from keras_vae._tfp import tfd

# One coupling scales an entry by a factor between exp(-3) and exp(3).
_LOG_SCALE_LIMIT = 3.0


def coupling_masks(num_layers, size):
    """Returns which entries each layer transforms, `(num_layers, size)`, 0 or 1.

    Layers 2j and 2j + 1 divide the entries by digit j of their index in base two: after as many
    pairs of layers as an index has digits, any two entries have been on different sides.
    """
    digits = max(1, (size - 1).bit_length())
    layer, index = np.arange(num_layers)[:, np.newaxis], np.arange(size)
    digit = (index >> (layer // 2 % digits)) & 1
    return (digit == layer % 2).astype("float64")


class CouplingFlow(tfd.Distribution):
    """Standard normal noise after affine couplings, each of which moves some of the entries.

        y_t = x_t exp(log_scale) + shift,   shift, log_scale = network(x_k)
        y_k = x_k,   t the entries that are transformed, k those that are kept
        log |det dy/dx| = sum over layers and t of log_scale_t                          [nats]

    No `tfd.TransformedDistribution`: that one runs the networks twice for a density, and
    remembers results by the identity of a tensor, even after the weights have changed.

    Args:
        networks: List of functions from `(N, d)` to `(N, 2 d)`, shift and log-scale.
        masks: Array `(len(networks), d)`, 1 for the entries that a layer transforms.
        event_shape: Tuple, the shape of an event of d entries.
        dtype: Data type of the events.
    """

    def __init__(self, networks, masks, event_shape, dtype, name="CouplingFlow"):
        parameters = dict(locals())
        self._layers = list(zip(networks, masks, strict=True))
        self._shape = event_shape
        zeros = tf.zeros(event_shape, dtype)
        self._noise = tfd.Independent(tfd.Normal(zeros, 1.0 + zeros), len(event_shape))
        super().__init__(
            dtype=tf.as_dtype(dtype),
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _event_shape(self):
        return tf.TensorShape(self._shape)

    def _event_shape_tensor(self):
        return tf.constant(self._shape, tf.int32)

    def _batch_shape(self):
        return tf.TensorShape([])

    def _batch_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _sample_n(self, n, seed=None):
        return self.forward(self._noise.sample(n, seed=seed))[0]

    def _log_prob(self, y):
        x, log_det = self.inverse(y)
        return self._noise.log_prob(x) - log_det

    def forward(self, x):
        """Returns y and log |det dy/dx|."""
        y, log_det = self._flat(x), 0.0
        for network, mask in self._layers:
            shift, log_scale = _shift_and_log_scale(network, y, mask)
            y = y * tf.exp(log_scale) + shift
            log_det += log_scale
        return self._shaped(y, x), sum_event(self._shaped(log_det, x), self._shape)

    def inverse(self, y):
        """Returns x and log |det dy/dx|."""
        x, log_det = self._flat(y), 0.0
        for network, mask in reversed(self._layers):
            # The entries that the network sees are the same before and after its layer.
            shift, log_scale = _shift_and_log_scale(network, x, mask)
            x = (x - shift) * tf.exp(-log_scale)
            log_det += log_scale
        return self._shaped(x, y), sum_event(self._shaped(log_det, y), self._shape)

    def _flat(self, x):
        return tf.reshape(x, [-1, np.prod(self._shape, dtype=int)])

    def _shaped(self, flat, like):
        return tf.ensure_shape(tf.reshape(flat, tf.shape(like)), like.shape)


def _shift_and_log_scale(network, x, mask):
    mask = tf.constant(mask, x.dtype)
    shift, log_scale = tf.split(network(x * (1.0 - mask)), 2, axis=-1)
    return shift * mask, _LOG_SCALE_LIMIT * tf.tanh(log_scale / _LOG_SCALE_LIMIT) * mask
