"""Annealed importance sampling, the check of log-likelihoods on hard models."""

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_vae._checks import count
from keras_vae._configurable import Configurable
from keras_vae._random import fold_in, standard_uniform
from keras_vae._registry import serializable
from keras_vae._types import Config, Integer
from keras_vae.evaluation._estimate import LogLikelihood, log_mean, samples_at_a_time
from keras_vae.evaluation._hamiltonian import over_events, point, transition

if TYPE_CHECKING:
    from keras_vae.models import VAEModel

# The share of accepted moves at which Hamiltonian Monte Carlo gets furthest for its price.
_ACCEPTANCE = 0.65
# How fast the logarithm of a step size follows the acceptance: the posterior may be a hundred
# times narrower than the prior, which a hundred temperatures then have to follow.
_RATE = 1.0
_PILOTS = 4
# Steps of one length can turn round a whole period of the latents and come back.
_JITTER = 0.9
_PRIOR_SAMPLES = 256
# The precision of the latents, 1 + SNR * t, should grow by one factor a step for any SNR. For
# an SNR of 10, 100, 1000 the log-weights lose 1, 4, 17 times less than with equal steps (1, 1.4, 3
# times less than with a sigmoid, which is common).
_POWER = 4


@serializable
class AnnealedImportanceSampling(Configurable):
    """Annealed importance sampling, a method of `evaluation.log_likelihood`.

    Chains start at the prior and are moved to the true posterior in small steps, by Hamiltonian
    Monte Carlo. Importance sampling relies on q(z|x), and tells too little where it is bad; the
    chains do not know q at all, so that the two check each other.

        log w = sum_k (t_k - t_(k-1)) log p(x|z_(k-1)),  t_k = (k / K)^4                 [nats]
        z_0 ~ p(z);  z_k moves under p(z) p(x|z)^t_k;    E w = p(x)

    The temperatures are close together at the start, where the posterior shrinks fastest. The
    sizes of the steps adapt to each example and temperature by pilot chains whose weights are not
    used: chains that adapted to themselves would make E w another number than p(x).

    Args:
        num_steps: Integer >= 1, the number K of temperatures. Defaults to 1000.
        num_leapfrog_steps: Integer >= 1, evaluations of the decoder's gradient for each move.
            Defaults to 10.

    Raises:
        TypeError: If a number is of another kind.
        ValueError: If a number is below 1; when used, if the latents are not real numbers.

    Reference:
        Neal, "Annealed Importance Sampling", 2001; Wu, Burda, Salakhutdinov and Grosse, "On the
        Quantitative Analysis of Decoder-Based Generative Models", 2017.

    Example:
        >>> AnnealedImportanceSampling(num_steps=500)
        AnnealedImportanceSampling(num_steps=500, num_leapfrog_steps=10)
    """

    def __init__(self, num_steps: Integer = 1000, num_leapfrog_steps: Integer = 10) -> None:
        owner = type(self).__name__
        self.num_steps = count(num_steps, "num_steps", owner)
        self.num_leapfrog_steps = count(num_leapfrog_steps, "num_leapfrog_steps", owner)

    def estimate(
        self,
        model: "VAEModel",
        x: tf.Tensor,
        condition: tf.Tensor | None,
        num_samples: Integer | tf.Tensor,
        seed: tf.Tensor,
    ) -> LogLikelihood:
        """Returns the `LogLikelihood` of one batch; the arguments of `importance_estimate`."""
        _check_real(model.posterior)
        prior = model._prior_distribution(condition)
        batch_size = tf.shape(x)[0]
        most = samples_at_a_time(batch_size, num_samples, extra=_PILOTS)
        # Chunks of nearly one size, since a chain is dear.
        num_chunks = tf.maximum(-(-num_samples // most), 1)
        chunk = -(-num_samples // num_chunks)

        def sample(number, noise):
            shape = [number] if prior.batch_shape.rank else [number, batch_size]
            return prior.sample(shape, seed=noise)

        def log_likelihood(z):
            params = model._decoder_params(z, condition, training=False)
            return model.likelihood.log_likelihood(x, params)

        def at(z):
            return point(z, prior.log_prob, log_likelihood)

        # Not of the chains: a chain whose step size depends on it is no longer a Markov chain.
        scale = tf.math.reduce_std(sample(_PRIOR_SAMPLES, fold_in(seed, -1)), axis=0)

        def log_weight(step):
            noise = fold_in(seed, step)
            # A tensor of its own: of its own samples a flow would know the noise they are made
            # of, through which no gradient leads back.
            z = tf.identity(sample(_PILOTS + chunk, fold_in(noise, 0)))
            return self._run(at(z), at, scale, noise)[_PILOTS:]

        return log_mean(log_weight, num_samples, chunk, batch_size, prior.dtype)

    def get_config(self) -> Config:
        """Returns the arguments of the constructor."""
        return {"num_steps": self.num_steps, "num_leapfrog_steps": self.num_leapfrog_steps}

    def _run(self, start, at, scale, seed):
        """Returns the log-weights `(S, B)` of the chains; the first ones are the pilots."""
        temperatures = _temperatures(self.num_steps)
        gaps = tf.constant(np.diff(temperatures), tf.float64)
        dtype, rank = start.z.dtype, start.z.shape.rank
        temperatures = tf.constant(temperatures, dtype)

        def weigh(here, index):
            # A sum of a thousand terms: float32 would round it to 1e-3 nats.
            return gaps[index] * tf.cast(here.log_likelihood, tf.float64)

        def move(index, here, log_weight, log_step):
            noise = fold_in(seed, index)
            jitter = standard_uniform(tf.shape(here.log_prior), fold_in(noise, 2), dtype)
            step = tf.exp(log_step) * (1.0 + _JITTER * (2.0 * jitter - 1.0))
            step_size = over_events(step, rank) * scale
            here, probability = transition(
                here, at, temperatures[index], step_size, self.num_leapfrog_steps, noise
            )
            surplus = tf.reduce_mean(probability[:_PILOTS], axis=0) - _ACCEPTANCE
            log_weight += weigh(here, index)
            return index + 1, here, log_weight, log_step + _RATE * surplus

        # The best step on a normal density shrinks with the root of the root of its dimension.
        size = tf.cast(tf.reduce_prod(start.z.shape[2:]), dtype)
        log_step = tf.zeros_like(start.log_prior[0]) - 0.25 * tf.math.log(size)
        _, _, log_weight, _ = tf.while_loop(
            lambda index, *_: index < self.num_steps,
            move,
            (1, start, weigh(start, 0), log_step),
        )
        return tf.cast(log_weight, dtype)


def _temperatures(num_steps):
    return np.linspace(0.0, 1.0, num_steps + 1) ** _POWER


def _check_real(posterior):
    if not posterior.real_valued:
        raise ValueError(
            "AnnealedImportanceSampling expects latents that may be any real numbers, with a "
            f"density. Received: posterior={posterior!r}. Take method='importance' or 'prior'; "
            "a family of your own says `real_valued = True`."
        )
