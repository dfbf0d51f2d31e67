from typing import Any, NoReturn

import keras
import tensorflow as tf

from keras_vae._checks import number
from keras_vae._random import standard_gumbel
from keras_vae._registry import serializable
from keras_vae._scheduled import add_scheduled
from keras_vae._tfp import tfd
from keras_vae._types import Config, Number, Params, Shape
from keras_vae.families._family import Family
from keras_vae.families._missing import FillsVectors
from keras_vae.families._one_hot import one_hot_categorical

# Samples are corners there but for about one in a thousand, whose gradients, of up to
# 1 / (4 temperature), are all that a lower one would change.
_SMALLEST_TEMPERATURE = 1e-4


@serializable
class RelaxedOneHotCategorical(FillsVectors, Family, keras.layers.Layer):
    """Classes as one-hot vectors, whose samples are relaxed so that gradients pass through them.

    The posterior of discrete latents (Gumbel-softmax, concrete), with `priors.UniformCategorical`.
    The distribution itself is the discrete one: its density, moments, KL divergence and samples
    are those of one-hot vectors. Only `sample` of the family, from which models train, gives
    points between the corners, the closer to one the lower the temperature.

        pi = softmax(logits);    log p(x) = sum_k x_k log pi_k,  x one-hot              [nats]
        sample: softmax((log pi + g) / temperature),  g_k ~ Gumbel(0, 1)
        KL = sum_k pi_k (log pi_k - log p_k), exact, at every temperature               [nats]

    A low temperature makes the gradients noisy and a high one the samples unlike the codes that
    the decoder meets later: `callbacks.Annealing` moves `temperature`, a variable that is saved
    with the model and that is held at 1e-4 or above. The loss in training is that of the relaxed
    samples. With `IWAE` and `RenyiBound` each weighs p(x|z) prod_k (p_k / pi_k)^z_k, which is the
    discrete weight at the corners alone: the loss tends to the bound as the temperature goes to
    0, and bounds nothing before. `evaluation.log_likelihood` draws one-hot vectors, so that it is
    an estimate for the discrete model at every temperature.

    `point_estimate` is the most probable class. Data that is not one-hot has the log-likelihood
    minus infinity; a vector with a NaN in it is missing as a whole. The family is a Keras layer as
    well, since it owns the temperature.

    Args:
        event_shape: Integer or tuple. Its last axis has one entry for each class, at least 2;
            axes before it are variables independent of each other.
        temperature: Number >= 1e-4, the temperature to begin with. Defaults to 0.5.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        params: `(..., *event_shape)`.
        samples: `(..., *event_shape)`, in [0, 1], with sum 1 over the last axis.

    Raises:
        TypeError: If `temperature` is no number.
        ValueError: If the last axis of `event_shape` is below 2, `temperature` is below 1e-4 or
            not finite, or `params` has another shape.

    Reference:
        Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017; Maddison,
        Mnih and Teh, "The Concrete Distribution", 2017.

    Example:
        >>> import tensorflow as tf
        >>> family, logits = RelaxedOneHotCategorical(3), tf.constant([[0.0, 5.0, 0.0]])
        >>> family(logits).mean().numpy().round(3)
        array([[0.007, 0.987, 0.007]], dtype=float32)
        >>> family.sample(logits, seed=1).numpy().sum(axis=-1).round(5)
        array([1.], dtype=float32)
    """

    parameter_names = ("logits",)
    smallest_size = 2

    def __init__(self, event_shape: Shape, temperature: Number = 0.5, **kwargs: Any) -> None:
        keras.layers.Layer.__init__(self, **kwargs)
        Family.__init__(self, event_shape)
        self._first_temperature = number(
            temperature, "temperature", type(self).__name__, _SMALLEST_TEMPERATURE
        )
        self.temperature = add_scheduled(self, "temperature", self._first_temperature)
        self.built = True

    def __call__(self, params: Params) -> tfd.Distribution:
        # The family's call, not the layer's, which would cast the parameters to the dtype policy.
        return Family.__call__(self, params)

    def call(self, params: Params) -> NoReturn:
        """Not used: a distribution cannot travel between layers."""
        raise NotImplementedError

    def _distribution(self, logits):
        return one_hot_categorical(logits, self.event_shape)

    def _sample(self, shape, seed, logits):
        noise = standard_gumbel(tf.concat([shape, tf.shape(logits)], 0), seed, logits.dtype)
        temperature = tf.cast(tf.convert_to_tensor(self.temperature), logits.dtype)
        # Logarithms of probabilities, since noise would be lost beside large logits.
        noisy = tf.nn.log_softmax(logits) + noise
        return tf.nn.softmax(noisy / tf.maximum(temperature, _SMALLEST_TEMPERATURE))

    def _point_estimate(self, logits):
        return self._event_of(logits)

    def _expectation(self, x, missing, logits):
        del x, missing
        return tf.nn.softmax(logits)

    def _event_of(self, expectation):
        most_probable = tf.argmax(expectation, axis=-1)
        return tf.one_hot(most_probable, self.event_shape[-1], dtype=expectation.dtype)

    def _sample_missing(self, x, missing, seed, logits):
        # One-hot vectors, not relaxed ones.
        del x, missing
        return self._distribution(logits).sample(seed=seed)

    def _log_likelihood(self, x, missing, logits, *, training):
        del training
        missing = tf.reduce_any(missing, axis=-1)
        one_hot = tf.reduce_all(tf.equal(x, 0.0) | tf.equal(x, 1.0), axis=-1)
        one_hot &= tf.equal(tf.reduce_sum(x, axis=-1), 1.0) & ~missing
        # What is no one-hot vector must not reach the gradient either.
        x = tf.where(one_hot[..., tf.newaxis], x, tf.zeros_like(x))
        log_likelihood = one_hot_categorical(logits, self.event_shape).log_prob(x)
        axes = list(range(1, one_hot.shape.rank))
        inside = tf.reduce_all(one_hot | missing, axis=axes)
        return tf.where(inside, log_likelihood, float("-inf"))

    def get_config(self) -> Config:
        layer = keras.layers.Layer.get_config(self)
        family = Family.get_config(self)
        return {**layer, **family, "temperature": self._first_temperature}

    def __repr__(self):
        return (
            f"{type(self).__name__}(event_shape={self.event_shape!r}, "
            f"temperature={self._first_temperature!r})"
        )
