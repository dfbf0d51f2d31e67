"""The estimate of log p(x) by importance sampling, as one graph with flat memory."""

import tensorflow as tf

from keras_vae._checks import density
from keras_vae._random import fold_in
from keras_vae.evaluation._estimate import log_mean, samples_at_a_time
from keras_vae.evaluation._fused import fused


def importance_estimate(model, x, condition, num_samples, seed, proposal="posterior", many=False):
    """Returns the `LogLikelihood` of one batch.

        log p(x) ~ log mean_s w_s,  w_s = p(x|z_s) p(z_s) / r(z_s),  z_s ~ r

    Args:
        model: A `VAEModel`.
        x: `(B, ...)`.
        condition: `(B, ...)` or None.
        num_samples: Integer, or an int32 scalar tensor.
        seed: Tensor of shape (2,).
        proposal: r, "posterior" or "prior".
        many: Whether there are so many samples that a faster likelihood is worth compiling.
    """
    draw = weighted_draws(model, x, condition, proposal, many=many)
    batch_size = tf.shape(x)[0]
    chunk = samples_at_a_time(batch_size, num_samples)
    dtype = model._prior_distribution(condition).dtype
    return log_mean(
        lambda step: draw(chunk, fold_in(seed, step))[2], num_samples, chunk, batch_size, dtype
    )


def weighted_draws(model, x, condition, proposal="posterior", owner="log_likelihood", many=False):
    """Returns a function of a number S and a seed, which draws latents and tells their weight.

    The function gives z, `(S, B, *latent)`, the decoder's output for them and log w, `(S, B)`.

    Args:
        model, x, condition, proposal, many: As in `importance_estimate`.
        owner: Name of the public function, for errors.
    """
    prior = model._prior_distribution(condition)
    posterior = None
    if proposal == "posterior":
        posterior = density(model.encode(x, condition), owner)
    log_likelihood = fused(model.likelihood) if many else model.likelihood.log_likelihood
    batch_size = tf.shape(x)[0]

    def draw(num_samples, seed):
        if posterior is not None:
            # Together: the density of its own samples is cheaper for a flow than that of others.
            z, log_posterior = posterior.experimental_sample_and_log_prob(num_samples, seed=seed)
            log_ratio = prior.log_prob(z) - log_posterior
        else:
            shape = [num_samples] if prior.batch_shape.rank else [num_samples, batch_size]
            z, log_ratio = prior.sample(shape, seed=seed), 0.0
        params = model._decoder_params(z, condition, training=False)
        return z, params, log_likelihood(x, params) + log_ratio

    return draw
