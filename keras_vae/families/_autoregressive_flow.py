"""The distribution of `InverseAutoregressiveFlow`: a normal one after autoregressive steps."""

import functools
import math
import statistics

import numpy as np
import tensorflow as tf

from keras_vae._tfp import tfd
from keras_vae.families._autoregressive_step import AutoregressiveStep

# Points of noise that stand for the distribution in its mean and variance.
_NUM_POINTS = 256
_LOG_TWO_PI = math.log(2 * math.pi)


class Way:
    """Which way samples took: the tensor z itself, log q(z), and the inputs of every step."""

    def __init__(self, z, log_prob, inputs):
        self.z, self.log_prob, self.inputs = z, log_prob, inputs


class AutoregressiveFlow(tfd.Distribution):
    """A diagonal normal distribution after steps that scale and shift autoregressively.

        z_0 = loc + exp(log_scale) noise,   z_t = z_(t-1) exp(log_scale_t) + shift_t
        log q(z_T) = sum over entries of
            -1/2 noise^2 - 1/2 log(2 pi) - log_scale - sum_t log_scale_t                [nats]

    The density of samples is known from the noise they were made of; any other point is followed
    back through the steps. No `tfd.TransformedDistribution` of a `tfb.MaskedAutoregressiveFlow`:
    that one runs the networks twice, differentiates through each pass of the inversion, and
    remembers by the identity of a tensor, even after the weights have changed. This one is a
    snapshot of its weights.

    Args:
        loc, log_scale: Tensors `(..., *event_shape)`.
        networks: List of functions from `(..., d)`, flat, to `(..., 2 d)`, shift and log-scale.
        orders: For each network the place of every entry in its order, `(d,)`.
        event_shape: Tuple, the shape of an event of d entries.
        way: `Way` of samples whose density is asked for, or None.
    """

    def __init__(self, loc, log_scale, networks, orders, event_shape, way=None):
        parameters = dict(locals())
        self._steps = [AutoregressiveStep(*pair) for pair in zip(networks, orders, strict=True)]
        self._shape = event_shape
        self._size = math.prod(event_shape)
        self._loc, self._log_scale = self._flat(loc), self._flat(log_scale)
        self.way = way
        super().__init__(
            dtype=loc.dtype,
            reparameterization_type=tfd.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name="AutoregressiveFlow",
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}

    def _event_shape(self):
        return tf.TensorShape(self._shape)

    def _event_shape_tensor(self):
        return tf.constant(self._shape, tf.int32)

    def _batch_shape(self):
        return self._loc.shape[:-1]

    def _batch_shape_tensor(self):
        return tf.shape(self._loc)[:-1]

    def forward(self, noise):
        """Returns the `Way` of the samples made of this noise, `(..., *batch, *event_shape)`."""
        noise = self._flat(noise)
        z = self._loc + tf.exp(self._log_scale) * noise
        log_prob = -0.5 * (tf.square(noise) + _LOG_TWO_PI) - self._log_scale
        inputs = []
        for step in self._steps:
            inputs.append(z)
            z, log_scale = step.forward(z)
            log_prob -= log_scale
        return Way(self._shaped(z), tf.reduce_sum(log_prob, axis=-1), inputs)

    def _sample_n(self, n, seed=None):
        return self.forward(self._noise(n, seed)).z

    def _sample_and_log_prob(self, sample_shape, seed=None):
        way = self.forward(self._noise(tf.reduce_prod(sample_shape), seed))
        shape = tf.concat([sample_shape, tf.shape(way.z)[1:]], 0)
        log_prob = tf.reshape(way.log_prob, tf.concat([sample_shape, self.batch_shape_tensor()], 0))
        return tf.reshape(way.z, shape), log_prob

    def _noise(self, n, seed):
        shape = tf.concat([[n], self.batch_shape_tensor(), self._shape], 0)
        zero = tf.zeros((), self.dtype)
        return tfd.Normal(zero, 1.0 + zero).sample(shape, seed=seed)

    def _log_prob(self, z):
        known = self.way is not None and z is self.way.z
        if known and self.way.log_prob is not None:
            return self.way.log_prob
        z = self._flat(z)
        z += tf.zeros_like(self._loc)
        log_prob = 0.0
        for index, step in reversed(list(enumerate(self._steps))):
            z = step.inverse(z, self.way.inputs[index] if known else None)
            log_prob -= step.log_scale(z)
        noise = (z - self._loc) * tf.exp(-self._log_scale)
        log_prob -= 0.5 * (tf.square(noise) + _LOG_TWO_PI) + self._log_scale
        return tf.reduce_sum(log_prob, axis=-1)

    def _mean(self):
        return tf.reduce_mean(self._points(), axis=0)

    def _variance(self):
        return tf.math.reduce_variance(self._points(), axis=0)

    def _points(self):
        """The same points for every distribution of this size, so that estimates are smooth."""
        noise = tf.constant(_latin_hypercube(_NUM_POINTS, self._size), self.dtype)
        ones = tf.ones(self._loc.shape.rank - 1, tf.int32)
        shape = tf.concat([[_NUM_POINTS], ones, self._shape], 0)
        return self.forward(tf.reshape(noise, shape)).z

    def _flat(self, x):
        shape = tf.shape(x)[: x.shape.rank - len(self._shape)]
        leading = x.shape[: x.shape.rank - len(self._shape)]
        flat = tf.reshape(x, tf.concat([shape, [self._size]], 0))
        return tf.ensure_shape(flat, [*leading, self._size])

    def _shaped(self, flat):
        shaped = tf.reshape(flat, tf.concat([tf.shape(flat)[:-1], self._shape], 0))
        return tf.ensure_shape(shaped, [*flat.shape[:-1], *self._shape])


@functools.lru_cache(maxsize=16)
def _latin_hypercube(number, size):
    """Returns normal noise, `(number, size)`, each entry with a mean of 0 and a variance of 1.

    Every entry takes the same quantiles in an order of its own: sums of functions of single
    entries are averaged with far less error than by independent draws.
    """
    normal = statistics.NormalDist()
    quantiles = np.array([normal.inv_cdf((i + 0.5) / number) for i in range(number)])
    quantiles /= np.sqrt(np.mean(quantiles**2))
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(quantiles) for _ in range(size)], axis=-1)
