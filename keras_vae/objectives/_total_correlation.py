from keras_vae._checks import choice, count
from keras_vae._registry import serializable
from keras_vae._types import Config, Estimator, Integer, Scalar
from keras_vae.divergences import kl_decomposition
from keras_vae.divergences._total_correlation import ESTIMATORS
from keras_vae.objectives._penalty import Penalty


@serializable
class TotalCorrelation(Penalty):
    """Penalises latents that depend on each other over the data: beta-TCVAE.

    Added to the ELBO with `weight` = beta - 1 it is the objective of the paper: the ELBO has the
    total correlation once already. The other two parts of the divergence are logged as
    `mutual_information` and `dimension_wise_kl`.

        penalty = KL(q(z) || prod_j q(z_j))                                             [nats]
        E_x KL(q(z|x) || p(z)) = I_q(x; z) + penalty + sum_j KL(q(z_j) || p(z_j))

    Args:
        weight: Number >= 0 or schedule.
        dataset_size: Integer >= 1, the number of training examples.
        estimator: "weighted" or "stratified". Defaults to "stratified", whose value is without
            the constants that the weighted one has.

    Shapes:
        returns: `(B,)`.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If an argument is out of range.

    Reference:
        Chen et al., "Isolating Sources of Disentanglement in Variational Autoencoders", 2018,
        equations 2 and 4.

    Example:
        >>> TotalCorrelation(weight=5.0, dataset_size=60000).name
        'total_correlation'
    """

    name = "total_correlation"
    logged = ("mutual_information", "dimension_wise_kl")

    def __init__(
        self, weight: Scalar, dataset_size: Integer, estimator: Estimator = "stratified"
    ) -> None:
        super().__init__(weight)
        self.dataset_size = count(dataset_size, "dataset_size", "TotalCorrelation")
        self.estimator = choice(estimator, "estimator", "TotalCorrelation", ESTIMATORS)

    def _value(self, terms):
        parts = kl_decomposition(
            terms.posterior, terms.prior, terms.z[0], self.dataset_size, self.estimator
        )
        terms.log.update({name: getattr(parts, name) for name in self.logged})
        return parts.total_correlation

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "dataset_size": self.dataset_size,
            "estimator": self.estimator,
        }
