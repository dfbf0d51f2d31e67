"""What belongs to one of the discrete families alone."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae import families

tfd = tfp.distributions


def loss_gradient(family, x, params):
    params = tf.constant(params)
    with tf.GradientTape() as tape:
        tape.watch(params)
        loss = -family.log_likelihood(x, params)
    return tape.gradient(loss, params).numpy()


@pytest.mark.parametrize("num_classes", [2, 5])
def test_class_codes_have_the_sparse_cross_entropy(num_classes):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(6, 3, num_classes))
    x = rng.integers(0, num_classes, (6, 3))
    family = families.Categorical(3, num_classes=num_classes)
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(x, logits)
    value = family.log_likelihood(x, logits.reshape(6, -1))
    np.testing.assert_allclose(-value, tf.reduce_sum(expected, -1))
    point = family.point_estimate(logits.reshape(6, -1))
    np.testing.assert_array_equal(point, logits.argmax(-1))


@pytest.mark.parametrize("size", [(3,), (2, 3)])
def test_the_logits_of_an_entry_are_side_by_side(size):
    family = families.Categorical(size, num_classes=4)
    logits = np.random.default_rng(1).normal(size=(5, *size, 4))
    distribution = family(logits.reshape(5, -1))
    np.testing.assert_array_equal(distribution.distribution.logits, logits)


@pytest.mark.parametrize(
    ("make", "text", "error"),
    [
        (lambda: families.Categorical(3, num_classes=1), "integer of at least 2", ValueError),
        (lambda: families.Categorical(3, num_classes=2.0), "integer of at least 2", TypeError),
        (lambda: families.DiscretizedLogistic(3, num_components=0), "at least 1", ValueError),
        (lambda: families.StudentT(3, df=0), "finite number of at least 0.1", ValueError),
        (lambda: families.StudentT(3, df=math.inf), "finite number of at least", ValueError),
        (lambda: families.StudentT(3, df="4"), "finite number of at least 0.1", TypeError),
        (lambda: families.NegativeBinomial(3, library_size=5.0), "True or False", TypeError),
        (lambda: families.PowerSpherical(1), "last axis is at least 2", ValueError),
        (lambda: families.VonMisesFisher((3, 1)), "last axis is at least 2", ValueError),
        (lambda: families.Blockwise([]), "at least one family", ValueError),
        (lambda: families.Blockwise(families.Normal(2)), "a list of families", TypeError),
        (lambda: families.Blockwise(["normal"]), "a list of families", TypeError),
        (
            lambda: families.Blockwise([families.Normal(2), families.Normal((2, 2))]),
            "agree before the last axis",
            ValueError,
        ),
    ],
)
def test_arguments_that_do_not_fit(make, text, error):
    with pytest.raises(error, match=rf"{text}.* Received: "):
        make()


@pytest.mark.parametrize("df", [0.5, 1.0, 2.0, 30.0])
def test_student_t_has_a_point_estimate_where_it_has_no_mean(df):
    params = np.random.default_rng(1).normal(size=(4, 6))
    family = families.StudentT(3, df=df)
    np.testing.assert_array_equal(family.point_estimate(params), params[:, :3])
    assert np.isnan(family(params).mean()).all() == (df <= 1)


@pytest.mark.parametrize(
    ("family", "position"),
    [
        (families.Laplace(1), 1),
        (families.StudentT(1), 1),
        (families.Poisson(1), 0),
        (families.NegativeBinomial(1), 0),
        (families.ZeroInflatedNegativeBinomial(1), 0),
        (families.DiscretizedLogistic(1, num_components=1), 2),
    ],
    ids=repr,
)
@pytest.mark.parametrize("value", [1e4, -1e4])
def test_bounded_parameters_are_led_back(family, position, value):
    """Gradient descent on -log p lowers what is too large and raises what is too small."""
    params = np.zeros((1, family.params_size), "float32")
    params[0, position] = value
    x = [[2.0]]
    assert loss_gradient(family, x, params)[0, position] * np.sign(value) > 0


@pytest.mark.parametrize("library_size", [False, True])
def test_negative_binomial_has_the_mean_and_variance_of_scvi(library_size):
    rng = np.random.default_rng(1)
    log_mean, log_dispersion, log_library = (rng.normal(size=(4, n)) for n in (3, 3, 1))
    params = [log_mean, log_dispersion, *([log_library] * library_size)]
    distribution = families.NegativeBinomial(3, library_size=library_size)(params)
    mean = np.exp(log_mean)
    if library_size:
        mean *= np.exp(log_library) / mean.sum(-1, keepdims=True)
        np.testing.assert_allclose(np.sum(distribution.mean(), -1), np.exp(log_library[:, 0]))
    np.testing.assert_allclose(distribution.mean(), mean)
    np.testing.assert_allclose(distribution.variance(), mean + mean**2 / np.exp(log_dispersion))


def test_a_large_dispersion_is_the_poisson_distribution():
    log_mean = np.log([[0.3, 2.0, 7.0]])
    x = np.array([[0.0, 3.0, 6.0]])
    value = families.NegativeBinomial(3).log_likelihood(x, [log_mean, np.full((1, 3), 10.0)])
    # The two differ by terms of the order x^2 / dispersion, 2.2e4.
    expected = families.Poisson(3).log_likelihood(x, log_mean)
    np.testing.assert_allclose(value, expected, atol=3e-3)


@pytest.mark.parametrize("log_dispersion", [-10.0, 0.0, 5.0, 10.0])
def test_negative_binomial_keeps_its_digits_in_single_precision(log_dispersion):
    x = np.array([[0.0], [1.0], [30.0], [2e3], [1e5]])
    params = np.stack([np.log(x[:, 0] + 0.5), np.full(5, log_dispersion)], -1)
    family = families.NegativeBinomial(1)
    single = family.log_likelihood(x, params.astype("float32"))
    np.testing.assert_allclose(single, family.log_likelihood(x, params), rtol=1e-5, atol=2e-3)


@pytest.mark.parametrize("zero_logits", [-1e4, -3.0, 0.0, 3.0, 1e4])
def test_zero_inflation_is_a_mixture_with_a_point_at_zero(zero_logits):
    x = np.array([[0.0], [1.0], [7.0]])
    params = np.array([[0.3, -0.2, zero_logits]] * 3)
    value = families.ZeroInflatedNegativeBinomial(1).log_likelihood(x, params)
    log_counts = families.NegativeBinomial(1).log_likelihood(x, params[:, :2])
    log_zero, log_rest = -np.logaddexp(0, -zero_logits), -np.logaddexp(0, zero_logits)
    expected = log_rest + log_counts.numpy()
    expected[0] = np.logaddexp(expected[0], log_zero)
    np.testing.assert_allclose(value, expected)


@pytest.mark.parametrize(
    "loc", [-2.0, 0.1, *(pytest.param(loc, marks=pytest.mark.stress) for loc in (-1.0, 1.0, 5.0))]
)
@pytest.mark.parametrize("log_scale", [-7.0, -4.0, 0.0, 3.0])
def test_discretized_logistic_is_the_quantized_logistic(loc, log_scale):
    """Against TFP in float64 where it has digits, and sums over all 256 values for moments."""
    x = np.arange(256.0)[:, None]
    family = families.DiscretizedLogistic(1, num_components=1)
    params = np.array([[0.0, loc, log_scale]] * 256)
    log_prob = family.log_likelihood(x, params).numpy()
    centre, scale = np.float64(127.5 * (1 + loc)), np.float64(127.5 * math.exp(log_scale))
    theirs = tfd.QuantizedDistribution(
        tfd.Logistic(centre - 0.5, scale), low=np.float64(0), high=np.float64(255)
    )
    prob = np.exp(log_prob)
    np.testing.assert_allclose(prob, theirs.prob(x[:, 0]), rtol=1e-6, atol=1e-14)
    assert np.isfinite(log_prob).all()
    distribution = family(params[:1])
    mean = np.sum(prob * x[:, 0])
    np.testing.assert_allclose(distribution.mean(), [[mean]], atol=1e-9)
    variance = np.sum(prob * (x[:, 0] - mean) ** 2)
    np.testing.assert_allclose(distribution.variance(), [[variance]], atol=1e-8)
    single = family(params[:1].astype("float32"))
    np.testing.assert_allclose(single.mean(), [[mean]], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(single.variance(), [[variance]], rtol=1e-3, atol=1e-2)


def test_discretized_logistic_in_single_precision_has_digits_in_the_tails():
    x = np.arange(256.0)[:, None]
    params = np.array([[0.0, 1.0, 3.0, -0.9, 0.9, 0.0, -6.0, -3.0, -1.0]] * 256)
    family = families.DiscretizedLogistic(1, num_components=3)
    single = family.log_likelihood(x, params.astype("float32"))
    np.testing.assert_allclose(single, family.log_likelihood(x, params), rtol=1e-5, atol=1e-5)
