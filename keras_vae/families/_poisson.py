import tensorflow as tf

from keras_vae._numerics import bounded
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae.families._counts import LARGEST_COUNT
from keras_vae.families._elementwise import ElementwiseFamily


@serializable
class Poisson(ElementwiseFamily):
    """Independent counts whose variance equals their mean, given by the logarithm of it.

    The likelihood of events that do not attract each other. Counts that vary more than their
    mean (words, genes) ask for `NegativeBinomial`.

        log p(x) = sum_i x_i log_rate_i - exp(log_rate_i) - log x_i!                    [nats]

    The log-rate is held in [-20, 20]; outside, its gradient still leads back. Data that is no
    count, negative or broken, has the log-likelihood minus infinity. Samples have no gradient.

    Args:
        event_shape: Integer or tuple. Shape of one event.

    Shapes:
        params: `(..., *event_shape)`.
        samples: `(..., *event_shape)`, float.

    Raises:
        ValueError: If `params` has another shape.

    Reference:
        Zhou, Hannah, Dunson and Carin, "Beta-Negative Binomial Process and Poisson Factor
        Analysis", 2012.

    Example:
        >>> import tensorflow as tf
        >>> Poisson(2).log_likelihood([[0.0, 1.0]], tf.zeros((1, 2))).numpy()
        array([-2.], dtype=float32)
    """

    parameter_names = ("log_rate",)
    support = (0.0, LARGEST_COUNT)
    integers = True

    def _elements(self, log_rate):
        return tfd.Poisson(log_rate=bounded(log_rate))

    def _log_prob_elements(self, x, log_rate):
        # TFP's Poisson takes log x! anew for each sample of the latent.
        log_rate = bounded(log_rate)
        return x * log_rate - tf.exp(log_rate) - tf.math.lgamma(1.0 + x)
