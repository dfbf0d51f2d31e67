"""`IWAE` and `RenyiBound`: values against numpy, gradients against a brute-force computation."""

import dataclasses
import functools
import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import families
from keras_vae.objectives import ELBO, IWAE, LatentPath, RenyiBound, Terms
from keras_vae.priors import StandardNormal

NUM_EXAMPLES, NUM_LATENTS = 3, 2
RNG = np.random.default_rng(3)
SLOPES = RNG.normal(size=(NUM_LATENTS, 4))
DATA = RNG.normal(size=(NUM_EXAMPLES, 4))
PARAMS = RNG.normal(size=(NUM_EXAMPLES, 2 * NUM_LATENTS)) * 0.5
FAMILY = families.MultivariateNormalDiag(NUM_LATENTS)


def terms_of(params, slopes, noise, kl_weight=1.0):
    """A linear-Gaussian model on given noise, so that every gradient is a known function."""
    loc, log_variance = tf.split(params, 2, axis=-1)
    z = loc + tf.exp(0.5 * log_variance) * noise
    path = LatentPath(z)
    residual = tf.constant(DATA) - tf.linalg.matmul(path.z, slopes)
    return Terms(
        posterior=FAMILY(params),
        frozen_posterior=FAMILY(tf.stop_gradient(params)),
        prior=StandardNormal(NUM_LATENTS, dtype="float64").distribution(),
        z=z,
        path=path,
        log_likelihood=-0.5 * tf.reduce_sum(tf.square(residual), axis=-1),
        kl_weight=tf.constant(kl_weight, tf.float64),
        step=tf.constant(0),
        seed=tf.constant([1, 2]),
    )


def gradients(objective, noise):
    """Gradients of the mean loss by the posterior's parameters and by the decoder's."""
    return [gradient.numpy() for gradient in gradient_function(objective)(tf.constant(noise))]


@functools.cache
def gradient_function(objective):
    @tf.function
    def function(noise):
        params, slopes = tf.constant(PARAMS), tf.constant(SLOPES)
        with tf.GradientTape() as tape:
            tape.watch([params, slopes])
            loss = tf.reduce_mean(objective(terms_of(params, slopes, noise)))
        return tape.gradient(loss, [params, slopes])

    return function


def noise_of(num_samples, seed=0, repeats=None):
    shape = (num_samples, NUM_EXAMPLES, NUM_LATENTS)
    rng = np.random.default_rng(seed)
    if repeats is None:
        return rng.normal(size=shape)
    return [rng.normal(size=shape) for _ in range(repeats)]


def log_weights(noise, kl_weight=1.0):
    """The log-weights in numpy, and their gradient by z with the posterior held fixed."""
    loc, log_variance = np.split(PARAMS, 2, axis=-1)
    z = loc + np.exp(0.5 * log_variance) * noise
    residual = DATA - z @ SLOPES
    log_prior = -0.5 * np.sum(z**2 + math.log(2 * math.pi), axis=-1)
    log_posterior = -0.5 * np.sum(noise**2 + log_variance + math.log(2 * math.pi), axis=-1)
    log_weight = -0.5 * np.sum(residual**2, axis=-1) + kl_weight * (log_prior - log_posterior)
    by_z = residual @ SLOPES.T + kl_weight * (-z + noise / np.exp(0.5 * log_variance))
    return z, residual, log_weight, by_z


@pytest.mark.parametrize("kl_weight", [1.0, 0.3])
def test_iwae_is_the_log_of_the_mean_weight(kl_weight):
    noise = noise_of(6)
    log_weight = log_weights(noise, kl_weight)[2]
    made = terms_of(tf.constant(PARAMS), tf.constant(SLOPES), noise, kl_weight)
    expected = -np.log(np.mean(np.exp(log_weight), axis=0))
    for gradient in ("standard", "stl", "dreg"):
        np.testing.assert_allclose(IWAE(6, gradient)(made), expected, rtol=1e-12)
    groups = -np.log(np.mean(np.exp(log_weight.reshape(2, 3, -1)), axis=1)).mean(axis=0)
    np.testing.assert_allclose(IWAE(6, num_groups=2)(made), groups, rtol=1e-12)
    mixed = 0.25 * -np.mean(log_weight, axis=0) + 0.75 * expected
    np.testing.assert_allclose(IWAE(6, elbo_weight=0.25)(made), mixed, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 2.0, 1.0, 1.0 + 1e-6])
