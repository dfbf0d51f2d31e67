import tensorflow as tf

from keras_vae._checks import count
from keras_vae._numerics import bounded
from keras_vae._registry import serializable
from keras_vae._tfp import tfd, tfp
from keras_vae._types import Config, Integer, Shape
from keras_vae.families._elementwise import ElementwiseFamily

_HIGHEST = 255.0
# Scales between a tenth of a grey value and a thousand times the range.
_LOG_SCALE_LIMIT = 7.0
# In the sums over all values.
_VALUES_AT_A_TIME = 16


@serializable
class DiscretizedLogistic(ElementwiseFamily):
    """Mixtures of logistic distributions over the whole numbers 0, ..., 255: images as they are.

    Each entry has a mixture of its own. A value's probability is that of the interval of width 1
    around it; 0 and 255 take the tails. Locations and scales are in units of half the range: a
    location of -1 is the value 0, of 1 the value 255. The components of one entry are side by
    side: a parameter is reshaped to `(..., *event_shape, num_components)`.

        params = [logits, loc, log_scale],  c = 127.5 (1 + loc),  s = 127.5 exp(log_scale)
        p(x) = sum_k softmax(logits)_k (sigmoid((x + 1/2 - c_k) / s_k)
                                        - sigmoid((x - 1/2 - c_k) / s_k))
        log p(x) = sum_i log p(x_i)                                                     [nats]

    Divide by log(2) and the number of entries for bits per dimension. The log-scale is held in
    [-7, 7]; outside, its gradient still leads back. Data that is no whole number from 0 to 255
    has the log-likelihood minus infinity. Samples have no gradient.

    Args:
        event_shape: Integer or tuple. Shape of one event.
        num_components: Integer. Logistic distributions for each entry. Defaults to 5.

    Shapes:
        params: `(..., *event_shape[:-1], 3 * num_components * event_shape[-1])`, or a list of
            three tensors.
        samples: `(..., *event_shape)`, float.

    Raises:
        TypeError: If `num_components` is no integer.
        ValueError: If `num_components` is below 1, or `params` has another shape.

    Reference:
        Salimans, Karpathy, Chen and Kingma, "PixelCNN++: Improving the PixelCNN with Discretized
        Logistic Mixture Likelihood", 2017, equation 2. Entries are independent here: their
        linear dependence of colour channels is left out.

    Example:
        >>> import tensorflow as tf
        >>> family = DiscretizedLogistic((8, 8, 3))
        >>> family.params_shape
        (8, 8, 45)
        >>> family(tf.zeros((1, 8, 8, 45))).mean()[0, 0, 0, 0].numpy().round(3).item()
        127.5
    """

    parameter_names = ("logits", "loc", "log_scale")
    support = (0.0, _HIGHEST)
    integers = True

    def __init__(self, event_shape: Shape, num_components: Integer = 5) -> None:
        super().__init__(event_shape)
        self.num_components = count(num_components, "num_components", "DiscretizedLogistic")

    def _parameter_sizes(self, size):
        return (size * self.num_components,) * 3

    def _elements(self, *parameters):
        shape = (self.event_shape[-1], self.num_components)
        logits, loc, log_scale = (
            tf.ensure_shape(
                tf.reshape(parameter, tf.concat([tf.shape(parameter)[:-1], shape], 0)),
                (*parameter.shape[:-1], *shape),
            )
            for parameter in parameters
        )
        scale = 0.5 * _HIGHEST * tf.exp(bounded(log_scale, _LOG_SCALE_LIMIT))
        return _LogisticMixture(logits, 0.5 * _HIGHEST * (1.0 + loc), scale)

    def get_config(self) -> Config:
        return {**super().get_config(), "num_components": self.num_components}


class _LogisticMixture(tfd.Distribution):
    """Rounded and clipped logistic variables, mixed; the last axis holds the components.

    TFP's QuantizedDistribution subtracts two logarithms, which in float32 are equal in the
    tails; and it has no mean.
    """

    def __init__(self, logits, loc, scale):
        parameters = dict(locals())
        self.logits, self.loc, self.scale = logits, loc, scale
        super().__init__(
            dtype=loc.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name="LogisticMixture",
        )

    def _batch_shape(self):
        return self.loc.shape[:-1]

    def _batch_shape_tensor(self):
        return tf.shape(self.loc)[:-1]

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed)
        component = tfd.Categorical(logits=self.logits).sample(n, seed=seeds[0])
        chosen = tf.one_hot(component, self.loc.shape[-1], dtype=self.dtype)
        loc, scale = (tf.reduce_sum(chosen * x, axis=-1) for x in (self.loc, self.scale))
        x = tfd.Logistic(loc, scale).sample(seed=seeds[1])
        return tf.clip_by_value(tf.round(x), 0.0, _HIGHEST)

    def _log_prob(self, x):
        x = x[..., tf.newaxis]
        # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)): no cancellation.
        log_below = -tf.nn.softplus((self.loc - x - 0.5) / self.scale)
        log_above = -tf.nn.softplus((x - 0.5 - self.loc) / self.scale)
        log_prob = log_below + log_above + tfp.math.log1mexp(1.0 / self.scale)
        log_prob = tf.where(tf.equal(x, 0.0), log_below, log_prob)
        log_prob = tf.where(tf.equal(x, _HIGHEST), log_above, log_prob)
        return tf.reduce_logsumexp(tf.nn.log_softmax(self.logits) + log_prob, axis=-1)

    def _mean(self):
        return self._sum_over_values(lambda x, before, beyond: beyond)

    def _variance(self):
        mean = self._mean()[..., tf.newaxis]
        return self._sum_over_values(
            lambda x, before, beyond: tf.math.squared_difference(x, mean) * (before - beyond)
        )

    def _sum_over_values(self, function):
        """Sums `function(x, P(X > x - 1), P(X > x))`: some values after others, for memory."""
        weights, loc, scale = (
            parameter[..., tf.newaxis, :]
            for parameter in (tf.nn.softmax(self.logits), self.loc, self.scale)
        )

        def add(first, total):
            x = first + tf.range(-1, _VALUES_AT_A_TIME, dtype=self.dtype)
            beyond = tf.sigmoid((loc - x[:, tf.newaxis] - 0.5) / scale)
            beyond = tf.reduce_sum(weights * beyond, axis=-1)
            beyond = tf.where(x < 0.0, 1.0, tf.where(x < _HIGHEST, beyond, 0.0))
            values = function(x[1:], beyond[..., :-1], beyond[..., 1:])
            return first + _VALUES_AT_A_TIME, total + tf.reduce_sum(values, axis=-1)

        start = (tf.zeros([], self.dtype), tf.zeros_like(self.loc[..., 0]))
        steps = 256 // _VALUES_AT_A_TIME
        return tf.while_loop(lambda *_: True, add, start, maximum_iterations=steps)[1]
