"""What every prior keeps to. A new prior is a row of `ROWS`."""

import dataclasses
import inspect
import json
import math
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_vae import families, priors

tfd = tfp.distributions


def make_trainable(family):
    return lambda event_shape, **kwargs: priors.TrainablePrior(family(event_shape), **kwargs)


def make_mixture(covariance):
    return lambda event_shape, **kwargs: priors.MixturePrior(event_shape, 3, covariance, **kwargs)


def make_vamp(event_shape, **kwargs):
    return priors.VampPrior(event_shape, 3, **kwargs)


def make_conditional(event_shape, dtype=None, **kwargs):
    family = families.MultivariateNormalDiag(event_shape)
    network = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(family.params_size, dtype=dtype)]
    )
    return priors.ConditionalPrior(network, family, dtype=dtype, **kwargs)


def make_flow(event_shape, **kwargs):
    return priors.FlowPrior(event_shape, num_layers=4, hidden_units=(8,), **kwargs)


def normal_mixture(z, log_weights, means, factors):
    """Log-density of normal distributions with these Cholesky factors of the last axis."""
    residual = np.linalg.solve(factors, (z[..., np.newaxis, :] - means)[..., np.newaxis])
    log_det = np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(-1)
    log_prob = -0.5 * np.sum(residual**2, (-2, -1)) - log_det
    log_prob -= 0.5 * np.log(2 * np.pi) * z.shape[-1]
    return np.logaddexp.reduce(log_weights + log_prob, axis=-1)


def diagonal(log_variance):
    return np.exp(0.5 * log_variance)[..., np.newaxis] * np.eye(log_variance.shape[-1])


def triangular(entries, size):
    factors = np.zeros((*entries.shape[:-1], size, size))
    rows, columns = np.tril_indices(size)
    factors[..., rows, columns] = entries
    axis = np.arange(size)
    factors[..., axis, axis] = np.exp(factors[..., axis, axis])
    return factors


def log_softmax(logits):
    return logits - np.logaddexp.reduce(logits)


def standard_normal_density(z, event_shape):
    return np.sum(-0.5 * z**2 - 0.5 * np.log(2 * np.pi), axis=tuple(range(-len(event_shape), 0)))


def over_rows(z, event_shape, log_weights, means, factors):
    """The density of a mixture over all axes of an event whose rows are independent."""
    size = event_shape[-1]
    rows = int(np.prod(event_shape[:-1]))
    means = means.reshape(-1, rows * size)
    blocks = np.zeros((len(means), rows * size, rows * size))
    for i, block in enumerate(np.moveaxis(factors.reshape(-1, rows, size, size), 1, 0)):
        blocks[:, i * size : (i + 1) * size, i * size : (i + 1) * size] = block
    flat = z.reshape(*z.shape[: z.ndim - len(event_shape)], -1)
    return normal_mixture(flat, log_weights, means, blocks)


def trainable_density(kind):
    def density(z, event_shape, params):
        size = event_shape[-1]
        loc, scale = params[..., :size], params[..., size:]
        factors = {
            "diagonal": lambda: diagonal(scale),
            "full": lambda: triangular(scale, size),
            "none": lambda: diagonal(np.zeros_like(loc)),
        }[kind]()
        return over_rows(z, event_shape, np.zeros(1), loc, factors)

    return density


def mixture_density(covariance):
    def density(z, event_shape, logits, means, scales):
        full = covariance == "full"
        factors = triangular(scales, event_shape[-1]) if full else diagonal(scales)
        return over_rows(z, event_shape, log_softmax(logits), means, factors)

    return density


def linear_encode(x):
    """Posteriors whose mean is x - 1 and whose log-variance is x / 2."""
    return families.MultivariateNormalDiag(x.shape[1:])([x - 1.0, 0.5 * x])


def vamp_density(z, event_shape, x):
    return over_rows(z, event_shape, np.full(3, -np.log(3.0)), x - 1.0, diagonal(0.5 * x))


CONDITION = np.array([[0.0, 1.0], [-1.0, 0.5]])


def conditional_density(z, event_shape, kernel, bias):
    params = (CONDITION @ kernel + bias).reshape(2, *event_shape[:-1], 2 * event_shape[-1])
    loc, log_variance = np.split(params, 2, axis=-1)
    noise = (z - loc) / np.exp(0.5 * log_variance)
    axes = tuple(range(-len(event_shape), 0))
    return standard_normal_density(noise, event_shape) - 0.5 * np.sum(log_variance, axes)


def spherical_density(z, event_shape):
    size = event_shape[-1]
    log_area = np.log(2) + size / 2 * np.log(np.pi) - math.lgamma(size / 2)
    return np.full(len(z), -log_area * np.prod(event_shape[:-1]))


