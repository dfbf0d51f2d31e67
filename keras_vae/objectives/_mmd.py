import tensorflow as tf

from keras_vae._checks import choice
from keras_vae._registry import serializable
from keras_vae._types import Config, Kernel, Scalar
from keras_vae.divergences import maximum_mean_discrepancy
from keras_vae.divergences._maximum_mean_discrepancy import KERNELS
from keras_vae.objectives._penalty import Penalty


@serializable
class MMD(Penalty):
    """Penalises the aggregate posterior for its distance from the prior: InfoVAE and WAE-MMD.

    Where the KL divergence pulls each posterior onto the prior, this pulls only their mixture.
    On `ELBO(beta=0)` it is the Wasserstein autoencoder, on a small `beta` InfoVAE.

        penalty = MMD^2(samples of the posteriors of the batch, samples of the prior)

    Args:
        weight: Number >= 0 or schedule.
        kernel: "gaussian" or "inverse_multiquadratic". Defaults to "inverse_multiquadratic".

    Shapes:
        returns: `()`.

    Raises:
        TypeError: If `weight` is no number.
        ValueError: If an argument is out of range.

    Reference:
        Zhao, Song and Ermon, "InfoVAE", 2019, section 4; Tolstikhin et al., "Wasserstein
        Auto-Encoders", 2018, algorithm 2.

    Example:
        >>> MMD(weight=100.0)
        MMD(weight=100.0, kernel='inverse_multiquadratic')
    """

    name = "mmd"

    def __init__(self, weight: Scalar, kernel: Kernel = "inverse_multiquadratic") -> None:
        super().__init__(weight)
        self.kernel = choice(kernel, "kernel", "MMD", KERNELS)

    def _value(self, terms):
        size = [tf.shape(terms.z)[1], -1]
        z, other = tf.reshape(terms.z[0], size), tf.reshape(terms.prior_z[0], size)
        return maximum_mean_discrepancy(z, other, self.kernel)

    def get_config(self) -> Config:
        return {**super().get_config(), "kernel": self.kernel}
