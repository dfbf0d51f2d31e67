from keras_vae._checks import density
from keras_vae._registry import serializable
from keras_vae._types import Scalar
from keras_vae.divergences import js_divergence
from keras_vae.objectives._penalty import Penalty


@serializable
class JensenShannon(Penalty):
    """Penalises each posterior for how well it can be told from the prior.

    Symmetric, and at most log 2: a posterior far from the prior is not pulled back without an
    end, as a KL divergence pulls it. Estimated from the samples of the posterior that the
    objective draws and as many of the prior.

        penalty = 1/2 KL(q(z|x) || m) + 1/2 KL(p(z) || m),  m = (q(z|x) + p(z)) / 2     [nats]

    Args:
        weight: Number >= 0 or schedule.

    Shapes:
        returns: `(B,)`.

    Raises:
        TypeError: If `weight` is no number.
        ValueError: If `weight` is out of range, or if the posterior is a point.

    Reference:
        Lin, "Divergence Measures Based on the Shannon Entropy", 1991, equation 4.1.

    Example:
        >>> JensenShannon(weight=10.0)
        JensenShannon(weight=10.0)
    """

    name = "js_divergence"

    def __init__(self, weight: Scalar) -> None:
        super().__init__(weight)

    def _value(self, terms):
        posterior = density(terms.posterior, "JensenShannon")
        return js_divergence(posterior, terms.prior, terms.z, terms.prior_z)
