"""The estimate of log p(x) by importance sampling, as one graph with flat memory."""

import tensorflow as tf

from keras_vae._checks import density
from keras_vae._random import fold_in
from keras_vae.evaluation._estimate import log_mean, samples_at_a_time


def importance_estimate(model, x, condition, num_samples, seed, proposal="posterior"):
    """Returns the `LogLikelihood` of one batch.

        log p(x) ~ log mean_s w_s,  w_s = p(x|z_s) p(z_s) / r(z_s),  z_s ~ r

    Args:
        model: A `VAEModel`.
        x: `(B, ...)`.
        condition: `(B, ...)` or None.
        num_samples: Integer, or an int32 scalar tensor.
        seed: Tensor of shape (2,).
        proposal: r, "posterior" or "prior".
    """
    prior = model._prior_distribution(condition)
    posterior = None
    if proposal == "posterior":
        posterior = density(model.encode(x, condition), "log_likelihood")
    batch_size = tf.shape(x)[0]
    chunk = samples_at_a_time(batch_size, num_samples)

    def log_weight(step):
        noise = fold_in(seed, step)
        if posterior is not None:
            # Together: the density of its own samples is cheaper for a flow than that of others.
            z, log_posterior = posterior.experimental_sample_and_log_prob(chunk, seed=noise)
            log_ratio = prior.log_prob(z) - log_posterior
        else:
            shape = [chunk] if prior.batch_shape.rank else [chunk, batch_size]
            z, log_ratio = prior.sample(shape, seed=noise), 0.0
        params = model._decoder_params(z, condition, training=False)
        return model.likelihood.log_likelihood(x, params) + log_ratio

    return log_mean(log_weight, num_samples, chunk, batch_size, prior.dtype)
