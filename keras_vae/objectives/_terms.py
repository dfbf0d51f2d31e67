import dataclasses
import functools

import tensorflow as tf

from keras_vae.divergences import kl_divergence


@dataclasses.dataclass(frozen=True)
class Terms:
    """Everything that one forward pass offers an objective. S samples, B examples, nats.

    Attributes:
        posterior: `tfd.Distribution` q(z|x), batch shape `(B,)`.
        prior: `tfd.Distribution` p(z), batch shape `()` or `(B,)`.
        z: Samples of the posterior, `(S, B, *latent)`.
        log_likelihood: log p(x|z), `(S, B)`.
        kl_weight: Scalar that `KLAnnealing` moves.
        step: Scalar integer, the optimizer's iterations.
    """

    posterior: object
    prior: object
    z: tf.Tensor
    log_likelihood: tf.Tensor
    kl_weight: tf.Tensor
    step: tf.Tensor

    @functools.cached_property
    def kl_divergence(self):
        """KL(q(z|x) || p(z)) of each example, `(B,)`: exact where possible, else from `z`."""
        return kl_divergence(self.posterior, self.prior, self.z)

    @functools.cached_property
    def reconstruction_loss(self):
        """-E_q log p(x|z) of each example, `(B,)`."""
        return -tf.reduce_mean(self.log_likelihood, axis=0)

    @functools.cached_property
    def log_weight(self):
        """log p(x, z) - log q(z|x) of each sample, `(S, B)`: the log of the importance weight."""
        return self.log_likelihood + self.prior.log_prob(self.z) - self.posterior.log_prob(self.z)
