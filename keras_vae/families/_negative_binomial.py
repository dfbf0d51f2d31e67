from keras_vae._registry import serializable
from keras_vae.families._counts import OverdispersedCounts, negative_binomial


@serializable
class NegativeBinomial(OverdispersedCounts):
    """Independent counts whose variance exceeds their mean: mean and inverse dispersion.

    The likelihood of word counts and of gene expression, in the parameters of scVI: the
    variance is mean + mean^2 / dispersion, so that a large `dispersion` is the Poisson
    distribution.

        params = [log_mean, log_dispersion],  m = exp(log_mean), t = exp(log_dispersion)
        log p(x) = sum_i log Gamma(x + t) - log Gamma(t) - log x!
                         + t log(t / (t + m)) + x log(m / (t + m))                      [nats]
        library_size:  m_i = exp(log_library) softmax(log_mean)_i

    With `library_size` the decoder gives the shares of the entries, and the total of each
    example (the depth at which a cell was sequenced, the length of a text) is one parameter
    more: known, as `[log_mean, log_dispersion, log(x.sum())]`, or predicted.

    The log-mean is held in [-20, 20] and the log-dispersion in [-10, 10]; outside, their
    gradients still lead back. Data that is no count has the log-likelihood minus infinity.
    Samples have no gradient, and TensorFlow has no sampler of it for XLA.

    Args:
        event_shape: Integer or tuple. Shape of one event.
        library_size: Whether the logarithm of the total over the last axis is a parameter.
            Defaults to False.

    Shapes:
        params: `(..., *event_shape[:-1], 2 * event_shape[-1])`, with `library_size` one more on
            the last axis; or a list of tensors.
        samples: `(..., *event_shape)`, float.

    Raises:
        TypeError: If `library_size` is not True or False.
        ValueError: If `params` has another shape.

    Reference:
        Lopez, Regier, Cole, Jordan and Yosef, "Deep generative modeling for single-cell
        transcriptomics", 2018, online methods.

    Example:
        >>> import tensorflow as tf
        >>> family = NegativeBinomial(4, library_size=True)
        >>> log_library = tf.math.log([[100.0]])
        >>> family([tf.zeros((1, 4)), tf.zeros((1, 4)), log_library]).mean().numpy().round(3)
        array([[25., 25., 25., 25.]], dtype=float32)
    """

    parameter_names = ("log_mean", "log_dispersion")

    def _counts(self, log_mean, log_dispersion):
        return negative_binomial(log_mean, log_dispersion)
