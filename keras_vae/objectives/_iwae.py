import math

import tensorflow as tf

from keras_vae._checks import choice, count, number
from keras_vae._registry import serializable
from keras_vae.objectives._objective import Objective

_GRADIENTS = ("standard", "stl", "dreg")


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
        elbo_weight (CIWAE): loss - elbo_weight * (ELBO - IWAE)

    Args:
        num_samples: Integer >= 1, all samples an example.
        gradient: "standard", "stl" or "dreg". Defaults to "standard".
        num_groups: Integer that divides `num_samples`. Defaults to 1.
        elbo_weight: Number in [0, 1]. Defaults to 0.0.

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

    def __init__(self, num_samples, gradient="standard", num_groups=1, elbo_weight=0.0):
        self.num_samples = count(num_samples, "num_samples", "IWAE")
        self.gradient = choice(gradient, "gradient", "IWAE", _GRADIENTS)
        self.num_groups = count(num_groups, "num_groups", "IWAE")
        self.elbo_weight = number(elbo_weight, "elbo_weight", "IWAE")
        if self.num_samples % self.num_groups:
            raise ValueError(
                "IWAE expects num_groups to divide num_samples. Received: "
                f"num_samples={num_samples!r}, num_groups={num_groups!r}. Change one of them."
            )
        if self.elbo_weight > 1:
            raise ValueError(
                "IWAE expects elbo_weight to be a number in [0, 1]. "
                f"Received: elbo_weight={elbo_weight!r}. 0 is the IWAE bound, 1 the ELBO."
            )

    def __call__(self, terms):
        standard = self.gradient == "standard"
        log_weight = terms.log_weight if standard else terms.path_log_weight
        size = self.num_samples // self.num_groups
        groups = tf.reshape(log_weight, (self.num_groups, size, -1))
        if self.gradient == "dreg":
            terms.path.weigh(tf.reshape(self._path_weights(groups), tf.shape(log_weight)))
        iwae = tf.reduce_logsumexp(groups, axis=1) - math.log(size)
        elbo = tf.reduce_mean(groups, axis=1)
        bound = iwae + self.elbo_weight * (elbo - iwae) if self.elbo_weight else iwae
        return -tf.reduce_mean(bound, axis=0)

    def _path_weights(self, groups):
        """What the encoder's gradient is multiplied by, beyond the derivative of the bound.

        The bound's derivative carries w for every network; the encoder's is to carry w^2 for the
        share of the IWAE bound, and 1/S as it is for that of the ELBO.
        """
        weights = tf.nn.softmax(groups, axis=1)
        if not self.elbo_weight:
            return weights
        uniform = self.elbo_weight / (self.num_samples // self.num_groups)
        share = 1.0 - self.elbo_weight
        return (uniform + share * weights**2) / (uniform + share * weights)

    def get_config(self):
        return {
            "num_samples": self.num_samples,
            "gradient": self.gradient,
            "num_groups": self.num_groups,
            "elbo_weight": self.elbo_weight,
        }
