import math

import tensorflow as tf

from keras_vae._checks import count
from keras_vae._registry import serializable
from keras_vae._schedule import scalar
from keras_vae._types import Config, Integer, Scalar
from keras_vae.objectives._objective import Objective
from keras_vae.objectives._terms import Terms

# Closer to 1 the difference quotient below has no digits left in float32.
_ELBO_NEIGHBOURHOOD = 1e-4


@serializable
class RenyiBound(Objective):
    """The negative variational Renyi bound, between the ELBO and log p(x) and beyond.

    alpha = 1 is the ELBO, alpha = 0 the importance-weighted bound. Smaller alpha makes the
    posterior cover more of the true one; above 1 it seeks one mode.

        log w_s = log p(x|z_s) + kl_weight * (log p(z_s) - log q(z_s|x))
        loss    = -1 / (1 - alpha) log 1/S sum_s w_s^(1 - alpha)                        [nats]

    Args:
        alpha: Number >= 0 or schedule.
        num_samples: Integer >= 1, samples an example.

    Shapes:
        terms: `Terms` with S samples and B examples.
        returns: `(B,)`.

    Raises:
        TypeError: If an argument is no number.
        ValueError: If an argument is out of range.

    Reference:
        Li and Turner, "Renyi Divergence Variational Inference", 2016, equation 9.

    Example:
        >>> RenyiBound(alpha=0.5, num_samples=10)
        RenyiBound(alpha=0.5, num_samples=10)
    """

    def __init__(self, alpha: Scalar, num_samples: Integer) -> None:
        self.alpha = scalar(alpha, "alpha", "RenyiBound")
        self.num_samples = count(num_samples, "num_samples", "RenyiBound")

    def __call__(self, terms: Terms) -> tf.Tensor:
        power = 1.0 - terms.at_step(self.alpha)
        near = abs(power) < _ELBO_NEIGHBOURHOOD
        # A number that divides in both cases, so that the one not taken has a gradient too.
        divisor = tf.where(near, tf.ones((), terms.log_weight.dtype), power)
        log_mean = tf.reduce_logsumexp(divisor * terms.log_weight, axis=0)
        bound = (log_mean - math.log(self.num_samples)) / divisor
        return -tf.where(near, tf.reduce_mean(terms.log_weight, axis=0), bound)

    def get_config(self) -> Config:
        return {"alpha": self.alpha, "num_samples": self.num_samples}
