import math

import tensorflow as tf

from keras_vae._registry import serializable
from keras_vae._tfp import tfd, tfp
from keras_vae.families._directions import Directions, below_one, directions_around


@serializable
class PowerSpherical(Directions):
    """Unit vectors around a mean direction, with samples that are exact, fast and differentiable.

    The posterior to take for latents on a sphere, with `priors.SphericalUniform`, from which it
    has an exact KL divergence. It looks like `VonMisesFisher`, without Bessel functions and
    without rejection.

        params = [loc, log_concentration],  mu = loc / |loc|,  kappa = exp(log_concentration)
        log p(x) = kappa log(1 + mu . x) - log C,   a = (d - 1)/2 + kappa,  b = (d - 1)/2
        log C    = (a + b) log 2 + b log pi + log Gamma(a) - log Gamma(a + b)           [nats]

    The log-concentration is held in [-8, 8]; outside, its gradient still leads back. A `loc` of
    0 is the first unit vector. Data of another length than 1 (by more than half a percent) has
    the log-likelihood minus infinity; a vector with a NaN in it is missing as a whole. The mean
    lies inside the sphere; `point_estimate` is mu. Axes before the last one are independent.

    Args:
        event_shape: Integer or tuple. Shape of one event; its last axis is at least 2.

    Shapes:
        params: `(..., *event_shape[:-1], event_shape[-1] + 1)`, or a list of two tensors.
        samples: `(..., *event_shape)`, of length 1 over the last axis.

    Raises:
        ValueError: If the last axis of `event_shape` is below 2, or `params` has another shape.

    Reference:
        De Cao and Aziz, "The Power Spherical distribution", 2020.

    Example:
        >>> import tensorflow as tf
        >>> z = PowerSpherical(3).sample(tf.constant([[0.0, 2.0, 0.0, 1.0]]), seed=1)
        >>> tf.norm(z, axis=-1).numpy().round(3)
        array([1.], dtype=float32)
    """

    def _directions(self, mean_direction, concentration):
        return _PowerSpherical(mean_direction, concentration)


class _PowerSpherical(tfd.PowerSpherical):
    """TFP has a covariance but no variance; and its sampler has NaN for gradients near mu.

    Its density and entropy have few digits in float32 where the concentration is large.
    """

    def _log_prob(self, x):
        b = (self.event_shape[-1] - 1) / 2
        # The logarithm of the density at mu, where kappa log 2 is left out on both sides.
        at_mean_direction = -b * math.log(4.0 * math.pi) - tfp.math.log_gamma_difference(
            tf.cast(b, self.dtype), b + self.concentration
        )
        # log((1 + cosine) / 2), from that of the two angles which is the smaller.
        near = 0.5 * below_one(x, self.mean_direction)
        far = 0.5 * below_one(x, self.mean_direction, sign=-1.0)
        is_near, zero, one = near < 0.5, tf.zeros_like(near), tf.ones_like(near)
        log_half = tf.where(
            is_near,
            tf.math.log1p(-tf.where(is_near, near, zero)),
            tf.math.log(tf.where(is_near, one, far)),
        )
        return at_mean_direction + self.concentration * log_half

    def _entropy(self, concentration=None, mean_direction=None):
        # TFP's divergences give both, its `entropy` neither; it is the same in every direction.
        concentration = self.concentration if concentration is None else concentration
        # -E log p: kappa times a small difference of two digamma functions.
        concentration = tf.cast(concentration, tf.float64)
        b = (self.event_shape[-1] - 1) / 2
        a = b + concentration
        at_mean_direction = -b * math.log(4.0 * math.pi) + tf.math.lgamma(a + b) - tf.math.lgamma(a)
        log_half = tf.math.digamma(a) - tf.math.digamma(a + b)
        return tf.cast(-at_mean_direction - concentration * log_half, self.dtype)

    def _variance(self):
        return tf.linalg.diag_part(self.covariance())

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed, 3)
        half = (self.event_shape[-1] - 1) / 2
        # cosine = 2 beta - 1 for a beta variable, the share of one gamma variable in two. From
        # their logarithms, cosine and sine have all their digits where the other one is 1.
        near = tfd.ExpGamma(half + self.concentration, tf.ones([], self.dtype))
        far = tfd.ExpGamma(tf.fill(tf.shape(self.concentration), tf.cast(half, self.dtype)), 1.0)
        angle = 0.5 * (near.sample(n, seed=seeds[0]) - far.sample(n, seed=seeds[1]))
        cosine, sine = tf.tanh(angle), 1.0 / tf.cosh(angle)
        return directions_around(self.mean_direction, cosine, sine, seeds[2])
