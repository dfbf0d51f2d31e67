import tensorflow as tf

from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae.families._elementwise import ElementwiseFamily


@serializable
class Bernoulli(ElementwiseFamily):
    """Independent binary entries, given by their logits.

    The likelihood of binary images. Values between 0 and 1 are accepted as probabilities (the
    loss is then the binary cross-entropy), but only `ContinuousBernoulli` is a density there.

        log p(x) = sum_i x_i logits_i - softplus(logits_i)                              [nats]

    Data outside [0, 1] has the log-likelihood minus infinity.

    Args:
        event_shape: Integer or tuple. Shape of one event.

    Shapes:
        params: `(..., *event_shape)`.
        samples: `(..., *event_shape)`, float.

    Raises:
        ValueError: If `params` has another shape.

    Reference:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, appendix C.1.

    Example:
        >>> import tensorflow as tf
        >>> family = Bernoulli((28, 28))
        >>> family.log_likelihood(tf.ones((2, 28, 28)), 100 * tf.ones((2, 28, 28))).numpy()
        array([0., 0.], dtype=float32)
    """

    parameter_names = ("logits",)
    support = (0.0, 1.0)

    def _elements(self, logits):
        return tfd.Bernoulli(logits=logits, dtype=logits.dtype)

    def _log_prob_elements(self, x, logits):
        # One transcendental function an entry, where TFP's Bernoulli takes two.
        return x * logits - tf.nn.softplus(logits)
