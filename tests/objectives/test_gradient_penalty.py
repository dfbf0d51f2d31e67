"""`GradientPenalty` against exact Jacobians in float64, its gradient, and its use in a model."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families
from keras_vae.objectives import ELBO, GradientPenalty, LatentNorm, Penalized, Terms

RNG = np.random.default_rng(3)
REPEATS = 4000


def terms_of(decode, z, seed=(5, 6)):
    return Terms(
        posterior=None,
        prior=None,
        z=z[tf.newaxis],
        log_likelihood=None,
        kl_weight=None,
        step=None,
        decode=decode,
        seed=tf.constant(seed),
    )


def exact_norms(decode, z):
    """|d x / d z|_F^2 of each example from the whole Jacobian."""
    with tf.GradientTape() as tape:
        tape.watch(z)
        x = decode(z)
    jacobian = tape.batch_jacobian(x, z).numpy().reshape(len(z), -1)
    return np.sum(jacobian**2, axis=1)


def decoder():
    """A small decoder of pictures, in float64."""
    first, second = (keras.initializers.RandomNormal(0, 1, seed) for seed in (1, 2))
    return keras.Sequential(
        [
            keras.Input((3,), dtype="float64"),
            keras.layers.Dense(7, "tanh", kernel_initializer=first, dtype="float64"),
            keras.layers.Dense(20, kernel_initializer=second, dtype="float64"),
            keras.layers.Reshape((4, 5), dtype="float64"),
        ]
    )


@pytest.mark.parametrize("latent", [(3,), (3, 1)])
def test_it_is_the_norm_of_the_jacobian_without_bias(latent):
    network = decoder()
    points = RNG.normal(size=(4, 3))
    expected = exact_norms(network, tf.constant(points))
    # The same four points again and again, with new signs each.
    z = tf.reshape(tf.constant(np.tile(points, (REPEATS, 1))), (-1, *latent))
    value = GradientPenalty(1.0)(terms_of(lambda z: network(tf.reshape(z, (-1, 3))), z))
    assert value.shape == (4 * REPEATS,)
    value = value.numpy().reshape(REPEATS, 4)
    error = value.std(axis=0) / math.sqrt(REPEATS)
    # The estimate is noisy, so that the test sees more than one number; and close.
    assert (error > 1e-4 * expected).all()
    assert (error < 0.05 * expected).all()
    np.testing.assert_array_less(np.abs(value.mean(axis=0) - expected), 4 * error)


def test_a_linear_decoder_averaged_over_all_signs_is_exact(monkeypatch):
    """2^4 sign vectors: their mean is the expectation itself."""
    matrix = RNG.normal(size=(3, 4))
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T
    module = "keras_vae.objectives._gradient_penalty.standard_normal"
    # Any numbers with these signs.
    monkeypatch.setattr(module, lambda shape, seed, dtype: tf.constant(0.3 * signs, dtype))
    z = tf.constant(RNG.normal(size=(16, 3)))
    value = GradientPenalty(1.0)(terms_of(lambda z: z @ matrix, z))
    np.testing.assert_allclose(value, np.sum((signs @ matrix.T) ** 2, axis=1))
    np.testing.assert_allclose(np.mean(value), np.sum(matrix**2))


def test_one_output_has_no_noise():
    """v' J for one row is +J or -J."""
    weights = RNG.normal(size=(3, 1))
    z = tf.constant(RNG.normal(size=(6, 3)))
    value = GradientPenalty(1.0)(terms_of(lambda z: tf.sin(z @ weights), z))
    expected = np.cos(z @ weights)[:, 0] ** 2 * np.sum(weights**2)
    np.testing.assert_allclose(value, expected)


