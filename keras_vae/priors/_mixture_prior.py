from typing import Any, Literal

import keras
import tensorflow as tf

from keras_vae._checks import choice, count, from_keras
from keras_vae._numerics import as_shape, wide
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Array, Config, Encode, Initializer, Integer, Shape
from keras_vae.families import MultivariateNormalDiag, MultivariateNormalTriL
from keras_vae.priors._mixture import mixture
from keras_vae.priors._prior import Prior

_FAMILIES = {"diagonal": MultivariateNormalDiag, "full": MultivariateNormalTriL}


@serializable
class MixturePrior(Prior):
    """A mixture of normal distributions whose parameters are weights, trained with the model.

    For latents that fall into clusters. Its KL divergence has no closed form, so that an
    objective estimates it from samples. The components start with equal weights, with a variance
    of 1, and with means apart from each other: with equal means they would stay equal.

        log p(z) = log sum_k softmax(logits)_k N(z; mean_k, covariance_k)               [nats]

    Args:
        event_shape: Integer or tuple. Shape of one latent.
        num_components: Integer >= 1, the number of normal distributions.
        covariance: "diagonal", or "full" over the last axis of the event. Defaults to "diagonal".
        mean_initializer: Keras initializer of the means, which has the shape
            `(num_components, *event_shape)`, or None for standard normal noise. Defaults to None.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Shapes:
        samples: `(..., *event_shape)`.

    Raises:
        TypeError: If `event_shape` or `num_components` is not made of integers.
        ValueError: If one of them is out of range, or `covariance` is an unknown word.

    Reference:
        Dilokthanakul et al., "Deep Unsupervised Clustering with Gaussian Mixture Variational
        Autoencoders", 2016, equation 1; Tomczak and Welling, "VAE with a VampPrior", 2018,
        section 4 (the mixture of Gaussians prior).

    Example:
        >>> prior = MixturePrior(2, num_components=5)
        >>> prior.distribution().sample(3, seed=1).shape
        TensorShape([3, 2])
    """

    event_shape: tuple[int, ...]

    def __init__(
        self,
        event_shape: Shape,
        num_components: Integer,
        covariance: Literal["diagonal", "full"] = "diagonal",
        mean_initializer: Initializer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.event_shape = as_shape(event_shape, owner)
        self.num_components = count(num_components, "num_components", owner)
        self.covariance = choice(covariance, "covariance", owner, tuple(_FAMILIES))
        self.mean_initializer = from_keras(
            keras.initializers.get, mean_initializer, "mean_initializer", type(self).__name__
        )
        self._family = _FAMILIES[covariance](self.event_shape)
        *leading, size = self.event_shape
        loc_size, scale_size = self._family._parameter_sizes(size)
        self.logits = self._add("logits", (), "zeros")
        self.means = self._add(
            "means",
            (*leading, loc_size),
            self.mean_initializer or keras.initializers.RandomNormal(stddev=1.0),
        )
        # Zero is a variance of 1 for both families.
        self.scales = self._add("scales", (*leading, scale_size), "zeros")

    def _add(self, name, shape, initializer):
        return self.add_weight(
            name=name,
            shape=(self.num_components, *shape),
            initializer=initializer,
            autocast=False,
        )

    def distribution(
        self,
        *,
        encode: Encode | None = None,
        condition: Array | None = None,
    ) -> tfd.Distribution:
        del encode, condition
        means, scales = tf.convert_to_tensor(self.means), tf.convert_to_tensor(self.scales)
        return mixture(wide(self.logits), self._family([means, scales]))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "event_shape": self.event_shape,
            "num_components": self.num_components,
            "covariance": self.covariance,
            "mean_initializer": keras.initializers.serialize(self.mean_initializer)
            if self.mean_initializer
            else None,
        }