def test_renyi_bound_is_a_power_mean_of_the_weights(alpha):
    noise = noise_of(6)
    log_weight = log_weights(noise)[2]
    made = terms_of(tf.constant(PARAMS), tf.constant(SLOPES), noise)
    if abs(alpha - 1) < 1e-4:
        expected = -np.mean(log_weight, axis=0)
    else:
        power = 1 - alpha
        expected = -np.log(np.mean(np.exp(power * log_weight), axis=0)) / power
    np.testing.assert_allclose(RenyiBound(alpha, 6)(made), expected, rtol=1e-9)


def test_alpha_near_1_joins_the_elbo_smoothly():
    """The bound's slope in alpha is about the variance of the log-weights over two."""
    made = terms_of(tf.constant(PARAMS), tf.constant(SLOPES), noise_of(6))
    near, at = RenyiBound(1 - 2e-4, 6)(made), RenyiBound(1.0, 6)(made)
    variance = np.var(log_weights(noise_of(6))[2], axis=0)
    np.testing.assert_allclose(at - near, 1e-4 * variance, rtol=0.02)


def test_iwae_with_one_sample_is_the_elbo_estimate():
    made = terms_of(tf.constant(PARAMS), tf.constant(SLOPES), noise_of(1))
    np.testing.assert_allclose(IWAE(1)(made), -made.log_weight[0], rtol=1e-12)


def test_iwae_tightens_with_the_number_of_samples():
    """By Jensen's inequality the mean loss falls with k; the differences are 5 standard errors."""
    losses = {}
    for k in (1, 4, 16, 64):
        noise = noise_of(k * 2000).reshape(k, -1, NUM_EXAMPLES, NUM_LATENTS)
        log_weight = log_weights(noise)[2]
        estimates = -np.log(np.mean(np.exp(log_weight), axis=0)).mean(axis=-1)
        losses[k] = (np.mean(estimates), np.std(estimates) / math.sqrt(len(estimates)))
    for (high, high_error), (low, low_error) in itertools.pairwise(losses.values()):
        assert high - low > 5 * math.hypot(high_error, low_error)


