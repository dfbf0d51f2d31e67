"""`DensityRatio`: known log-ratios, whom each gradient reaches, training, state."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families
from keras_vae.objectives import ELBO, DensityRatio, Penalized, Terms
from keras_vae.objectives._density_ratio import _permuted
from keras_vae.priors import StandardNormal

RNG = np.random.default_rng(6)
X = RNG.normal(size=(32, 3)).astype("float32")


@keras.saving.register_keras_serializable("test_density_ratio")
class Quadratic(keras.layers.Layer):
    """z -> z and its products: a Dense on it has the log-ratio of any two normal laws."""

    def call(self, z):
        return keras.ops.concatenate([z, z[:, :1] * z, z[:, 1:2] * z[:, 1:2]], axis=-1)


def quadratic(outputs=1):
    return keras.Sequential(
        [keras.Input((2,)), Quadratic(), keras.layers.Dense(outputs, kernel_initializer="zeros")]
    )


def dense(outputs=1, extra=()):
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((2,)), layers.Dense(8, "tanh"), *extra, layers.Dense(outputs)]
    )


def made_terms(z, training=False):
    return Terms(
        posterior=None,
        prior=StandardNormal(2).distribution(),
        z=tf.constant(z, tf.float32)[tf.newaxis],
        log_likelihood=None,
        kl_weight=None,
        step=None,
        seed=tf.constant([3, 4]),
        training=training,
    )


def test_the_optimal_discriminator_gives_the_log_ratio_of_two_normal_laws():
    mean, scale = np.array([0.5, -1.0]), np.array([0.8, 1.5])
    z = RNG.normal(mean, scale, size=(4000, 2))
    network = quadratic()
    # log N(z; mean, scale) - log N(z; 0, 1), by powers of z.
    kernel = [*(mean / scale**2), 0.5 - 0.5 / scale[0] ** 2, 0.0, 0.5 - 0.5 / scale[1] ** 2]
    bias = -np.sum(np.log(scale) + 0.5 * (mean / scale) ** 2)
    network.layers[-1].set_weights([np.reshape(kernel, (5, 1)), np.array([bias])])
    value = DensityRatio(network, 1.0, against="prior")(made_terms(z)).numpy()
    expected = np.sum(0.5 * z**2 - 0.5 * ((z - mean) / scale) ** 2 - np.log(scale), axis=1)
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)
    exact = np.sum(0.5 * (scale**2 + mean**2 - 1) - np.log(scale))
    assert abs(value.mean() - exact) < 4 * value.std() / math.sqrt(4000)


@pytest.mark.parametrize("outputs", [1, 2])
def test_value_and_loss_of_the_discriminator_are_those_of_its_logits(outputs):
    z = RNG.normal(size=(16, 2)).astype("float32")
    network = dense(outputs)
    penalty, terms = DensityRatio(network, 1.0, against="prior"), made_terms(z)

    def log_ratio(z):
        logits = np.float64(network(z))
        return logits[:, 0] - (logits[:, 1] if outputs == 2 else 0.0)

    np.testing.assert_allclose(penalty(terms), log_ratio(z), rtol=1e-5, atol=1e-6)
    assert terms.log == {}
    right = 1 / (1 + np.exp(-log_ratio(z)))
    wrong = 1 / (1 + np.exp(-log_ratio(terms.prior_z[0])))
    expected = -0.5 * np.log(right) - 0.5 * np.log(1 - wrong)
    np.testing.assert_allclose(penalty.own_loss(terms), expected, rtol=1e-5)
    np.testing.assert_allclose(terms.log["density_ratio_discriminator_loss"], expected, rtol=1e-5)


def test_permuting_leaves_the_marginals_and_breaks_their_ties():
    z = RNG.normal(size=(400, 1)) * np.ones((1, 3))
    permuted = _permuted(tf.constant(z[:, :, np.newaxis]), tf.constant([1, 2])).numpy()[..., 0]
    np.testing.assert_array_equal(np.sort(permuted, axis=0), np.sort(z, axis=0))
    correlation = np.corrcoef(permuted, rowvar=False) - np.eye(3)
    assert np.abs(correlation).max() < 4 / math.sqrt(400)
    again = _permuted(tf.constant(z), tf.constant([1, 2]))
    np.testing.assert_array_equal(again, permuted)
    assert (_permuted(tf.constant(z), tf.constant([1, 3])) != permuted).numpy().any()


def model_with(penalties, **compile_arguments):
    keras.utils.set_random_seed(5)
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, seed=1)
    compile_arguments = {"optimizer": "adam", **compile_arguments}
    model.compile(objective=Penalized(ELBO(), penalties), **compile_arguments)
    return model


def step(weight, make=dense, optimizer=None):
    """Changes of the networks' and of the discriminator's weights in a step of gradient descent."""
    model = model_with([], optimizer="sgd")
    discriminator = make()
    objective = Penalized(ELBO(), DensityRatio(discriminator, weight))
    model.compile(keras.optimizers.SGD(0.1), objective=objective)
    before = [model.encoder.get_weights(), model.decoder.get_weights(), discriminator.get_weights()]
    model.fit(X, batch_size=32, shuffle=False, verbose=0)
    after = [model.encoder.get_weights(), model.decoder.get_weights(), discriminator.get_weights()]
    return [
        np.concatenate([np.ravel(a - b) for a, b in zip(left, right, strict=True)])
        for left, right in zip(after, before, strict=True)
    ]


def plain_step():
    model = model_with([], optimizer=keras.optimizers.SGD(0.1))
    before = model.encoder.get_weights()
    model.fit(X, batch_size=32, shuffle=False, verbose=0)
    pairs = zip(model.encoder.get_weights(), before, strict=True)
    return np.concatenate([np.ravel(a - b) for a, b in pairs])


def test_the_encoder_gets_nothing_from_the_loss_of_the_discriminator():
    encoder, decoder, discriminator = step(weight=0.0)
    np.testing.assert_allclose(encoder, plain_step(), atol=1e-7)
    assert np.abs(discriminator).max() > 1e-3
    assert np.abs(decoder).max() > 1e-3


def test_the_discriminator_gets_nothing_from_the_penalty_and_the_encoder_gets_it_all():
    """The encoder's change is linear in the weight, the others' do not know of it."""
    none, one, hundred = (step(weight) for weight in (0.0, 1.0, 100.0))
    for network in (1, 2):
        np.testing.assert_allclose(none[network], hundred[network], atol=1e-6)
    assert np.abs(one[0] - none[0]).max() > 1e-4
    np.testing.assert_allclose(hundred[0] - none[0], 100 * (one[0] - none[0]), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("against", [pytest.param("marginals", marks=pytest.mark.stress), "prior"])
def test_a_trained_discriminator_finds_the_divergence_of_a_normal_aggregate(against):
    """z = x ~ N(0, C): TC = -1/2 log(1 - rho^2); KL from N(0, 1) the same at unit variances."""
    rho, size = 0.8, 4096
    factor = np.linalg.cholesky([[1.0, rho], [rho, 1.0]])
    x = (RNG.normal(size=(size, 2)) @ factor.T).astype("float32")
    encoder = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model = VAEModel(encoder, decoder, families.Deterministic(2), seed=1)
    penalty = DensityRatio(quadratic(), 1.0, against, name="tc")
    schedule = keras.optimizers.schedules.CosineDecay(0.2, 20 * 8)
    objective = Penalized(ELBO(beta=0.0), penalty)
    model.compile(keras.optimizers.Adam(schedule), objective=objective)
    model.fit(x, epochs=20, batch_size=512, verbose=0)
    logs = model.evaluate(x, batch_size=512, verbose=0, return_dict=True)
    exact = -0.5 * math.log(1 - rho**2)
    # The log-ratio of such a pair has a variance of rho^2, and the fitted one as much error again.
    assert logs["tc"] == pytest.approx(exact, abs=4 * math.sqrt(2) * rho / math.sqrt(size))
    assert logs["tc_discriminator_loss"] < math.log(2)


def both():
    extra = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.3)]
    return [
        DensityRatio(dense(extra=extra), 2.0, name="tc"),
        DensityRatio(dense(2), 3.0, against="prior", name="aggregate"),
    ]


def test_the_logged_loss_is_the_sum_of_its_terms():
    model = model_with(both())
    logs = model.evaluate(X, batch_size=12, return_dict=True, verbose=0)
    expected = logs["reconstruction_loss"] + logs["kl_divergence"]
    expected += 2.0 * logs["tc"] + 3.0 * logs["aggregate"]
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert {"tc_discriminator_loss", "aggregate_discriminator_loss"} <= set(logs)


def test_only_the_discriminators_own_training_moves_its_statistics():
    penalty = both()[0]
    norm = penalty.discriminator.layers[1]
    z = RNG.normal(3.0, 1.0, size=(64, 2))
    penalty(made_terms(z, training=True))
    penalty.own_loss(made_terms(z))
    np.testing.assert_array_equal(norm.moving_variance, np.ones(8))
    value = penalty(made_terms(z, training=True)).numpy()
    np.testing.assert_array_equal(value, penalty(made_terms(z)))
    losses = [penalty.own_loss(made_terms(z, training=True)).numpy() for _ in range(2)]
    assert (norm.moving_variance.numpy() != 1.0).all()
    # Dropout, which the value does not have.
    assert (losses[0] != losses[1]).any()


def test_a_skipped_step_leaves_the_discriminator_as_it_was():
    model = model_with(both())
    parts = [part.discriminator for part in model.objective.parts()]
    assert len(parts) == 2
    before = [weight for part in parts for weight in part.get_weights()]
    x = X.copy()
    x[5, 1] = np.inf
    assert model.fit(x, batch_size=32, verbose=0).history["skipped_steps"] == [1]
    after = [weight for part in parts for weight in part.get_weights()]
    for left, right in zip(before, after, strict=True):
        np.testing.assert_array_equal(left, right)
    model.fit(X, batch_size=32, verbose=0)
    after = [weight for part in parts for weight in part.get_weights()]
    assert all((left != right).any() for left, right in zip(before, after, strict=True))


def test_saved_and_loaded_with_its_weights(tmp_path):
    model = model_with(both(), run_eagerly=True)
    model.fit(X, batch_size=16, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for left, right in zip(model.objective.penalties, loaded.objective.penalties, strict=True):
        assert left.get_config()["against"] == right.get_config()["against"]
        assert left.name == right.name
        for a, b in zip(left.get_weights(), right.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    expected = model.evaluate(X, return_dict=True, verbose=0)
    assert loaded.evaluate(X, return_dict=True, verbose=0) == pytest.approx(expected, rel=1e-6)


def test_half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = model_with(both()[:1], run_eagerly=True)
        logs = model.fit(X, batch_size=16, verbose=0).history
        assert np.isfinite(logs["loss"]).all()
        assert np.isfinite(logs["tc_discriminator_loss"]).all()
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: DensityRatio("mlp", 1.0), TypeError, "discriminator='mlp'"),
        (
            lambda: DensityRatio(keras.Sequential([keras.layers.Dense(1)], name="d"), 1.0),
            ValueError,
            "discriminator='d', which is not built",
        ),
        (lambda: DensityRatio(dense(), 1.0, "posterior"), ValueError, "against='posterior'"),
        (lambda: DensityRatio(dense(), -1.0), ValueError, "weight=-1.0"),
        (
            lambda: DensityRatio(dense(3), 1.0)(made_terms(np.zeros((4, 2)))),
            ValueError,
            r"an output of shape \(4, 3\)",
        ),
        (
            lambda: Penalized(ELBO(), [DensityRatio(dense(), 1.0), DensityRatio(dense(), 1.0)]),
            ValueError,
            "penalties=",
        ),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=rf"expects .* Received: .*{text}"):
        make()
