"""The loss that goes with `KLDivergenceRegularizer`."""

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from keras_vae._registry import deserialized, serializable, serialized
from keras_vae._types import Array, Config, Params
from keras_vae.families import Family

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["NegativeLogLikelihood"]


@serializable
class NegativeLogLikelihood(keras.losses.Loss):
    """-log p(y | params) in nats: summed over an example, averaged over the batch.

    The reconstruction term of the ELBO for a model whose output is the parameters of a
    likelihood. Summed over the event like the KL divergence, so that the two are in proportion.
    NaN in `y_true` is missing and leaves the sum.

        loss = mean_b -log p(y_b | params_b)                                            [nats]

    Args:
        family: A `keras_vae.families.Family` without weights of its own.
        reduction: As in `keras.losses.Loss`. Defaults to "sum_over_batch_size": the mean over
            the batch.
        name: String. Defaults to "negative_log_likelihood".
        **kwargs: Further arguments of `keras.losses.Loss`, such as `dtype`.

    Shapes:
        y_true: `(B, *family.event_shape)`.
        y_pred: `(B, *family.params_shape)`.

    Raises:
        TypeError: If `family` is not a family.
        ValueError: If the family has weights, which a loss cannot train, or shapes do not fit.

    Reference:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, equation 7, second term.

    Example:
        >>> import numpy as np
        >>> from keras_vae.families import Bernoulli
        >>> loss = NegativeLogLikelihood(Bernoulli(3))
        >>> round(float(loss(np.ones((2, 3)), np.zeros((2, 3)))), 4)
        2.0794
    """

    def __init__(
        self,
        family: Family,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "negative_log_likelihood",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        if not isinstance(family, Family):
            raise TypeError(
                "NegativeLogLikelihood expects a family of distributions. "
                f"Received: family={family!r}. For example families.Bernoulli((28, 28))."
            )
        if getattr(family, "weights", ()):
            raise ValueError(
                "NegativeLogLikelihood expects a family without weights, since Keras trains the "
                f"weights of models, not of losses. Received: family={family!r}. "
                "Use VAEModel, or predict the scale with scale='per_element'."
            )
        self.family = family

    def call(self, y_true: Array, y_pred: Params) -> tf.Tensor:
        return -self.family.log_likelihood(y_true, y_pred)

    def get_config(self) -> Config:
        return {**super().get_config(), "family": serialized(self.family)}

    @classmethod
    def from_config(cls, config: Config) -> "Self":
        return cls(**deserialized(config, "family"))