@pytest.mark.parametrize(("num_groups", "elbo_weight"), [(1, 0.0), (2, 0.0), (1, 0.4), (2, 0.4)])
def test_dreg_gradient_against_the_formula(num_groups, elbo_weight):
    """The encoder carries w_s^2 dlog w_s/dz dz/dphi, the decoder w_s dlog w_s/dtheta."""
    noise = noise_of(8)
    z, residual, log_weight, by_z = log_weights(noise)
    grouped = np.exp(log_weight).reshape(num_groups, -1, NUM_EXAMPLES)
    share = (grouped / grouped.sum(axis=1, keepdims=True)).reshape(log_weight.shape)
    uniform = num_groups / len(noise)
    encoder = (elbo_weight * uniform + (1 - elbo_weight) * share**2) / num_groups
    decoder = (elbo_weight * uniform + (1 - elbo_weight) * share) / num_groups
    scale = np.exp(0.5 * np.split(PARAMS, 2, axis=-1)[1])
    by_loc = -np.sum(encoder[..., None] * by_z, axis=0) / NUM_EXAMPLES
    by_log_variance = -np.sum(encoder[..., None] * by_z * 0.5 * scale * noise, axis=0)
    by_params = np.concatenate([by_loc, by_log_variance / NUM_EXAMPLES], axis=-1)
    by_slopes = -np.einsum("sb,sbl,sbx->lx", decoder, z, residual) / NUM_EXAMPLES
    objective = IWAE(8, "dreg", num_groups=num_groups, elbo_weight=elbo_weight)
    received = gradients(objective, noise)
    np.testing.assert_allclose(received[0], by_params, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(received[1], by_slopes, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("gradient", "pair", "elbo_weight"),
    [
        # Each gradient and each pair once in an ordinary run.
        pytest.param(gradient, pair, weight, marks=() if index == other else pytest.mark.stress)
        for index, gradient in enumerate(["standard", "stl", "dreg"])
        for other, (pair, weight) in enumerate([((4, 1), 0.0), ((1, 4), 0.0), ((4, 2), 0.3)])
    ],
)
def test_a_pair_of_groups_is_two_losses(gradient, pair, elbo_weight):
    """PIWAE: the encoder's gradient is that of one bound, the decoder's that of the other."""
    noise = noise_of(8)
    encoder, decoder = (IWAE(8, gradient, groups, elbo_weight) for groups in pair)
    expected = gradients(encoder, noise)[0], gradients(decoder, noise)[1]
    objective = IWAE(8, gradient, pair, elbo_weight)
    for received, value in zip(gradients(objective, noise), expected, strict=True):
        np.testing.assert_allclose(received, value, rtol=1e-9, atol=1e-12)
    made = terms_of(tf.constant(PARAMS), tf.constant(SLOPES), noise, 0.5)
    again = terms_of(tf.constant(PARAMS), tf.constant(SLOPES), noise, 0.5)
    np.testing.assert_allclose(objective(made), decoder(again), rtol=1e-12)


@pytest.mark.parametrize("gradient", ["standard", "stl", "dreg"])
def test_a_pair_of_groups_far_apart(gradient):
    """Float32 has no number for the weight of a sample that is 200 nats worse than another one."""
    offsets = np.repeat([0.0, -200.0, -500.0, -90.0], 2)[:, None]

    def by_z(objective, dtype):
        z = tf.constant(noise_of(8), dtype)
        with tf.GradientTape() as tape:
            tape.watch(z)
            made = terms_of(tf.constant(PARAMS), tf.constant(SLOPES), noise_of(8))
            path = LatentPath(z)
            parts = {
                "posterior": FAMILY(tf.constant(PARAMS, dtype)),
                "frozen_posterior": FAMILY(tf.constant(PARAMS, dtype)),
                "prior": StandardNormal(NUM_LATENTS, dtype=dtype).distribution(),
                "kl_weight": tf.constant(1.0, dtype),
                "log_likelihood": tf.constant(offsets, dtype) + 3.0 * tf.reduce_sum(path.z, -1),
            }
            loss = objective(dataclasses.replace(made, z=z, path=path, **parts))
        return tape.gradient(loss, z)

    objective = IWAE(8, gradient, num_groups=(4, 1))
    # Each of the four groups has its share, however bad it is.
    assert (np.abs(by_z(objective, "float64")).max(axis=(1, 2)) > 1e-3).sum() >= 4
    np.testing.assert_allclose(
        by_z(objective, "float32"), by_z(IWAE(8, gradient, 4), "float64"), rtol=1e-3, atol=1e-5
    )


def test_dreg_has_the_mean_of_the_standard_gradient_and_less_variance():
    draws = noise_of(64, repeats=1000)
    standard, dreg = (
        np.array([gradients(objective, noise)[0].ravel() for noise in draws])
        for objective in (IWAE(64), IWAE(64, "dreg"))
    )
    difference = standard - dreg
    error = difference.std(axis=0) / math.sqrt(len(draws))
    assert (np.abs(difference.mean(axis=0)) < 4.5 * error).all()
    assert dreg.var(axis=0).sum() < 0.5 * standard.var(axis=0).sum()


def test_the_decoder_sees_the_standard_gradient_whatever_the_encoder_sees():
    noise = noise_of(8)
    expected = gradients(IWAE(8), noise)[1]
    for kind in ("stl", "dreg"):
        np.testing.assert_allclose(gradients(IWAE(8, kind), noise)[1], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: IWAE(0), ValueError, "num_samples=0"),
        (lambda: IWAE(2.5), TypeError, "num_samples=2.5"),
        (lambda: IWAE(4, "best"), ValueError, "gradient='best'"),
        (lambda: IWAE(4, num_groups=3), ValueError, "num_samples=4, num_groups=3"),
        (lambda: IWAE(4, num_groups=(2, 3)), ValueError, r"num_samples=4, num_groups=\(2, 3\)"),
        (lambda: IWAE(4, num_groups=(1, 2, 4)), TypeError, r"num_groups=\(1, 2, 4\)"),
        (lambda: IWAE(4, elbo_weight=1.5), ValueError, "elbo_weight=1.5"),
        (lambda: RenyiBound(-1, 4), ValueError, "alpha=-1"),
        (lambda: RenyiBound(math.nan, 4), ValueError, "alpha=nan"),
        (lambda: RenyiBound(0.5, 0), ValueError, "num_samples=0"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=rf"expects .* Received: .*{text}"):
        make()


def test_elbo_with_samples_equals_renyi_at_1_in_expectation():
    """The ELBO takes the closed form of the divergence, the bound the samples."""
    made = terms_of(tf.constant(PARAMS), tf.constant(SLOPES), noise_of(20_000))
    difference = ELBO(num_samples=20_000)(made) - RenyiBound(1.0, 20_000)(made)
    log_ratio = (made.log_weight - made.log_likelihood).numpy()
    error = log_ratio.std(axis=0) / math.sqrt(len(log_ratio))
    assert (np.abs(difference) < 4 * error).all()
