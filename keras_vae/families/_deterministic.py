from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae.families._family import Family, independent_over_leading_axes


@serializable
class Deterministic(Family):
    """All probability in one point: the posterior of a plain autoencoder.

    A sample is the parameter itself. The entropy of a point is minus infinity; without that
    constant, its KL divergence from a prior p is -log p(loc), so that a weight of 0 gives the
    plain autoencoder and a positive weight one whose latents are pulled to the prior's mode.

        z = loc;    KL = -log p(loc) + constant                                         [nats]

    Args:
        event_shape: Integer or tuple. Shape of one latent.

    Shapes:
        params: `(..., *event_shape)`.
        samples: `(..., *event_shape)`.

    Raises:
        ValueError: If `params` has another shape, or if it is used as a likelihood: a point has
            no density.

    Reference:
        Ghosh et al., "From Variational to Deterministic Autoencoders", 2020, equation 9.

    Example:
        >>> import tensorflow as tf
        >>> Deterministic(2)(tf.constant([[1.0, 2.0]])).sample().numpy()
        array([[1., 2.]], dtype=float32)
    """

    parameter_names = ("loc",)

    def _distribution(self, loc):
        return independent_over_leading_axes(tfd.VectorDeterministic(loc), self.event_shape)

    def _log_likelihood(self, x, missing, loc, *, training):
        raise ValueError(
            "Deterministic expects to be a posterior. Received: a call for its log-likelihood, "
            "which a point does not have. Take Normal(event_shape, scale=...) as likelihood."
        )
