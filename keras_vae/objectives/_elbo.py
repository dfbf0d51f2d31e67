import tensorflow as tf

from keras_vae._checks import count
from keras_vae._registry import serializable
from keras_vae._schedule import scalar
from keras_vae._types import Config, Integer, Scalar
from keras_vae.objectives._objective import Objective
from keras_vae.objectives._terms import Terms


@serializable
class ELBO(Objective):
    """The negative evidence lower bound, with the usual weights on its KL divergence.

    With the defaults and a KL weight of 1 the loss bounds -log p(x) from above. `beta` > 1 asks
    for disentangled latents, `beta` = 0 is the plain autoencoder, `free_nats` leaves the
    posterior some nats at no cost, `capacity` holds its divergence at a value.

        loss = -mean_s log p(x|z_s) + kl_weight * beta * KL                             [nats]
        free_nats: max(KL, free_nats) in place of KL
        capacity:  |KL - capacity|    in place of KL

    Args:
        beta: Number >= 0 or schedule, the weight of the divergence. Defaults to 1.0.
        free_nats: Number >= 0 or schedule, nats an example that cost nothing. Defaults to 0.0.
        capacity: Number >= 0, schedule or None, nats an example that the divergence is held at.
            Defaults to None.
        num_samples: Integer >= 1, latent samples an example. Defaults to 1.

    Shapes:
        terms: `Terms` with S samples and B examples.
        returns: `(B,)`.

    Raises:
        TypeError: If an argument is no number.
        ValueError: If an argument is negative or not finite, or if `free_nats` and `capacity`
            are both given.

    Reference:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, equation 3; Higgins et al.,
        "beta-VAE", 2017, equation 4; Kingma et al., "Improving Variational Inference with
        Inverse Autoregressive Flow", 2016, equation 15; Burgess et al., "Understanding
        disentangling in beta-VAE", 2018, equation 8.

    Example:
        >>> ELBO(beta=4.0)
        ELBO(beta=4.0, free_nats=0.0, capacity=None, num_samples=1)
        >>> from keras_vae import schedules
        >>> ELBO(beta=100.0, capacity=schedules.linear(0.0, 25.0, duration=10_000)).capacity
        linear(start=0.0, end=25.0, duration=10000)
    """

    def __init__(
        self,
        beta: Scalar = 1.0,
        free_nats: Scalar = 0.0,
        capacity: Scalar | None = None,
        num_samples: Integer = 1,
    ) -> None:
        self.beta = scalar(beta, "beta", "ELBO")
        self.free_nats = scalar(free_nats, "free_nats", "ELBO")
        self.capacity = scalar(capacity, "capacity", "ELBO", optional=True)
        self.num_samples = count(num_samples, "num_samples", "ELBO")
        if free_nats and capacity is not None:
            raise ValueError(
                "ELBO expects free_nats or capacity, since both set a target for the divergence. "
                f"Received: free_nats={free_nats!r}, capacity={capacity!r}. Leave one out."
            )

    def __call__(self, terms: Terms) -> tf.Tensor:
        kl = terms.kl_divergence
        if self.capacity is not None:
            kl = tf.abs(kl - terms.at_step(self.capacity))
        elif self.free_nats:
            kl = tf.maximum(kl, terms.at_step(self.free_nats))
        weight = tf.cast(terms.kl_weight, kl.dtype) * terms.at_step(self.beta)
        # A divergence of infinity times a weight of zero is no part of the loss.
        return terms.reconstruction_loss + tf.math.multiply_no_nan(kl, weight)

    def get_config(self) -> Config:
        return {
            "beta": self.beta,
            "free_nats": self.free_nats,
            "capacity": self.capacity,
            "num_samples": self.num_samples,
        }
