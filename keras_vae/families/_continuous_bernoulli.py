from keras_vae._numerics import bounded
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae.families._elementwise import ElementwiseFamily


@serializable
class ContinuousBernoulli(ElementwiseFamily):
    """Independent entries in [0, 1] with the density of a normalised Bernoulli.

    The likelihood of grey-scale images scaled to [0, 1], where the Bernoulli's binary
    cross-entropy is not the logarithm of a density.

        log p(x) = sum_i x_i logits_i - softplus(logits_i) + log C(logits_i)            [nats]

    The logits are held in [-80, 80], where the mean is within 0.0125 of 0 or 1. Data outside
    [0, 1] has the log-likelihood minus infinity.

    Args:
        event_shape: Integer or tuple. Shape of one event.

    Shapes:
        params: `(..., *event_shape)`.
        samples: `(..., *event_shape)`.

    Raises:
        ValueError: If `params` has another shape.

    Reference:
        Loaiza-Ganem and Cunningham, "The continuous Bernoulli: fixing a pervasive error in
        variational autoencoders", 2019, equations 6 to 8.

    Example:
        >>> import tensorflow as tf
        >>> ContinuousBernoulli(3)(tf.zeros((1, 3))).mean().numpy()
        array([[0.5, 0.5, 0.5]], dtype=float32)
    """

    parameter_names = ("logits",)
    support = (0.0, 1.0)

    def _elements(self, logits):
        return tfd.ContinuousBernoulli(logits=bounded(logits, 80.0), dtype=logits.dtype)

    def _log_prob_elements(self, x, logits):
        return self._elements(logits).log_prob(x)
