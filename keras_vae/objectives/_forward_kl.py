from keras_vae._checks import choice, density
from keras_vae._registry import serializable
from keras_vae._types import Config, Method, Scalar
from keras_vae.divergences import kl_divergence
from keras_vae.divergences._kl_divergence import METHODS
from keras_vae.objectives._penalty import Penalty


@serializable
class ForwardKL(Penalty):
    """Penalises each posterior for what it leaves out of the prior.

    The divergence of the ELBO lets a posterior be narrow at a price of log(1 / scale) nats; the
    price of this one grows as 1 / scale^2, so that posteriors overlap. Where the pair has no
    closed form it is estimated from as many samples of the prior as the objective draws of the
    posterior.

        penalty = KL(p(z) || q(z|x)) = E_p[log p(z) - log q(z|x)]                       [nats]

    Args:
        weight: Number >= 0 or schedule.
        method: "exact", "monte_carlo", or "auto" for exact where possible. Defaults to "auto".

    Shapes:
        returns: `(B,)`.

    Raises:
        TypeError: If `weight` is no number.
        ValueError: If an argument is out of range, if the posterior is a point, or if there is
            no closed form for "exact".

    Reference:
        Kullback and Leibler, "On Information and Sufficiency", 1951.

    Example:
        >>> ForwardKL(weight=0.1)
        ForwardKL(weight=0.1, method='auto')
    """

    name = "forward_kl"

    def __init__(self, weight: Scalar, method: Method = "auto") -> None:
        super().__init__(weight)
        self.method = choice(method, "method", "ForwardKL", METHODS)

    def _value(self, terms):
        posterior = density(terms.posterior, "ForwardKL")
        z = None if self.method == "exact" else terms.prior_z
        return kl_divergence(terms.prior, posterior, z, self.method)

    def get_config(self) -> Config:
        return {**super().get_config(), "method": self.method}
