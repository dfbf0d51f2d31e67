import math
from typing import Any, Literal, NoReturn

import keras
import numpy as np
import tensorflow as tf

from keras_vae._distribute import sum_over_replicas
from keras_vae._numerics import LOG_VARIANCE_LIMIT, bounded
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Config, Number, Params, Shape
from keras_vae.families._elementwise import ElementwiseFamily

_SCALES = ("learned", "per_element", "optimal")
# Share of the old value that stays at each step in the running estimate of the optimal variance.
_MOMENTUM = 0.9


@serializable
class Normal(ElementwiseFamily, keras.layers.Layer):
    """Independent normal entries whose scale is given, learned, predicted or optimal.

    The scale of a Gaussian likelihood decides how much the reconstruction weighs against the KL
    divergence. A number fixes it: 1 / sqrt(2) makes the loss the squared error, up to a
    constant. "learned" is one weight for all entries, "per_element" comes from the network,
    "optimal" is the maximum-likelihood scale of each training batch, with a running estimate for
    everything outside training.

        log p(x) = -1/2 sum_i (x_i - loc_i)^2 / scale^2 + 2 log scale + log(2 pi)       [nats]
        optimal: scale^2 = mean over batch and entries of (x_i - loc_i)^2

    The scale is held in [4.5e-5, 2.2e4]. The family is a Keras layer as well, since it may own a
    weight; use it with `VAEModel`, whose optimizer sees that weight.

    Args:
        event_shape: Integer or tuple. Shape of one event.
        scale: Positive number, "learned", "per_element" or "optimal". Defaults to 1.0.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        params: `(..., *event_shape)`; for "per_element" `loc` and `log_variance` side by side,
            `(..., *event_shape[:-1], 2 * event_shape[-1])`, or a list of the two.
        samples: `(..., *event_shape)`.

    Raises:
        ValueError: If `scale` is not positive and finite, or an unknown word.

    Reference:
        Rybkin, Daniilidis and Levine, "Simple and Effective VAE Training with Calibrated
        Decoders", 2021, equation 5.

    Example:
        >>> import tensorflow as tf
        >>> family = Normal((8, 8), scale=0.5)
        >>> family(tf.zeros((5, 8, 8))).stddev()[0, 0, 0].numpy().item()
        0.5
    """

    parameter_names: tuple[str, ...] = ("loc",)

    def __init__(
        self,
        event_shape: Shape,
        scale: Number | Literal["learned", "per_element", "optimal"] = 1.0,
        **kwargs: Any,
    ) -> None:
        keras.layers.Layer.__init__(self, **kwargs)
        ElementwiseFamily.__init__(self, event_shape)
        self.scale = _check_scale(scale)
        if scale == "per_element":
            self.parameter_names = ("loc", "log_variance")
        if scale in ("learned", "optimal"):
            self.log_variance = self.add_weight(
                name="log_variance",
                shape=(),
                initializer="zeros",
                trainable=scale == "learned",
                autocast=False,
                aggregation="mean" if scale == "learned" else "only_first_replica",
            )
        self.built = True

    def __call__(self, params: Params) -> tfd.Distribution:
        # The family's call, not the layer's, which would cast the parameters to the dtype policy.
        return ElementwiseFamily.__call__(self, params)

    def call(self, params: Params) -> NoReturn:
        """Not used: a distribution cannot travel between layers."""
        raise NotImplementedError

    def get_config(self) -> Config:
        layer = keras.layers.Layer.get_config(self)
        return {**layer, **ElementwiseFamily.get_config(self), "scale": self.scale}

    def __repr__(self):
        return f"{type(self).__name__}(event_shape={self.event_shape!r}, scale={self.scale!r})"

    def _elements(self, loc, log_variance=None):
        return tfd.Normal(loc, self._scale_like(loc, log_variance))

    def _scale_like(self, loc, log_variance=None):
        if not isinstance(self.scale, str):
            return tf.constant(self.scale, loc.dtype)
        if log_variance is None:
            log_variance = tf.cast(tf.convert_to_tensor(self.log_variance), loc.dtype)
        return tf.exp(0.5 * bounded(log_variance))

    def _log_likelihood(self, x, missing, *parameters, training):
        if training and self.scale == "optimal":
            return self._optimal_log_likelihood(x, missing, *parameters)
        return super()._log_likelihood(x, missing, *parameters, training=training)

    def _optimal_log_likelihood(self, x, missing, loc):
        observed = tf.cast(tf.broadcast_to(~missing, tf.shape(loc)), loc.dtype)
        squares = tf.square(x - loc) * observed
        # At the optimum the loss does not change with the scale, so that no gradient passes
        # through it, and the sums may come from all replicas.
        total, count = sum_over_replicas(
            tf.stop_gradient(tf.reduce_sum(squares)), tf.reduce_sum(observed)
        )
        log_variance = tf.clip_by_value(
            tf.math.log(total / tf.maximum(count, 1.0)), -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT
        )
        old = tf.cast(tf.convert_to_tensor(self.log_variance), loc.dtype)
        new = old + (1.0 - _MOMENTUM) * (log_variance - old)
        # A batch with nothing observed, or with an infinite residual, tells nothing.
        usable = tf.math.is_finite(total) & (count > 0)
        self.log_variance.assign(tf.cast(tf.where(usable, new, old), self.log_variance.dtype))
        log_prob = -0.5 * (squares * tf.exp(-log_variance))
        log_prob -= 0.5 * (log_variance + math.log(2 * math.pi)) * observed
        return tf.reduce_sum(log_prob, axis=list(range(-len(self.event_shape), 0)))


def _check_scale(scale):
    if isinstance(scale, str) and scale in _SCALES:
        return scale
    number = isinstance(scale, (int, float, np.integer, np.floating)) and scale is not True
    if not number or not math.exp(-LOG_VARIANCE_LIMIT / 2) <= scale <= math.exp(
        LOG_VARIANCE_LIMIT / 2
    ):
        raise ValueError(
            "Normal expects a scale that is a number between 4.5e-5 and 2.2e4, or one of "
            f"{', '.join(map(repr, _SCALES))}. Received: scale={scale!r}. Rescale the data if "
            "its noise is smaller or larger than that."
        )
    return float(scale)
