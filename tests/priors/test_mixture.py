"""The density of a mixture of diagonal normal distributions, by products of matrices."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae.priors import _mixture

tfd = tfp.distributions
COMPONENTS, SIZE = 50, 7


def parts(scale):
    """Logits, components that overlap little at small scales, and points near some of them."""
    rng = np.random.default_rng(1)
    logits, loc = rng.normal(size=COMPONENTS), 3.0 * rng.normal(size=(COMPONENTS, SIZE))
    scales = scale * np.exp(0.3 * rng.normal(size=loc.shape))
    x = loc[rng.integers(COMPONENTS, size=(4, 5))] + scale * rng.normal(size=(4, 5, SIZE))
    # What float32 has digits for: what is compared is what is computed from them.
    return [array.astype("float32") for array in (logits, loc, scales, x)]


def density_and_gradients(arrays, dtype, kind=_mixture.mixture):
    logits, loc, scales, x = (tf.cast(array, dtype) for array in arrays)
    with tf.GradientTape() as tape:
        tape.watch([logits, loc, scales, x])
        components = tfd.MultivariateNormalDiag(loc, scales)
        log_prob = kind(logits, components).log_prob(x)
    return log_prob, *tape.gradient(log_prob, [logits, loc, scales, x])


def of_tfp(logits, components):
    return tfd.MixtureSameFamily(tfd.Categorical(logits=logits), components)


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-3])
def test_it_is_at_least_as_exact_as_tfp(scale):
    arrays = parts(scale)
    exact = density_and_gradients(arrays, "float64", of_tfp)
    theirs = density_and_gradients(arrays, "float32", of_tfp)
    ours = density_and_gradients(arrays, "float32")
    for value, other, reference in zip(ours, theirs, exact, strict=True):
        assert value.shape == reference.shape
        assert value.dtype == "float32"
        # The rounding of the result to float32 is left.
        reference = reference.numpy()
        rounding = 2.0**-23 * np.abs(reference).max()
        ours_off, theirs_off = (np.abs(each.numpy() - reference).max() for each in (value, other))
        assert ours_off <= theirs_off + rounding


@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_compiled_function(jit_compile):
    arrays = [tf.constant(array) for array in parts(1.0)]

    @tf.function(jit_compile=jit_compile)
    def compiled(*arrays):
        return density_and_gradients(arrays, "float32")

    for value, reference in zip(
        compiled(*arrays), density_and_gradients(arrays, "float32"), strict=True
    ):
        np.testing.assert_allclose(value, reference, rtol=1e-5, atol=1e-5)


def test_everything_else_is_tfps():
    logits, loc, scales, _ = (tf.constant(array) for array in parts(1.0))
    fast = _mixture.mixture(logits, tfd.MultivariateNormalDiag(loc, scales))
    assert type(fast) is _mixture._MixtureOfDiagonals
    for array in (fast.mean(), fast.variance(), fast.sample(3, seed=(1, 2))):
        assert array.shape[-1] == SIZE
    wide = tfd.MultivariateNormalDiag(tf.cast(loc, "float64"), tf.cast(scales, "float64"))
    other = tfd.Independent(tfd.Laplace(loc, scales), 1)
    for components in (wide, other):
        made = _mixture.mixture(tf.cast(logits, components.dtype), components)
        assert type(made) is type(of_tfp(tf.cast(logits, components.dtype), components))
