import math
from collections.abc import Sequence
from typing import Literal

import tensorflow as tf

from keras_vae._checks import choice, count
from keras_vae._registry import serializable
from keras_vae._schedule import scalar
from keras_vae._types import Config, Integer, Scalar
from keras_vae.objectives._objective import Objective
from keras_vae.objectives._terms import Terms

_GRADIENTS = ("standard", "stl", "dreg")
# Added to the weights of the decoder's gradient, where it is far below a rounding error. What comes
# back through z is divided by them, and could not be if they were zero.
_FLOOR = 1e-20


@serializable
class IWAE(Objective):
    """The negative importance-weighted bound: the tighter, the more samples it takes.

    With one sample it is the ELBO, with many it approaches log p(x). More samples make the
    standard gradient of the encoder noisier. "stl" (sticking the landing) leaves out the score
    of the posterior, at the price of a bias; "dreg" (doubly reparameterised) has neither: the
    encoder's gradient carries the squared normalised weights, that of the decoder and the prior
    the weights themselves.

        log w_s = log p(x|z_s) + kl_weight * (log p(z_s) - log q(z_s|x))
        loss    = -log 1/S sum_s w_s                                                    [nats]
        num_groups (MIWAE):  the mean over groups of samples of the bound of each
        a pair (PIWAE):      that bound for the encoder; IWAE for decoder and prior
        elbo_weight (CIWAE): loss - elbo_weight * (ELBO - IWAE)

    Args:
        num_samples: Integer >= 1, all samples an example.
        gradient: "standard", "stl" or "dreg". Defaults to "standard".
        num_groups: Integer that divides `num_samples`, or two, of the bounds that the encoder and
            that the decoder and the prior are trained on, the second of which is the loss.
            Defaults to 1.
        elbo_weight: Number in [0, 1] or schedule. Defaults to 0.0.

    Shapes:
        terms: `Terms` with S samples and B examples.
        returns: `(B,)`.

    Raises:
        TypeError: If an argument is of another kind.
        ValueError: If an argument is out of range.

    Reference:
        Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016, equation 8;
        Roeder, Wu and Duvenaud, "Sticking the Landing", 2017; Tucker et al., "Doubly
        Reparameterized Gradient Estimators", 2019, equation 7; Rainforth et al., "Tighter
        Variational Bounds are Not Necessarily Better", 2018, equations 8 and 10.

    Example:
        >>> IWAE(50, gradient="dreg")
        IWAE(num_samples=50, gradient='dreg', num_groups=1, elbo_weight=0.0)
    """

    def __init__(
        self,
        num_samples: Integer,
        gradient: Literal["standard", "stl", "dreg"] = "standard",
        num_groups: Integer | Sequence[Integer] = 1,
        elbo_weight: Scalar = 0.0,
    ) -> None:
        self.num_samples = count(num_samples, "num_samples", "IWAE")
        self.gradient = choice(gradient, "gradient", "IWAE", _GRADIENTS)
        self.num_groups = _checked_groups(num_groups, self.num_samples)
        self.elbo_weight = scalar(elbo_weight, "elbo_weight", "IWAE", maximum=1.0)

    def __call__(self, terms: Terms) -> tf.Tensor:
        share = terms.at_step(self.elbo_weight)
        encoder_size, size = self._group_sizes()
        if encoder_size == size and self.gradient != "dreg":
            standard = self.gradient == "standard"
            return _loss(terms.log_weight if standard else terms.path_log_weight, size, share)
        # The decoder's and the prior's gradient is that of the loss, while the encoder's is weighed
        # on its way through z.
        log_weight = terms.path_log_weight
        weights = _weights(log_weight, size, share) + _FLOOR
        power = 2 if self.gradient == "dreg" else 1
        encoder_weights = _weights(log_weight, encoder_size, share, power)
        terms.path.weigh(encoder_weights / weights)  # type: ignore[union-attr]
        loss = _with_gradient(log_weight, _loss(log_weight, size, share), weights)
        if self.gradient == "standard":
            loss += _score(terms, encoder_weights)
        return loss

    def _group_sizes(self):
        """Returns the number of samples in a group, of the encoder's bound and of the other."""
        pair = self.num_groups if isinstance(self.num_groups, tuple) else 2 * (self.num_groups,)
        return [self.num_samples // num_groups for num_groups in pair]

    def get_config(self) -> Config:
        return {
            "num_samples": self.num_samples,
            "gradient": self.gradient,
            "num_groups": self.num_groups,
            "elbo_weight": self.elbo_weight,
        }


def _checked_groups(num_groups, num_samples):
    pair = isinstance(num_groups, (tuple, list)) and len(num_groups) == 2
    each = tuple(count(n, "num_groups", "IWAE") for n in (num_groups if pair else [num_groups]))
    if any(num_samples % n for n in each):
        raise ValueError(
            "IWAE expects num_groups to divide num_samples. Received: "
            f"num_samples={num_samples!r}, num_groups={num_groups!r}. Change one of them."
        )
    return each if pair else each[0]


def _loss(log_weight, size, elbo_weight):
    """Returns minus the mean over groups of `size` samples of the bound of each, `(B,)`."""
    groups = _grouped(log_weight, size)
    bound = tf.reduce_logsumexp(groups, axis=1) - math.log(size)
    if tf.is_tensor(elbo_weight) or elbo_weight:
        bound += elbo_weight * (tf.reduce_mean(groups, axis=1) - bound)
    return -tf.reduce_mean(bound, axis=0)


def _weights(log_weight, size, elbo_weight, power=1):
    """Returns the weight of each sample's derivative, `(S, B)`.

    With a power of 1 it is the derivative of the bound by its log-weight. Doubly reparameterised, a
    sample's weight in the IWAE bound is squared, and that in the ELBO is what it was.
    """
    groups = _grouped(log_weight, size)
    weights = (1.0 - elbo_weight) * tf.nn.softmax(groups, axis=1) ** power + elbo_weight / size
    return tf.reshape(weights, tf.shape(log_weight)) / tf.cast(tf.shape(groups)[0], weights.dtype)


def _grouped(log_weight, size):
    shape = tf.shape(log_weight)
    return tf.reshape(log_weight, (shape[0] // size, size, shape[1]))


def _with_gradient(log_weight, loss, weights):
    """Returns `loss`, with `-weights` for its derivative by the log-weights."""

    @tf.custom_gradient
    def function(log_weight):
        return tf.identity(loss), lambda upstream: -upstream * tf.stop_gradient(weights)

    return function(log_weight)


def _score(terms, weights):
    """Returns zero, with the gradient that the loss has by log q(z|x) itself, not through z."""
    log_prob = terms.posterior.log_prob(tf.stop_gradient(terms.z))
    kl_weight = tf.cast(terms.kl_weight, log_prob.dtype)
    score = tf.reduce_sum(tf.stop_gradient(weights) * kl_weight * log_prob, axis=0)
    return score - tf.stop_gradient(score)
