import tensorflow as tf

from keras_vae._registry import serializable
from keras_vae._tfp import tfd, tfp
from keras_vae.families._counts import OverdispersedCounts, negative_binomial


@serializable
class ZeroInflatedNegativeBinomial(OverdispersedCounts):
    """Independent counts, negative binomial but for zeros that have another cause.

    The likelihood of single-cell counts where some transcripts are never captured: with the
    probability pi an entry is zero whatever its mean.

        params = [log_mean, log_dispersion, zero_logits],  pi = sigmoid(zero_logits)
        p(0) = pi + (1 - pi) NB(0);    p(x) = (1 - pi) NB(x) for x > 0
        log p(x) = sum_i log p(x_i)                                                     [nats]

    Mean, dispersion, `library_size`, bounds and support are those of `NegativeBinomial`; the
    mean of the distribution is (1 - pi) times that of the negative binomial.

    Args:
        event_shape: Integer or tuple. Shape of one event.
        library_size: Whether the logarithm of the total over the last axis is a parameter, after
            the others. Defaults to False.

    Shapes:
        params: `(..., *event_shape[:-1], 3 * event_shape[-1])`, with `library_size` one more on
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
        >>> family = ZeroInflatedNegativeBinomial(1)
        >>> family(tf.zeros((1, 3))).mean().numpy()
        array([[0.5]], dtype=float32)
    """

    parameter_names = ("log_mean", "log_dispersion", "zero_logits")

    def _counts(self, log_mean, log_dispersion, zero_logits):
        return _ZeroInflated(negative_binomial(log_mean, log_dispersion), zero_logits)


class _ZeroInflated(tfd.Distribution):
    """TFP's mixture has the logarithm of 0 in it, and with it gradients that are NaN."""

    def __init__(self, counts, zero_logits):
        parameters = dict(locals())
        self.counts, self.zero_logits = counts, zero_logits
        super().__init__(
            dtype=counts.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name="ZeroInflated",
        )

    def _batch_shape(self):
        return self.counts.batch_shape

    def _batch_shape_tensor(self):
        return self.counts.batch_shape_tensor()

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed)
        counts = self.counts.sample(n, seed=seeds[0])
        zero = tfd.Bernoulli(logits=self.zero_logits, dtype=tf.bool).sample(n, seed=seeds[1])
        return tf.where(zero, tf.zeros_like(counts), counts)

    def _log_prob(self, x):
        log_prob = self.counts.log_prob(x)
        with_zero = tfp.math.log_add_exp(self.zero_logits, log_prob)
        # log(1 - pi) = -softplus(zero_logits), and log pi = zero_logits + log(1 - pi).
        return tf.where(tf.equal(x, 0.0), with_zero, log_prob) - tf.nn.softplus(self.zero_logits)

    def _mean(self):
        return tf.sigmoid(-self.zero_logits) * self.counts.mean()

    def _variance(self):
        mean, zero = self.counts.mean(), tf.sigmoid(self.zero_logits)
        return (1.0 - zero) * (self.counts.variance() + zero * tf.square(mean))
