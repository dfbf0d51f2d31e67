import tensorflow as tf

from keras_vae._numerics import bounded, sum_event
from keras_vae._random import standard_normal
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae.families._family import Family, independent_over_leading_axes


@serializable
class MultivariateNormalDiag(Family):
    """Normal distribution with a diagonal covariance: a mean and a log-variance an entry.

    The usual posterior of a variational autoencoder. Its KL divergence from another normal
    distribution has a closed form.

        params = [loc, log_variance]
        log p(x) = -1/2 sum_i (x_i - loc_i)^2 / var_i + log_variance_i + log(2 pi)      [nats]

    The log-variance is held in [-20, 20] (standard deviations from 4.5e-5 to 2.2e4); outside,
    its gradient still leads back. Zero parameters give the standard normal distribution.

    Args:
        event_shape: Integer or tuple. Shape of one event.

    Shapes:
        params: `(..., *event_shape[:-1], 2 * event_shape[-1])`, or a list of two tensors.
        samples: `(..., *event_shape)`.

    Raises:
        ValueError: If `params` has another shape.

    Reference:
        Kingma and Welling, "Auto-Encoding Variational Bayes", 2014, appendix C.2.

    Example:
        >>> import tensorflow as tf
        >>> family = MultivariateNormalDiag(2)
        >>> family.params_size
        4
        >>> family([tf.zeros((5, 2)), tf.zeros((5, 2))]).sample(seed=1).shape
        TensorShape([5, 2])
    """

    parameter_names = ("loc", "log_variance")
    real_valued = True
    entries_independent = True

    def _distribution(self, loc, log_variance):
        normal = tfd.MultivariateNormalDiag(loc, tf.exp(0.5 * bounded(log_variance)))
        return independent_over_leading_axes(normal, self.event_shape)

    def _sample(self, shape, seed, loc, log_variance):
        noise = standard_normal(tf.concat([shape, tf.shape(loc)], 0), seed, loc.dtype)
        return loc + tf.exp(0.5 * bounded(log_variance)) * noise

    def _log_likelihood(self, x, missing, loc, log_variance, *, training):
        del training
        log_prob = self._entry_log_likelihood(x, missing, loc, log_variance)
        return sum_event(log_prob, self.event_shape)

    def _entry_log_likelihood(self, x, missing, loc, log_variance):
        log_prob = tfd.Normal(loc, tf.exp(0.5 * bounded(log_variance))).log_prob(x)
        return tf.where(missing, tf.zeros_like(log_prob), log_prob)
