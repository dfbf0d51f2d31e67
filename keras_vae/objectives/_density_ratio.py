from typing import Any, Literal

import keras
import tensorflow as tf

from keras_vae._checks import choice
from keras_vae._numerics import wide
from keras_vae._random import standard_normal
from keras_vae._registry import serializable, serialized
from keras_vae._types import Config, Scalar
from keras_vae.objectives._penalty import Penalty
from keras_vae.objectives._terms import Terms

_AGAINST = ("marginals", "prior")


@serializable
class DensityRatio(Penalty, keras.layers.Layer):
    """Penalises the aggregate posterior by a discriminator: FactorVAE, adversarial autoencoder.

    A discriminator learns to tell latents of the data from others; at its optimum its logit is
    the log-ratio l of their densities. Against the marginals (each latent permuted over the
    batch) the penalty estimates the total correlation, against the prior the divergence of the
    aggregate posterior from it. Penalty and discriminator are trained by one optimizer, in one
    step: the penalty reaches the encoder only, the discriminator's loss the discriminator only,
    and its value is logged but no part of `loss`. It is log 2 where nothing can be told.

        l(z)    = log q(z) / r(z),  r = prod_j q(z_j)  or  r = p(z)                     [nats]
        penalty = l(z),  its mean KL(q(z) || r)
        discriminator's loss = 1/2 softplus(-l(z)) + 1/2 softplus(l(z')),  z' ~ r

    The adversarial autoencoder of the paper minimises another divergence through the same
    discriminator. The discriminator lags behind the encoder: a TC that is negative for long, or
    its loss at log 2 from the start, asks for a larger one.

    Args:
        discriminator: Keras model with an Input, from latents to one logit of "from the data",
            or to two logits, "from the data" first.
        weight: Number >= 0 or schedule.
        against: "marginals" or "prior". Defaults to "marginals".
        **kwargs: Arguments of `keras.layers.Layer`; `name` is that of the log. Defaults to
            "density_ratio".

    Shapes:
        discriminator: `(B, *latent)` to `(B, 1)` or `(B, 2)`.
        returns: `(B,)`.

    Raises:
        TypeError: If `discriminator` is no Keras model or `weight` no number.
        ValueError: If the discriminator has no weights yet or another output, or an argument is
            out of range.

    Reference:
        Kim and Mnih, "Disentangling by Factorising", 2018, section 3; Makhzani et al.,
        "Adversarial Autoencoders", 2016, section 2.

    Example:
        >>> discriminator = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        >>> DensityRatio(discriminator, weight=5.0).logged
        ('density_ratio_discriminator_loss',)
    """

    name = "density_ratio"

    def __init__(
        self,
        discriminator: keras.Model,
        weight: Scalar,
        against: Literal["marginals", "prior"] = "marginals",
        **kwargs: Any,
    ) -> None:
        keras.layers.Layer.__init__(self, **{"name": self.name, **kwargs})
        Penalty.__init__(self, weight)
        if not isinstance(discriminator, keras.layers.Layer):
            raise TypeError(
                "DensityRatio expects a Keras model from latents to a logit. "
                f"Received: discriminator={discriminator!r}. "
                "For example keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])."
            )
        if not discriminator.built:
            raise ValueError(
                "DensityRatio expects a discriminator that has its weights. "
                f"Received: discriminator={discriminator.name!r}, which is not built. "
                "Begin it with keras.Input(latent_shape)."
            )
        self.discriminator = discriminator
        self.against = choice(against, "against", "DensityRatio", _AGAINST)
        self.built = True

    @property
    def logged(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names that the penalty logs beside its own."""
        return (f"{self.name}_discriminator_loss",)

    def _value(self, terms):
        # The discriminator as it is between steps: no dropout, no moving statistics, no weights
        # that the gradient could reach.
        network = self.discriminator
        weights = [
            [tf.stop_gradient(tf.convert_to_tensor(variable)) for variable in variables]
            for variables in (network.trainable_variables, network.non_trainable_variables)
        ]
        logits, _ = network.stateless_call(*weights, terms.z[0], training=False)
        return self._log_ratio(logits, terms)

    def own_loss(self, terms: Terms) -> tf.Tensor:
        """Returns the cross-entropy of the discriminator, `(B,)`."""
        z = tf.stop_gradient(terms.z[0])
        prior = self.against == "prior"
        other = terms.prior_z[0] if prior else _permuted(z, terms.seed)
        # One call for both: with batch normalization each alone would look like the other.
        both = tf.concat([z, tf.stop_gradient(other)], axis=0)
        logits = self.discriminator(both, training=terms.training)
        log_ratio, log_ratio_other = tf.split(self._log_ratio(logits, terms), 2)
        loss = 0.5 * (tf.nn.softplus(-log_ratio) + tf.nn.softplus(log_ratio_other))
        terms.log[self.logged[0]] = loss
        return loss

    def _log_ratio(self, logits, terms):
        if logits.shape.rank != 2 or logits.shape[-1] not in (1, 2):
            raise ValueError(
                "DensityRatio expects a discriminator with one logit or two. "
                f"Received: an output of shape {tuple(logits.shape)} of the discriminator "
                f"{self.discriminator.name!r}. End it with keras.layers.Dense(1)."
            )
        # A discriminator may be of another precision than the model.
        logits = tf.cast(logits, wide(terms.z).dtype)
        return logits[:, 0] if logits.shape[-1] == 1 else logits[:, 0] - logits[:, 1]

    def get_config(self) -> Config:
        return {
            **keras.layers.Layer.get_config(self),
            **Penalty.get_config(self),
            "discriminator": serialized(self.discriminator),
            "against": self.against,
        }

    def __repr__(self):
        return (
            f"DensityRatio(discriminator={self.discriminator.name!r}, weight={self.weight!r}, "
            f"against={self.against!r}, name={self.name!r})"
        )


def _permuted(z, seed):
    """Returns `z` with each latent permuted over the batch: samples of the marginals."""
    columns = tf.transpose(tf.reshape(z, [tf.shape(z)[0], -1]))
    order = tf.argsort(standard_normal(tf.shape(columns), seed, tf.float32), axis=-1)
    columns = tf.gather(columns, order, axis=1, batch_dims=1)
    return tf.reshape(tf.transpose(columns), tf.shape(z))
