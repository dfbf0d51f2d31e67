import math

import tensorflow as tf

from keras_vae._registry import serializable
from keras_vae._tfp import tfd, tfp
from keras_vae.families._bessel import log_bessel
from keras_vae.families._directions import Directions, below_one, directions_around


@serializable
class VonMisesFisher(Directions):
    """Unit vectors around a mean direction: the normal distribution of a sphere.

    The posterior of a hyperspherical autoencoder, with `priors.SphericalUniform`, from which it
    has an exact KL divergence. Its sampler rejects: outside of three dimensions the gradient of
    samples by the concentration leaves out the correction for that, as is usual, and is biased:
    at a concentration of 1 by 43% on a circle, by 5% in five dimensions, by 1% in twenty. Those
    of `PowerSpherical` are exact.

        params = [loc, log_concentration],  mu = loc / |loc|,  kappa = exp(log_concentration)
        log p(x) = kappa mu . x + (d/2 - 1) log kappa - d/2 log(2 pi)
                   - log I_{d/2-1}(kappa)                                               [nats]

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
        Davidson, Falorsi, De Cao, Kipf and Tomczak, "Hyperspherical Variational Auto-Encoders",
        2018.

    Example:
        >>> import tensorflow as tf
        >>> family = VonMisesFisher(3)
        >>> family.point_estimate(tf.constant([[0.0, 2.0, 0.0, 1.0]])).numpy()
        array([[0., 1., 0.]], dtype=float32)
    """

    def _directions(self, mean_direction, concentration):
        return _VonMisesFisher(mean_direction, concentration)


class _VonMisesFisher(tfd.VonMisesFisher):
    """TFP has a covariance, in float32 alone, but no variance.

    Its sampler has NaN for gradients near mu, and a loop in them, which XLA does not compile. Its
    Bessel functions are most of a model's graph, and slow.
    """

    def _log_normalization(self, concentration=None):
        return tf.cast(self._log_normalization_and_ratio(concentration)[0], self.dtype)

    def _log_normalization_and_ratio(self, concentration=None):
        concentration = self.concentration if concentration is None else concentration
        concentration = tf.cast(concentration, tf.float64)
        half = self.event_shape[-1] / 2.0
        log_value, ratio = log_bessel(half - 1.0, concentration)
        log_power = (half - 1.0) * tf.math.log(concentration)
        return half * math.log(2.0 * math.pi) + log_value - log_power, ratio

    def _log_prob(self, x):
        concentration = tf.cast(self.concentration, tf.float64)
        at_mean_direction = concentration - self._log_normalization_and_ratio()[0]
        below = self.concentration * below_one(x, self.mean_direction)
        return tf.cast(at_mean_direction, self.dtype) - below

    def _entropy(self):
        log_normalization, ratio = self._log_normalization_and_ratio()
        entropy = log_normalization - tf.cast(self.concentration, tf.float64) * ratio
        return tf.cast(entropy, self.dtype)

    def _mean(self):
        _, ratio = self._log_normalization_and_ratio()
        return tf.cast(ratio, self.dtype)[..., tf.newaxis] * self.mean_direction

    def _variance(self):
        # In float32 the three terms cancel to nothing for a large concentration.
        concentration = tf.cast(self.concentration, tf.float64)[..., tf.newaxis]
        size = tf.cast(self.event_shape[-1], tf.float64)
        ratio = self._log_normalization_and_ratio()[1][..., tf.newaxis]
        along = 1.0 - size * ratio / concentration - tf.square(ratio)
        squares = tf.square(tf.cast(self.mean_direction, tf.float64))
        return tf.cast(ratio / concentration + along * squares, self.dtype)

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed)
        shape = tf.concat([[n], tf.shape(self.concentration)], 0)
        angles = self._by_inversion if self.event_shape[-1] == 3 else self._by_rejection
        cosine, sine = angles(shape, seeds[0])
        return directions_around(self.mean_direction, cosine, sine, seeds[1])

    def _by_inversion(self, shape, seed):
        uniform = tf.random.stateless_uniform(shape, seed, minval=1e-30, dtype=self.dtype)
        tail = tf.exp(-2.0 * self.concentration)
        below_one = -tf.math.log(uniform + (1.0 - uniform) * tail) / self.concentration
        return 1.0 - below_one, tf.sqrt(tf.maximum(below_one * (2.0 - below_one), 1e-12))

    def _by_rejection(self, shape, seed):
        """Wood, "Simulation of the von Mises Fisher distribution", 1994, without cancellation."""
        size = tf.cast(self.event_shape[-1] - 1, self.dtype)
        concentration = self.concentration
        b = size / (2.0 * concentration + tf.sqrt(tf.square(2.0 * concentration) + size**2))
        gamma = tfd.ExpGamma(size / 2.0, tf.ones([], self.dtype))

        def propose(accepted, todo, seed):
            seeds = tfp.random.split_seed(seed, 4)
            log_odds = gamma.sample(shape, seed=seeds[0]) - gamma.sample(shape, seed=seeds[1])
            uniform = tf.random.stateless_uniform(shape, seeds[2], minval=1e-30, dtype=self.dtype)
            z, divisor = parts(log_odds)
            log_ratio = 2.0 * concentration * b * (1.0 / (1.0 + b) - z / divisor)
            log_ratio += size * tf.math.log((1.0 + b) / (2.0 * divisor))
            accepted = tf.where(todo, log_odds, accepted)
            return accepted, todo & (log_ratio < tf.math.log(uniform)), seeds[3]

        def parts(log_odds):
            z = tf.sigmoid(log_odds)
            return z, tf.sigmoid(-log_odds) + b * z

        start = (tf.zeros(shape, self.dtype), tf.ones(shape, tf.bool), seed)
        accepted, _, _ = tf.while_loop(lambda x, todo, seed: tf.reduce_any(todo), propose, start)
        # The loop has no gradient; that of the accepted proposal is taken here.
        accepted = tf.stop_gradient(accepted)
        z, divisor = parts(accepted)
        cosine = (tf.sigmoid(-accepted) - b * z) / divisor
        return cosine, tf.sqrt(b) / tf.cosh(0.5 * accepted) / divisor
