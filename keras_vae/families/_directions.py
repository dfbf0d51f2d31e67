"""What the families of points on a sphere share: a mean direction and a concentration."""

import abc

import tensorflow as tf

from keras_vae._numerics import bounded
from keras_vae.families._family import Family, independent_over_leading_axes
from keras_vae.families._missing import FillsVectors

# Concentrations between 3.4e-4 and 3.0e3: from all directions to those within a degree.
_LOG_CONCENTRATION_LIMIT = 8.0
# Data in half precision is that far from length 1.
_TOLERANCE = 1e-2


class Directions(FillsVectors, Family):
    """A family of unit vectors on the last axis. Subclasses give the hook `_directions`."""

    parameter_names = ("loc", "log_concentration")
    smallest_size = 2

    @abc.abstractmethod
    def _directions(self, mean_direction, concentration):
        """Returns the distribution of one vector."""

    def _parameter_sizes(self, size):
        return (size, 1)

    def _distribution(self, loc, log_concentration):
        return independent_over_leading_axes(
            self._vectors(loc, log_concentration), self.event_shape
        )

    def _vectors(self, loc, log_concentration):
        log_concentration = bounded(log_concentration[..., 0], _LOG_CONCENTRATION_LIMIT)
        return self._directions(_unit(loc), tf.exp(log_concentration))

    def _point_estimate(self, loc, log_concentration):
        del log_concentration
        return _unit(loc)

    def _expectation(self, x, missing, *parameters):
        # The mean lies inside of the sphere: the farther, the less there is to know.
        del x, missing
        return self._distribution(*parameters).mean()

    def _event_of(self, expectation):
        return _unit(expectation)

    def _log_likelihood(self, x, missing, loc, log_concentration, *, training):
        del training
        missing = tf.reduce_any(missing, axis=-1)
        squares = tf.reduce_sum(tf.square(x), axis=-1)
        inside = missing | (tf.abs(squares - 1.0) < _TOLERANCE)
        # What is left of a missing vector may be opposite to the mean direction, where the
        # logarithm of a density of zero has a gradient of NaN.
        x = tf.where(missing[..., tf.newaxis], tf.stop_gradient(_unit(loc)), x)
        log_prob = self._vectors(loc, log_concentration).log_prob(tf.math.l2_normalize(x, -1))
        log_prob = tf.where(missing, tf.zeros_like(log_prob), log_prob)
        axes = len(self.event_shape) - 1
        log_likelihood = tf.reduce_sum(log_prob, axis=list(range(-axes, 0)))
        inside = tf.reduce_all(inside, axis=list(range(-axes, 0)))
        return tf.where(inside, log_likelihood, float("-inf"))


def directions_around(mean_direction, cosine, sine, seed):
    """Returns unit vectors at these angles from `mean_direction`, uniform in all other respects.

    The reflection that takes the first unit vector to the mean direction, or to its opposite if
    that is farther away: TFP's samplers lose their gradients where the two are one.
    """
    shape = tf.concat([tf.shape(cosine), [mean_direction.shape[-1] - 1]], 0)
    noise = tf.random.stateless_normal(shape, seed, dtype=cosine.dtype)
    others = tf.math.l2_normalize(noise, -1, epsilon=1e-36)
    x = tf.concat([cosine[..., tf.newaxis], sine[..., tf.newaxis] * others], -1)
    first = tf.one_hot(0, mean_direction.shape[-1], dtype=x.dtype)
    sign = tf.where(mean_direction[..., :1] >= 0.0, tf.ones([], x.dtype), -tf.ones([], x.dtype))
    normal = tf.math.l2_normalize(first + sign * mean_direction, -1)
    return sign * (2.0 * tf.reduce_sum(x * normal, -1, keepdims=True) * normal - x)


def below_one(x, mean_direction, sign=1.0):
    """Returns 1 - sign * cosine of the angles between unit vectors, `(...)`.

    From the distance of the two, |x - mu|^2 = 2 - 2 cosine: a large concentration times a cosine
    near 1 would have no digits left. A length that is 1 but for rounding changes nothing here.
    """
    return 0.5 * tf.reduce_sum(tf.square(x - sign * mean_direction), axis=-1)


def _unit(loc):
    """Returns `loc` with length 1; a vector of length 0 is the first unit vector."""
    squares = tf.reduce_sum(tf.square(loc), axis=-1, keepdims=True)
    has_direction = squares > 1e-12
    first = tf.one_hot(0, loc.shape[-1], dtype=loc.dtype)
    # A network whose last layer starts at 0 gets the gradient of a loc of length 1.
    replacement = first + (loc - tf.stop_gradient(loc))
    length = tf.sqrt(tf.where(has_direction, squares, tf.ones_like(squares)))
    return tf.where(has_direction, loc / length, replacement)