def uniform_categorical_density(z, event_shape):
    return np.full(len(z), -np.log(event_shape[-1]) * np.prod(event_shape[:-1]))


def flow_density(z, event_shape, *weights):
    """Four couplings undone one after the other; layer by digit of the index in base two."""
    size = int(np.prod(event_shape))
    z = z.reshape(-1, size)
    total = np.zeros(len(z))
    for layer in (3, 2, 1, 0):
        kernel, bias, last_kernel, last_bias = weights[4 * layer : 4 * layer + 4]
        digits = max(1, math.ceil(math.log2(size)))
        moved = [f"{i:08b}"[::-1][layer // 2 % digits] == str(layer % 2) for i in range(size)]
        hidden = np.maximum(np.where(moved, 0.0, z) @ kernel + bias, 0.0)
        shift, log_scale = np.split(hidden @ last_kernel + last_bias, 2, axis=-1)
        log_scale = 3.0 * np.tanh(log_scale / 3.0)
        z = np.where(moved, (z - shift) / np.exp(log_scale), z)
        total -= np.sum(np.where(moved, log_scale, 0.0), -1)
    return total + standard_normal_density(z, (size,))


@dataclasses.dataclass(frozen=True)
class Row:
    """A prior, its log-density in float64 given its weights, and what else it is told of.

    `given` are arguments of `distribution` that it cannot do without, `refused` those that it
    does not take, `knows_event_shape` whether it has an event shape without its encoder.
    """

    prior: type
    make: Callable
    density: Callable
    num_weights: int = 0
    given: dict = dataclasses.field(default_factory=dict)
    refused: tuple = ()
    batch_shape: tuple = ()
    smallest: int = 1
    knows_event_shape: bool = True

    def distribution(self, prior, **arguments):
        return prior.distribution(**{**self.given, **arguments})


ROWS = {
    "standard_normal": Row(priors.StandardNormal, priors.StandardNormal, standard_normal_density),
    "trainable_diag": Row(
        priors.TrainablePrior,
        make_trainable(families.MultivariateNormalDiag),
        trainable_density("diagonal"),
        num_weights=1,
    ),
    "trainable_tril": Row(
        priors.TrainablePrior,
        make_trainable(families.MultivariateNormalTriL),
        trainable_density("full"),
        num_weights=1,
    ),
    "trainable_normal": Row(
        priors.TrainablePrior,
        make_trainable(families.Normal),
        trainable_density("none"),
        num_weights=1,
    ),
    "mixture_diag": Row(
        priors.MixturePrior, make_mixture("diagonal"), mixture_density("diagonal"), num_weights=3
    ),
    "mixture_full": Row(
        priors.MixturePrior, make_mixture("full"), mixture_density("full"), num_weights=3
    ),
    "vamp": Row(
        priors.VampPrior,
        make_vamp,
        vamp_density,
        num_weights=1,
        given={"encode": linear_encode},
        refused=("condition",),
        knows_event_shape=False,
    ),
    "conditional": Row(
        priors.ConditionalPrior,
        make_conditional,
        conditional_density,
        num_weights=2,
        given={"condition": CONDITION.astype("float32")},
        batch_shape=(2,),
    ),
    "spherical_uniform": Row(
        priors.SphericalUniform, priors.SphericalUniform, spherical_density, smallest=2
    ),
    "uniform_categorical": Row(
        priors.UniformCategorical,
        priors.UniformCategorical,
        uniform_categorical_density,
        smallest=2,
    ),
    "flow": Row(priors.FlowPrior, make_flow, flow_density, num_weights=16),
}
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
every_row_and_shape = pytest.mark.parametrize(
    ("row", "event_shape"),
    [
        pytest.param(row, shape, id=f"{name}-{shape}", marks=marks)
        for name, row in ROWS.items()
        for shape, marks in (((1,), ()), ((3,), pytest.mark.stress), ((2, 3), ()))
        if shape[-1] >= row.smallest
    ],
)


def train(prior):
    """Gives every weight another value, as training would."""
    rng = np.random.default_rng(5)
    for weight in prior.weights:
        weight.assign(weight + rng.normal(scale=0.3, size=weight.shape))


def concrete_subclasses(cls):
    for subclass in cls.__subclasses__():
        if subclass.__module__.startswith("keras_vae") and not inspect.isabstract(subclass):
            yield subclass
        yield from concrete_subclasses(subclass)


def test_no_prior_is_missing():
    public = {getattr(priors, name) for name in priors.__all__} - {priors.Prior, priors.fit}
    in_table = {row.prior for row in ROWS.values()}
    assert in_table == public == set(concrete_subclasses(priors.Prior))


@every_row_and_shape
@pytest.mark.parametrize("trained", [False, True])
def test_distribution(row, event_shape, trained):
    prior = row.make(event_shape)
    if trained:
        train(prior)
    distribution = row.distribution(prior)
    assert isinstance(distribution, tfd.Distribution)
    assert prior.event_shape == (event_shape if row.knows_event_shape else None)
    assert distribution.event_shape == event_shape
    assert distribution.batch_shape == row.batch_shape
    assert distribution.dtype == "float32"
    z = distribution.sample(7, seed=(1, 2))
    assert z.shape == (7, *row.batch_shape, *event_shape)
    weights = [weight.numpy().astype("float64") for weight in prior.weights]
    expected = row.density(z.numpy().astype("float64"), event_shape, *weights)
    log_prob = distribution.log_prob(z)
    assert log_prob.shape == expected.shape == (7, *row.batch_shape)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=1e-5)


@every_row
@pytest.mark.parametrize(
    ("policy", "dtype"),
    [("mixed_float16", "float32"), ("mixed_bfloat16", "float32"), ("float64", "float64")],
)
def test_dtype_policy(row, policy, dtype):
    assert row.distribution(row.make(3, dtype=policy)).dtype == dtype


@every_row_and_shape
def test_config_round_trip(row, event_shape):
    prior = row.make(event_shape, name="latent_prior")
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(prior)))
    assert saved["registered_name"] == f"keras_vae>{row.prior.__name__}"
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is row.prior
    assert again.name == "latent_prior"
    assert again.event_shape == prior.event_shape
    # As text: Keras' own layers give lists where they were given tuples.
    assert json.dumps(again.get_config()) == json.dumps(prior.get_config())
    train(prior)
    again.set_weights(prior.get_weights())
    z = row.distribution(prior).sample(2, seed=(1, 2))
    np.testing.assert_array_equal(
        row.distribution(again).log_prob(z), row.distribution(prior).log_prob(z)
    )


