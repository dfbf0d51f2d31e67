from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_vae._checks import choice, number
from keras_vae._distribute import LossesOfReplica, share_of_mean
from keras_vae._kl_weight import add_kl_weight
from keras_vae._random import Seeded
from keras_vae._registry import deserialized, serializable, serialized
from keras_vae._types import BatchShape, Config, Integer, Method, Number, Params
from keras_vae.divergences import kl_divergence
from keras_vae.divergences._kl_divergence import METHODS
from keras_vae.families import Family
from keras_vae.layers._metric_name import metric_name
from keras_vae.layers._parameters import check_family, family_for, serialized_family, shapes_of
from keras_vae.priors import Prior, StandardNormal

if TYPE_CHECKING:
    from typing_extensions import Self


@serializable
class KLDivergenceRegularizer(LossesOfReplica, Seeded, keras.layers.Layer):
    """Adds the KL divergence of a posterior from its prior to the loss; returns its input.

    It turns any Keras model into a variational one: put it on the parameters that go into
    `Sampling`, and train with `losses.NegativeLogLikelihood`. Keras' own losses average over the
    entries of an example while this divergence is a sum, so that with `"binary_crossentropy"`
    the weight of 1 acts like a beta of the number of pixels.

        loss += weight * kl_weight * mean_b max(KL(q(z|x_b) || p(z)), free_nats)        [nats]

    `kl_weight` is a variable that starts at 1 and that `KLAnnealing` moves. The metric
    `kl_divergence` logs the mean divergence without weights; for a layer with a name of its own
    it is `<name>_kl_divergence`. Name the layers of a hierarchy: of several metrics with one name
    Keras shows the last.

    Args:
        family: A `keras_vae.families.Family`, or None for `[z_mean, z_log_var]`. Defaults to
            None.
        prior: A `keras_vae.priors.Prior`, or None for the standard normal. Defaults to None.
        weight: Number >= 0, the constant weight (beta). Defaults to 1.0.
        free_nats: Number >= 0, nats an example that cost nothing. Defaults to 0.0.
        method: "exact", "monte_carlo" (one sample an example) or "auto". Defaults to "auto".
        seed: Integer or None, for the Monte Carlo estimate. Defaults to None.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Call arguments:
        inputs: `(B, *family.params_shape)`, or a list of tensors: the parameters in parts.
        prior_params: Parameters of the same family for a prior that the network computes, as in
            hierarchical models. Defaults to None.

    Shapes:
        inputs, prior_params: as above; outputs: the inputs.

    Raises:
        TypeError: If `family` or `prior` is of another kind.
        ValueError: If a weight is negative, the shapes do not fit, or `prior_params` are given
            beside a `prior`.

    Reference:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, equation 7 and appendix B.

    Example:
        >>> import tensorflow as tf
        >>> layer = KLDivergenceRegularizer()
        >>> z_mean, z_log_var = layer([tf.ones((5, 2)), tf.zeros((5, 2))])
        >>> layer.losses[0].numpy().item()
        1.0
    """

    def __init__(
        self,
        family: Family | None = None,
        prior: Prior | None = None,
        weight: Number = 1.0,
        free_nats: Number = 0.0,
        method: Method = "auto",
        seed: Integer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        owner = type(self).__name__
        check_family(family, owner)
        if prior is not None and not isinstance(prior, Prior):
            raise TypeError(
                f"{owner} expects a prior or None. Received: prior={prior!r}. "
                "For example priors.StandardNormal(8)."
            )
        self.family = family
        self.prior = prior
        self.weight = number(weight, "weight", owner)
        self.free_nats = number(free_nats, "free_nats", owner)
        self.method = choice(method, "method", owner, METHODS)
        self._set_seed(seed)
        self.kl_weight = add_kl_weight(self)
        self.kl_metric = keras.metrics.Mean(
            name=metric_name(self.name, "kl_divergence_regularizer", "kl_divergence")
        )
        self.built = True

    def call(self, inputs: Params, prior_params: Params | None = None) -> Params:
        family = family_for(self.family, shapes_of(inputs), type(self).__name__)
        prior = self._given_prior(family, prior_params)
        # Keras casts nothing here: parameters in float64 may meet a prior in float32.
        params = inputs if prior is None else _cast(inputs, prior.dtype)
        q, z = self._draw(family, params)
        if prior is None:
            prior = StandardNormal(family.event_shape, dtype=q.dtype.name).distribution()
        kl = kl_divergence(q, prior, z, self.method)
        # Without free nats there is no bound: an estimate from one sample may be negative, and a
        # bound at 0 would bias its mean.
        costs = tf.maximum(kl, self.free_nats) if self.free_nats else kl
        loss = share_of_mean(tf.reduce_sum(costs), tf.size(kl))
        self.add_loss(self.weight * tf.cast(tf.convert_to_tensor(self.kl_weight), kl.dtype) * loss)
        self.kl_metric.update_state(kl)
        return inputs

    def _given_prior(self, family, prior_params):
        if prior_params is None:
            return None if self.prior is None else self.prior.distribution()
        if self.prior is not None:
            raise ValueError(
                f"{type(self).__name__} expects one prior. Received: prior={self.prior!r} in the "
                "constructor and prior_params in the call. Leave one out."
            )
        return family(prior_params)

    def _draw(self, family, params):
        if self.method == "exact":
            return family(params), None
        # Drawn for every family, used for those without a closed form: the graph drops the rest.
        return family.draw(params, seed=self._next_seed())

    def compute_output_shape(
        self,
        inputs_shape: BatchShape | Sequence[BatchShape],
        prior_params_shape: BatchShape | Sequence[BatchShape] | None = None,
    ) -> BatchShape | Sequence[BatchShape]:
        del prior_params_shape
        return inputs_shape

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "family": serialized_family(self.family),
            "prior": serialized(self.prior),
            "weight": self.weight,
            "free_nats": self.free_nats,
            "method": self.method,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: Config) -> "Self":
        return cls(**deserialized(config, "family", "prior"))


def _cast(params, dtype):
    return keras.tree.map_structure(lambda tensor: tf.cast(tensor, dtype), params)
