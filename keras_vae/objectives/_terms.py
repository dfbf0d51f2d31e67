import dataclasses
import functools
import typing

import tensorflow as tf

from keras_vae._tfp import tfd
from keras_vae._types import Number, Scalar
from keras_vae.divergences import kl_divergence
from keras_vae.objectives._latent_path import LatentPath


@dataclasses.dataclass(frozen=True)
class Terms:
    """Everything that one forward pass offers an objective. S samples, B examples, nats.

    Attributes:
        posterior: `tfd.Distribution` q(z|x), batch shape `(B,)`. That of a flow knows the density
            of the tensor `z`; that of any other tensor costs it as many passes as latents.
        prior: `tfd.Distribution` p(z), batch shape `()` or `(B,)`.
        z: Samples of the posterior, `(S, B, *latent)`.
        log_likelihood: log p(x|z), `(S, B)`.
        kl_weight: Scalar that `KLAnnealing` moves.
        step: Scalar integer, the optimizer's iterations.
        frozen_posterior: The posterior again, whose parameters and weights pass no gradient. Only
            for objectives that weigh the encoder's gradient, as `path` is.
        path: `LatentPath`, the way of the decoder's gradient back to the encoder.
        decode: Function from latents, `(B, *latent)`, to the reconstructions that they stand for,
            `(B, *event_shape)`: the mean of p(x|z). Another pass of the decoder.
        training: Whether the model is being fitted, so that an objective may move its own state.
        seed: Tensor of two integers, for noise of the objective's own.
        log: Dictionary for further values to log, `(B,)` each.
    """

    posterior: tfd.Distribution
    prior: tfd.Distribution
    z: tf.Tensor
    log_likelihood: tf.Tensor
    kl_weight: tf.Tensor
    step: tf.Tensor
    frozen_posterior: tfd.Distribution | None = None
    path: LatentPath | None = None
    decode: typing.Callable | None = None
    training: bool = False
    seed: tf.Tensor | None = None
    log: dict = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def kl_divergence(self) -> tf.Tensor:
        """KL(q(z|x) || p(z)) of each example, `(B,)`: exact where possible, else from `z`."""
        return kl_divergence(self.posterior, self.prior, self.z)

    @functools.cached_property
    def prior_z(self) -> tf.Tensor:
        """Samples of the prior, as many as of the posterior: `(S, B, *latent)`."""
        shape = tf.shape(self.z)[: 1 if self.prior.batch_shape.rank else 2]
        return self.prior.sample(shape, seed=self.seed)

    @functools.cached_property
    def reconstruction_loss(self) -> tf.Tensor:
        """-E_q log p(x|z) of each example, `(B,)`."""
        return -tf.reduce_mean(self.log_likelihood, axis=0)

    @functools.cached_property
    def log_weight(self) -> tf.Tensor:
        """Log of the importance weights, `(S, B)`.

        log p(x|z) + kl_weight * (log p(z) - log q(z|x))
        """
        return self._log_weight(self.posterior, self.z)

    @functools.cached_property
    def path_log_weight(self) -> tf.Tensor:
        """`log_weight` whose gradient reaches the encoder through z alone, along `path`."""
        return self._log_weight(self.frozen_posterior, self.path.z)  # type: ignore[union-attr]

    def at_step(self, scalar: Scalar) -> tf.Tensor | Number:
        """Returns the value of a number or schedule at `step`, in the dtype of the loss."""
        dtype = self.log_likelihood.dtype
        return tf.cast(scalar(self.step), dtype) if callable(scalar) else scalar

    def _log_weight(self, posterior, z):
        log_ratio = self.prior.log_prob(z) - posterior.log_prob(z)
        return self.log_likelihood + tf.cast(self.kl_weight, log_ratio.dtype) * log_ratio