@every_row
def test_weights(row):
    prior = row.make(3)
    assert len(prior.trainable_weights) == len(prior.weights) == row.num_weights
    # Not all entries equal: in the middle between two means a weight may have no gradient.
    z = tf.constant([[1.0, -0.5, 0.25]] * 2)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(row.distribution(prior).log_prob(z))
    for gradient, weight in zip(
        tape.gradient(value, prior.trainable_weights), prior.weights, strict=True
    ):
        assert np.all(np.isfinite(gradient)), weight.path
        assert np.any(gradient != 0.0), weight.path


@every_row
def test_other_arguments_are_accepted(row):
    """A model gives every prior its encoder and the condition, whether it uses them or not."""
    others = {"encode": linear_encode, "condition": tf.zeros((2, 2))}
    row.distribution(row.make(3), **{k: v for k, v in others.items() if k not in row.refused})
    for name in row.refused:
        with pytest.raises(ValueError, match=rf"expects .* Received: {name}="):
            row.distribution(row.make(3), **others)


@every_row
def test_it_says_what_it_cannot_do_without(row):
    for name in row.given:
        with pytest.raises(ValueError, match=rf"{row.prior.__name__} expects .* {name}=None"):
            row.make(3).distribution()


@every_row
def test_it_is_not_called_as_a_layer(row):
    with pytest.raises(NotImplementedError, match=r"is used through `distribution\(\)`"):
        row.make(3).call(np.zeros((1, 3)))


# XLA is given a graph, so that the other way is in it.
@every_row
@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.stress), True])
def test_in_a_compiled_function(row, jit_compile):
    prior = row.make((2, 3))
    train(prior)
    z = row.distribution(prior).sample(4, seed=(1, 2))

    @tf.function(jit_compile=jit_compile)
    def compiled(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            log_prob = row.distribution(prior).log_prob(z)
        return log_prob, tape.gradient(log_prob, z)

    log_prob, gradient = compiled(z)
    np.testing.assert_allclose(log_prob, row.distribution(prior).log_prob(z), rtol=1e-5, atol=1e-5)
    assert gradient is None or np.all(np.isfinite(gradient))


# The density of a full covariance or a flow overflows float32 there: a model skips such a step.
@pytest.mark.parametrize("name", sorted(set(ROWS) - {"trainable_tril", "mixture_full", "flow"}))
@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_gradients_are_finite_for_extreme_weights(name, value):
    row = ROWS[name]
    prior = row.make(3)
    for weight in prior.weights:
        weight.assign(tf.fill(weight.shape, value))
    z = tf.constant([[1.0, -0.5, 0.25]] * 2)
    with tf.GradientTape() as tape:
        tape.watch(z)
        log_prob = row.distribution(prior).log_prob(z)
    assert np.all(np.isfinite(log_prob))
    gradients = tape.gradient(log_prob, [z, *prior.trainable_weights])
    for gradient in gradients:
        assert gradient is None or np.all(np.isfinite(gradient))
