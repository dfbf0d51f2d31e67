"""One transition of Hamiltonian Monte Carlo on the way from the prior to the true posterior."""

import typing

import tensorflow as tf

from keras_vae._random import fold_in, standard_normal, standard_uniform


class Point(typing.NamedTuple):
    """Latents `(S, B, *latent)`, their two log-densities `(S, B)` and the gradients of these."""

    z: typing.Any
    log_prior: typing.Any
    log_likelihood: typing.Any
    prior_gradient: typing.Any
    likelihood_gradient: typing.Any


def point(z, log_prior, log_likelihood):
    """Returns the `Point` at `z`, given the functions that are its log-densities."""
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(z)
        prior, likelihood = log_prior(z), log_likelihood(z)
    gradients = [
        tape.gradient(value, z, unconnected_gradients="zero") for value in (prior, likelihood)
    ]
    return Point(z, prior, likelihood, *gradients)


def transition(start, at, temperature, step_size, num_leapfrog_steps, seed):
    """Moves each chain under exp(log p(z) + temperature * log p(x|z)), which it leaves as it is.

    Args:
        start: `Point`.
        at: Function z -> `Point`.
        temperature: Scalar above 0.
        step_size: `(S, B, *latent)`, or what can be broadcast to it.
        num_leapfrog_steps: Integer.
        seed: Tensor of shape (2,).

    Returns:
        The new `Point`, and the probability `(S, B)` that a move was accepted with.
    """

    def kick(here, momentum, share):
        gradient = here.prior_gradient + temperature * here.likelihood_gradient
        return momentum + share * step_size * gradient

    def leap(index, here, momentum):
        there = at(here.z + step_size * momentum)
        return index + 1, _with_shapes_of(here, there), kick(there, momentum, 1.0)

    def log_density(here, momentum):
        axes = list(range(2, momentum.shape.rank))
        kinetic = 0.5 * tf.reduce_sum(tf.square(momentum), axes)
        return here.log_prior + temperature * here.log_likelihood - kinetic

    momentum = standard_normal(tf.shape(start.z), fold_in(seed, 0), start.z.dtype)
    momentum = tf.ensure_shape(momentum, start.z.shape)
    _, end, last = tf.while_loop(
        lambda index, *_: index < num_leapfrog_steps,
        leap,
        (0, start, kick(start, momentum, 0.5)),
    )
    log_ratio = log_density(end, kick(end, last, -0.5)) - log_density(start, momentum)
    # A path that left the numbers is not taken.
    never = tf.constant(float("-inf"), log_ratio.dtype)
    log_ratio = tf.where(tf.math.is_nan(log_ratio), never, log_ratio)
    probability = tf.exp(tf.minimum(log_ratio, 0.0))
    accepted = standard_uniform(tf.shape(probability), fold_in(seed, 1), probability.dtype)
    accepted = accepted < probability
    moved = [
        tf.where(over_events(accepted, new.shape.rank), new, old)
        for new, old in zip(end, start, strict=True)
    ]
    return _with_shapes_of(start, Point(*moved)), probability


def over_events(x, rank):
    """Returns `x` with axes of size 1 at its end, `rank` in all."""
    return tf.reshape(x, tf.concat([tf.shape(x), [1] * (rank - x.shape.rank)], 0))


def _with_shapes_of(known, other):
    parts = zip(other, known, strict=True)
    return Point(*(tf.ensure_shape(part, like.shape) for part, like in parts))
