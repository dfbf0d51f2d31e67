import tensorflow as tf

from keras_vae._numerics import LOG_VARIANCE_LIMIT, bounded
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae.families._elementwise import ElementwiseFamily


@serializable
class Laplace(ElementwiseFamily):
    """Independent entries with exponential tails on both sides.

    As a likelihood it pays for the absolute error where the normal distribution pays for the
    square, so that its best `loc` is a median; as a posterior or prior it favours sparse codes.

        params = [loc, log_scale]
        log p(x) = -sum_i |x_i - loc_i| / scale_i + log_scale_i + log 2                 [nats]

    The log-scale is held in [-10, 10]; outside, its gradient still leads back. The standard
    deviation is sqrt(2) times the scale.

    Args:
        event_shape: Integer or tuple. Shape of one event.

    Shapes:
        params: `(..., *event_shape[:-1], 2 * event_shape[-1])`, or a list of two tensors.
        samples: `(..., *event_shape)`.

    Raises:
        ValueError: If `params` has another shape.

    Reference:
        Kotz, Kozubowski and Podgorski, "The Laplace Distribution and Generalizations", 2001,
        chapter 2.

    Example:
        >>> import tensorflow as tf
        >>> Laplace(1).log_likelihood([[0.5]], tf.zeros((1, 2))).numpy().round(3)
        array([-1.193], dtype=float32)
    """

    parameter_names = ("loc", "log_scale")

    def _elements(self, loc, log_scale):
        return tfd.Laplace(loc, tf.exp(bounded(log_scale, LOG_VARIANCE_LIMIT / 2)))
