import math
from typing import Any, NoReturn

import keras
import tensorflow as tf

from keras_vae._checks import count, number
from keras_vae._distribute import sum_over_replicas
from keras_vae._registry import serializable
from keras_vae._schedule import scalar
from keras_vae._types import Config, Integer, Number, Scalar
from keras_vae.objectives._objective import Objective
from keras_vae.objectives._terms import Terms

# The multiplier stays between 4.5e-5 and 2.2e4: it must come back once the constraint is met.
_LOG_LIMIT = 10.0


@serializable
class GECO(Objective, keras.layers.Layer):
    """The smallest divergence at which the reconstruction is as good as you ask for.

    In place of a weight for the divergence you say what reconstruction loss is good enough. A
    multiplier grows while the loss is above that tolerance and shrinks while it is below, until
    the constraint holds on average over the training data. It moves in training alone.

        minimise KL  subject to  E[-log p(x|z)] <= tolerance                            [nats]
        constraint     = -mean_s log p(x|z_s) - tolerance
        loss           = kl_weight * KL + multiplier * constraint
        log multiplier = log multiplier + rate * moving average of the mean constraint

    Both `multiplier` and `constraint` are logged. The objective is a Keras layer as well: the model
    saves its variables, and under a distribution strategy it is made in the strategy's scope.

    Args:
        tolerance: Number or schedule, nats an example. It may be negative, as the reconstruction
            loss of continuous data may.
        rate: Number >= 0 or schedule, how far a nat of violation moves the logarithm of the
            multiplier in a step. Defaults to 0.001.
        momentum: Number in [0, 1), of the moving average. Defaults to 0.99.
        initial_multiplier: Number in [4.5e-5, 2.2e4]. Defaults to 1.0.
        num_samples: Integer >= 1, latent samples an example. Defaults to 1.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        terms: `Terms` with S samples and B examples.
        returns: `(B,)`.

    Raises:
        TypeError: If an argument is no number.
        ValueError: If an argument is out of range.

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, algorithm 1.

    Example:
        >>> objective = GECO(tolerance=90.0)
        >>> float(objective.multiplier)
        1.0
    """

    logged = ("multiplier", "constraint")

    def __init__(
        self,
        tolerance: Scalar,
        rate: Scalar = 0.001,
        momentum: Number = 0.99,
        initial_multiplier: Number = 1.0,
        num_samples: Integer = 1,
        **kwargs: Any,
    ) -> None:
        keras.layers.Layer.__init__(self, **kwargs)
        self.tolerance = scalar(tolerance, "tolerance", "GECO", minimum=-math.inf)
        self.rate = scalar(rate, "rate", "GECO")
        self.momentum = number(momentum, "momentum", "GECO", maximum=1.0)
        if self.momentum == 1.0:
            raise ValueError(
                "GECO expects momentum to be below 1, since at 1 the average never moves. "
                f"Received: momentum={momentum!r}. For example 0.99."
            )
        limits = {"minimum": math.exp(-_LOG_LIMIT), "maximum": math.exp(_LOG_LIMIT)}
        self.initial_multiplier = number(initial_multiplier, "initial_multiplier", "GECO", **limits)
        self.num_samples = count(num_samples, "num_samples", "GECO")
        start = keras.initializers.Constant(math.log(self.initial_multiplier))
        self.log_multiplier = self._state("log_multiplier", (), start)
        # Of the constraint, and of 1: their ratio is an average without a bias at the start.
        self.averages = self._state("averages", (2,), "zeros")
        self.built = True

    @property
    def multiplier(self) -> tf.Tensor:
        """What the constraint is multiplied by, a tensor of shape `()`."""
        return tf.exp(tf.convert_to_tensor(self.log_multiplier))

    def __call__(self, terms: Terms) -> tf.Tensor:
        constraint = terms.reconstruction_loss - terms.at_step(self.tolerance)
        # The multiplier of this step: the next one is that of the steps after it.
        multiplier = tf.cast(self.multiplier, constraint.dtype)
        if terms.training:
            self._move(constraint, terms.at_step(self.rate))
        terms.log["constraint"] = constraint
        terms.log["multiplier"] = tf.broadcast_to(multiplier, tf.shape(constraint))
        kl_weight = tf.cast(terms.kl_weight, constraint.dtype)
        # A divergence of infinity times a weight of zero is no part of the loss.
        divergence = tf.math.multiply_no_nan(terms.kl_divergence, kl_weight)
        return divergence + multiplier * constraint

    def call(self, terms: Terms) -> NoReturn:
        """Not used: `Terms` are no tensors."""
        raise NotImplementedError

    def _move(self, constraint, rate):
        """Moves the averages and the multiplier by one step, equally on all replicas."""
        number_of = tf.cast(tf.size(constraint), constraint.dtype)
        total, number_of = sum_over_replicas(tf.stop_gradient(tf.reduce_sum(constraint)), number_of)
        mean = tf.cast(total / number_of, tf.float32)
        old = tf.convert_to_tensor(self.averages)
        new = self.momentum * old + (1.0 - self.momentum) * tf.stack([mean, 1.0])
        log_multiplier = tf.convert_to_tensor(self.log_multiplier)
        moved = log_multiplier + tf.cast(rate, tf.float32) * new[0] / new[1]
        moved = tf.clip_by_value(moved, -_LOG_LIMIT, _LOG_LIMIT)
        # An infinite example may have a weight of zero, and an empty batch has no mean.
        usable = tf.math.is_finite(mean)
        self.averages.assign(tf.where(usable, new, old))
        self.log_multiplier.assign(tf.where(usable, moved, log_multiplier))

    def _state(self, name, shape, initializer):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype="float32",
            trainable=False,
            autocast=False,
            # Every replica has the same value.
            aggregation="only_first_replica",
        )

    def get_config(self) -> Config:
        return {
            **keras.layers.Layer.get_config(self),
            "tolerance": self.tolerance,
            "rate": self.rate,
            "momentum": self.momentum,
            "initial_multiplier": self.initial_multiplier,
            "num_samples": self.num_samples,
        }