def test_its_gradient_reaches_decoder_and_latents():
    """d/dw and d/dz of |d sin(w' z) / dz|^2 = cos(w' z)^2 |w|^2."""
    weights, z = tf.constant(RNG.normal(size=(3, 1))), tf.constant(RNG.normal(size=(1, 3)))
    with tf.GradientTape() as tape:
        tape.watch([weights, z])
        value = GradientPenalty(1.0)(terms_of(lambda z: tf.sin(z @ weights), z))
    by_weights, by_z = tape.gradient(value, [weights, z])
    w, point = weights.numpy()[:, 0], z.numpy()[0]
    squares, angle = np.sum(w**2), w @ point
    expected = 2 * w * np.cos(angle) ** 2 - squares * np.sin(2 * angle) * point
    np.testing.assert_allclose(by_weights[:, 0], expected)
    np.testing.assert_allclose(by_z[0], -squares * np.sin(2 * angle) * w)


def test_the_signs_come_from_the_seed():
    z = tf.constant(RNG.normal(size=(6, 3)))
    matrix = RNG.normal(size=(3, 4))

    def value(seed):
        return GradientPenalty(1.0)(terms_of(lambda z: z @ matrix, z, seed)).numpy()

    np.testing.assert_array_equal(value((1, 2)), value((1, 2)))
    assert (value((1, 2)) != value((1, 3))).any()


def autoencoder(weight, jit_compile=False, condition=0, likelihood=None):
    latent = keras.Input((2,))
    entries = [latent, keras.Input((condition,))] if condition else latent
    hidden = keras.layers.Concatenate()(entries) if condition else latent
    hidden = keras.layers.Dense(8, "tanh", kernel_initializer=keras.initializers.HeNormal(1))(
        hidden
    )
    likelihood = likelihood or families.Normal(3, scale=0.3)
    outputs = keras.layers.Dense(
        likelihood.params_size, kernel_initializer=keras.initializers.HeNormal(2)
    )(hidden)
    x = keras.Input((3,))
    encoder_inputs = [x, keras.Input((condition,))] if condition else x
    codes = keras.layers.Dense(2, kernel_initializer=keras.initializers.HeNormal(3))(x)
    model = VAEModel(
        keras.Model(encoder_inputs, codes),
        keras.Model(entries, outputs),
        families.Deterministic(2),
        likelihood,
        seed=1,
    )
    penalties = [LatentNorm(0.1), GradientPenalty(weight)]
    model.compile(
        keras.optimizers.Adam(0.01),
        objective=Penalized(ELBO(beta=0.0), penalties),
        jit_compile=jit_compile,
    )
    return model


@pytest.mark.parametrize(
    "way",
    [{}, pytest.param({"jit_compile": True, "condition": 2}, marks=pytest.mark.stress)],
    ids=str,
)
def test_a_regularised_autoencoder_gets_a_flatter_decoder(way):
    x = RNG.normal(size=(64, 3)).astype("float32")
    inputs = {"x": x, "condition": np.ones((64, 2), "float32")} if "condition" in way else x
    slopes = []
    for weight in (0.0, 10.0):
        model = autoencoder(weight, **way)
        logs = model.fit(inputs, epochs=20, batch_size=32, verbose=0).history
        assert logs["skipped_steps"] == [0] * 20
        slopes.append(logs["gradient_penalty"][-1])
    assert slopes[1] < 0.5 * slopes[0]


def test_the_logged_penalty_is_that_of_the_decoder_of_the_model():
    model = autoencoder(1.0)
    x = RNG.normal(size=(512, 3)).astype("float32")
    logged = model.evaluate(x, return_dict=True, verbose=0)["gradient_penalty"]
    norms = exact_norms(model.decoder, model.encode(x).mean())
    # A Rademacher estimate of |J|^2 spreads by less than sqrt(2) |J|^2 around it.
    error = math.sqrt(2 * np.sum(norms**2)) / 512
    assert abs(logged - norms.mean()) < 4 * error
    assert error < 0.1 * norms.mean()


def test_class_codes_have_no_derivative():
    model = autoencoder(1.0, likelihood=families.Categorical(3, num_classes=2))
    with pytest.raises(
        ValueError, match=r"expects a reconstruction .* Received: one that has none"
    ):
        model.evaluate(np.zeros((4, 3), "float32"), verbose=0)
