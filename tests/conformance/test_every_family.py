"""What every family of distributions keeps to. A new family is a row of `ROWS`."""

import dataclasses
import functools
import inspect
import itertools
import json
import math
import re
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import keras_vae
from keras_vae import families

tfd = tfp.distributions
SHAPES = [(3,), (2, 3), (2, 2, 3)]
lgamma = np.vectorize(math.lgamma, otypes=["float64"])


def density_bernoulli(x, logits):
    return -x * np.logaddexp(0, -logits) - (1 - x) * np.logaddexp(0, logits)


def density_continuous_bernoulli(x, logits):
    """Loaiza-Ganem and Cunningham, equations 6 to 8; the constant is logits / tanh(logits / 2)."""
    constant = np.log(logits / np.tanh(logits / 2))
    return x * logits - np.logaddexp(0, logits) + constant


def density_normal(scale):
    return lambda x, loc: tfd.Normal(loc, np.float64(scale)).log_prob(x).numpy()


def density_normal_log_variance(x, loc, log_variance):
    return tfd.Normal(loc, np.exp(log_variance / 2)).log_prob(x).numpy()


def density_tril(x, loc, scale_tril):
    """Only the density of a vector: summed over the last axis already, which it keeps."""
    size = x.shape[-1]
    rows, columns = np.tril_indices(size)
    scale = np.zeros((*loc.shape, size))
    scale[..., rows, columns] = scale_tril
    diagonal = np.arange(size)
    scale[..., diagonal, diagonal] = np.exp(scale[..., diagonal, diagonal])
    covariance = scale @ np.swapaxes(scale, -1, -2)
    residual = (x - loc)[..., None]
    square = np.swapaxes(residual, -1, -2) @ np.linalg.solve(covariance, residual)
    log_determinant = np.linalg.slogdet(2 * np.pi * covariance)[1]
    return -0.5 * (square[..., 0] + log_determinant[..., None])


def density_laplace(x, loc, log_scale):
    return -np.abs(x - loc) * np.exp(-log_scale) - log_scale - math.log(2)


def density_student_t(df):
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2

    def density(x, loc, log_scale):
        y = (x - loc) * np.exp(-log_scale)
        return constant - log_scale - (df + 1) / 2 * np.log1p(y**2 / df)

    return density


def density_categorical(x, logits):
    logits = logits.reshape(*x.shape, -1)
    log_prob = logits - np.log(np.sum(np.exp(logits), -1, keepdims=True))
    return np.take_along_axis(log_prob, x[..., None].astype(int), -1)[..., 0]


def density_one_hot(x, logits):
    """Of the last axis, which it keeps."""
    log_prob = logits - np.log(np.sum(np.exp(logits), -1, keepdims=True))
    return np.sum(x * log_prob, -1, keepdims=True)


def density_poisson(x, log_rate):
    return x * log_rate - np.exp(log_rate) - lgamma(x + 1)


def density_negative_binomial(x, log_mean, log_dispersion, log_library=None):
    if log_library is not None:
        shares = np.exp(log_mean) / np.sum(np.exp(log_mean), -1, keepdims=True)
        log_mean = np.log(np.exp(log_library) * shares)
    mean, t = np.exp(log_mean), np.exp(log_dispersion)
    log_prob = lgamma(x + t) - lgamma(t) - lgamma(x + 1)
    return log_prob + t * np.log(t / (t + mean)) + x * np.log(mean / (t + mean))


def density_zero_inflated(x, log_mean, log_dispersion, zero_logits, log_library=None):
    zero = 1 / (1 + np.exp(-zero_logits))
    counts = np.exp(density_negative_binomial(x, log_mean, log_dispersion, log_library))
    return np.log(zero * (x == 0) + (1 - zero) * counts)


def density_discretized_logistic(x, logits, loc, log_scale):
    logits, loc, log_scale = (part.reshape(*x.shape, -1) for part in (logits, loc, log_scale))
    x, centre, scale = x[..., None], 127.5 * (1 + loc), 127.5 * np.exp(log_scale)
    above = np.where(x == 255, 1.0, 1 / (1 + np.exp(-(x + 0.5 - centre) / scale)))
    below = np.where(x == 0, 0.0, 1 / (1 + np.exp(-(x - 0.5 - centre) / scale)))
    weights = np.exp(logits) / np.sum(np.exp(logits), -1, keepdims=True)
    return np.log(np.sum(weights * (above - below), -1))


def density_power_spherical(x, loc, log_concentration):
    """Of the last axis, which it keeps."""
    size, concentration = x.shape[-1], np.exp(log_concentration)
    b = (size - 1) / 2
    a = b + concentration
    constant = (a + b) * math.log(2) + b * math.log(math.pi) + lgamma(a) - lgamma(a + b)
    direction = loc / np.linalg.norm(loc, axis=-1, keepdims=True)
    cosine = np.sum(x * direction, -1, keepdims=True)
    return concentration * np.log1p(cosine) - constant


def density_von_mises_fisher(x, loc, log_concentration):
    """Of the last axis, which it keeps; the Bessel function by its power series."""
    order, concentration = x.shape[-1] / 2 - 1, np.exp(log_concentration)
    terms = [
        (concentration / 2) ** (2 * k + order) / math.gamma(k + 1) / math.gamma(k + 1 + order)
        for k in range(40)
    ]
    constant = order * np.log(concentration) - (order + 1) * math.log(2 * math.pi)
    direction = loc / np.linalg.norm(loc, axis=-1, keepdims=True)
    cosine = np.sum(x * direction, -1, keepdims=True)
    return concentration * cosine + constant - np.log(sum(terms))


def table(event_shape):
    """Counts in the last column, real numbers with scales of their own in those before it."""
    *leading, size = families.Poisson(event_shape).event_shape
    counts = families.Poisson((*leading, 1))
    if size == 1:
        return families.Blockwise([counts])
    numbers = families.Normal((*leading, size - 1), scale="per_element")
    return families.Blockwise([numbers, counts])


def density_table(x, numbers, counts):
    """Summed over the last axis already, which it keeps."""
    log_prob = density_poisson(x[..., -1:], counts)
    loc, log_variance = np.split(numbers, 2, axis=-1)
    density = density_normal_log_variance(x[..., :-1], loc, log_variance)
    return log_prob + density.sum(-1, keepdims=True)


@dataclasses.dataclass(frozen=True)
class Row:
    """A family, and its log-density in float64: of each entry, or of the last axis.

    `kurtosis` is a bound on that of its entries at the parameters of `parts`; `needs_arguments`
    says that it has no name for `families.get`, `xla_sampler` that XLA compiles its sampler,
    `build` makes it from an event shape where its constructor does not take one,
    `random_weights` that its weights start from noise: here they have given values.
    """

    family: type
    density: Callable | None
    kind: str = "real"
    arguments: dict = dataclasses.field(default_factory=dict)
    entries_independent: bool = True
    kurtosis: float = 3.0
    needs_arguments: bool = False
    xla_sampler: bool = True
    build: Callable | None = None
    random_weights: bool = False

    def make(self, event_shape):
        if self.build:
            return self.build(event_shape)
        family = self.family(event_shape, **self.arguments)
        if self.random_weights:
            rng = np.random.default_rng(9)
            for weight in family.weights:
                # The same in every precision, and small: its moments are estimates from few points.
                weight.assign(rng.normal(scale=0.1, size=weight.shape).astype("float32"))
        return family

    def data(self, *shape):
        rng = np.random.default_rng(7)
        if self.kind == "binary":
            return rng.integers(0, 2, shape).astype("float64")
        if self.kind in ("count", "code", "pixel"):
            highest = {"count": 12, "code": 3, "pixel": 255}[self.kind]
            x = rng.integers(0, highest + 1, shape).astype("float64")
            x.flat[:3] = [0, 0, highest][: x.size]
            return x
        if self.kind == "direction":
            x = rng.normal(size=shape)
            return x / np.linalg.norm(x, axis=-1, keepdims=True)
        if self.kind == "one_hot":
            return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
        if self.kind == "table":
            x = rng.normal(size=shape)
            x[..., -1] = rng.integers(0, 9, shape[:-1])
            return x
        return rng.uniform(size=shape) if self.kind == "unit" else rng.normal(size=shape)

    def parts(self, event_shape, *batch):
        """Random parameters of moderate size, float64, one array for each."""
        rng = np.random.default_rng(8)
        sizes = self.make(event_shape)._parameter_sizes(event_shape[-1])
        shapes = [(*batch, *event_shape[:-1], size) for size in sizes]
        return [0.1 + rng.uniform(-1, 1, shape) for shape in shapes]

    def params(self, event_shape, *batch):
        return np.concatenate(self.parts(event_shape, *batch), axis=-1)

    def log_density(self, x, parts, event_shape):
        axes = tuple(range(-len(event_shape), 0))
        return self.density(x, *parts).sum(axes)


LIBRARY = {"library_size": True}
ROWS = {
    "bernoulli": Row(families.Bernoulli, density_bernoulli, "binary"),
    "blockwise": Row(
        families.Blockwise,
        density_table,
        "table",
        entries_independent=False,
        kurtosis=6.0,
        needs_arguments=True,
        build=table,
    ),
    "categorical": Row(
        families.Categorical,
        density_categorical,
        "code",
        {"num_classes": 4},
        kurtosis=10.0,
        needs_arguments=True,
    ),
    "continuous_bernoulli": Row(families.ContinuousBernoulli, density_continuous_bernoulli, "unit"),
    "deterministic": Row(families.Deterministic, None),
    "diag": Row(families.MultivariateNormalDiag, density_normal_log_variance),
    "discretized_logistic": Row(
        families.DiscretizedLogistic, density_discretized_logistic, "pixel", kurtosis=5.0
    ),
    "discretized_logistic_1": Row(
        families.DiscretizedLogistic,
        density_discretized_logistic,
        "pixel",
        {"num_components": 1},
        kurtosis=5.0,
    ),
    "inverse_autoregressive_flow": Row(
        families.InverseAutoregressiveFlow,
        None,
        arguments={"num_flows": 3, "hidden_units": (8,), "context_size": 2},
        entries_independent=False,
        kurtosis=6.0,
        random_weights=True,
    ),
    "inverse_autoregressive_flow_without_context": Row(
        families.InverseAutoregressiveFlow,
        None,
        arguments={"num_flows": 1, "hidden_units": (), "context_size": 0},
        entries_independent=False,
        kurtosis=6.0,
        random_weights=True,
    ),
    "laplace": Row(families.Laplace, density_laplace, kurtosis=6.0),
    "negative_binomial": Row(
        families.NegativeBinomial,
        density_negative_binomial,
        "count",
        kurtosis=30.0,
        xla_sampler=False,
    ),
    "negative_binomial_library": Row(
        families.NegativeBinomial,
        density_negative_binomial,
        "count",
        LIBRARY,
        entries_independent=False,
        kurtosis=30.0,
        xla_sampler=False,
    ),
    "poisson": Row(families.Poisson, density_poisson, "count", kurtosis=6.0),
    "power_spherical": Row(
        families.PowerSpherical, density_power_spherical, "direction", entries_independent=False
    ),
    # A temperature at which the samples have the moments of one-hot vectors.
    "relaxed_one_hot": Row(
        families.RelaxedOneHotCategorical,
        density_one_hot,
        "one_hot",
        {"temperature": 0.01},
        entries_independent=False,
        kurtosis=20.0,
    ),
    "student_t": Row(families.StudentT, density_student_t(4.0), kurtosis=math.inf),
    "student_t_10": Row(
        families.StudentT, density_student_t(10.0), "real", {"df": 10.0}, kurtosis=4.0
    ),
    "tril": Row(families.MultivariateNormalTriL, density_tril, entries_independent=False),
    "normal": Row(families.Normal, density_normal(1.0)),
    "normal_number": Row(families.Normal, density_normal(0.3), arguments={"scale": 0.3}),
    "normal_learned": Row(families.Normal, density_normal(1.0), arguments={"scale": "learned"}),
    "normal_optimal": Row(families.Normal, density_normal(1.0), arguments={"scale": "optimal"}),
    "normal_per_element": Row(
        families.Normal, density_normal_log_variance, arguments={"scale": "per_element"}
    ),
    "von_mises_fisher": Row(
        families.VonMisesFisher, density_von_mises_fisher, "direction", entries_independent=False
    ),
    "zero_inflated": Row(
        families.ZeroInflatedNegativeBinomial,
        density_zero_inflated,
        "count",
        kurtosis=60.0,
        xla_sampler=False,
    ),
    "zero_inflated_library": Row(
        families.ZeroInflatedNegativeBinomial,
        density_zero_inflated,
        "count",
        LIBRARY,
        entries_independent=False,
        kurtosis=60.0,
        xla_sampler=False,
    ),
}
# Numbers that are no value of a discrete family.
OUTSIDE = {
    "code": [-1.0, 0.5, 4.0, 1e30],
    "count": [-1.0, 0.5, 2.001, -1e30, 1e35],
    "pixel": [-1.0, 0.5, 254.5, 256.0, 1e30],
}
LIKELIHOODS = {name: row for name, row in ROWS.items() if row.density is not None}

SHAPED = {name: row for name, row in ROWS.items() if row.build is None}

every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
every_shaped_row = pytest.mark.parametrize("row", SHAPED.values(), ids=SHAPED.keys())
every_likelihood = pytest.mark.parametrize("row", LIKELIHOODS.values(), ids=LIKELIHOODS.keys())
every_discrete = pytest.mark.parametrize(
    "name", [name for name, row in ROWS.items() if row.kind in OUTSIDE]
)
every_shape = pytest.mark.parametrize("event_shape", SHAPES, ids=str)


def every_class(rows):
    """Parametrizes a test over one row of each class, and with --stress over all rows."""
    first = {row.family: name for name, row in reversed(rows.items())}.values()
    return pytest.mark.parametrize(
        "row",
        [
            pytest.param(row, id=name, marks=() if name in first else pytest.mark.stress)
            for name, row in rows.items()
        ],
    )


# Vectors have tests of their own below, and what a third axis breaks a second one breaks.
a_shape = pytest.mark.parametrize(
    "event_shape",
    [pytest.param(shape, marks=() if len(shape) == 2 else pytest.mark.stress) for shape in SHAPES],
    ids=str,
)


def concrete_subclasses(cls):
    for subclass in cls.__subclasses__():
        if subclass.__module__.startswith("keras_vae") and not inspect.isabstract(subclass):
            yield subclass
        yield from concrete_subclasses(subclass)


def test_no_family_is_missing():
    in_table = {row.family for row in ROWS.values()}
    public = {getattr(families, name) for name in families.__all__}
    public = {item for item in public if inspect.isclass(item) and not inspect.isabstract(item)}
    assert in_table == public == set(concrete_subclasses(families.Family)) == set(families._ALL)


@every_row
@every_shape
def test_config_round_trip(row, event_shape):
    family = row.make(event_shape)
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(family)))
    assert saved["registered_name"] == f"keras_vae>{row.family.__name__}"
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is row.family
    assert again.get_config() == family.get_config()
    assert again.event_shape == event_shape
    for name, value in row.arguments.items():
        assert getattr(again, name) == value
    assert type(family).from_config(family.get_config()).get_config() == family.get_config()
    assert repr(again) == repr(family)
    first = "families=[" if row.build else f"event_shape={event_shape}"
    assert repr(family).startswith(f"{row.family.__name__}({first}")


@every_row
@every_shape
def test_parameter_sizes(row, event_shape):
    family = row.make(event_shape)
    size = row.params(event_shape).shape[-1]
    assert family.params_shape == (*event_shape[:-1], size)
    assert family.params_size == np.prod(family.params_shape)


@every_shaped_row
def test_an_integer_is_a_shape_of_one_axis(row):
    for event_shape in (3, np.int64(3), [3], np.array([3])):
        assert row.make(event_shape).event_shape == (3,)
    assert type(row.make(np.int64(3)).event_shape[0]) is int


@every_row
@pytest.mark.parametrize(
    ("event_shape", "batch"),
    [
        pytest.param((3,), (5,), marks=pytest.mark.stress),
        ((2, 3), (4, 5)),
        pytest.param((2, 2, 3), (0,), marks=pytest.mark.stress),
    ],
    ids=str,
)
def test_parameters_in_every_form_give_one_distribution(row, event_shape, batch):
    family = row.make(event_shape)
    parts = row.parts(event_shape, *batch)
    joined = np.concatenate(parts, axis=-1)
    flat = joined.reshape(*batch, family.params_size)
    draws = []
    for params in (joined, flat, parts, tuple(parts)):
        distribution = family(params)
        assert isinstance(distribution, tfd.Distribution)
        assert distribution.event_shape == event_shape
        assert distribution.batch_shape == batch
        draws.append(family.sample(params, seed=(3, 4)).numpy())
        assert draws[-1].shape == (*batch, *event_shape)
        np.testing.assert_array_equal(draws[0], draws[-1])


@every_row
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("float16", "float32"),
        pytest.param("bfloat16", "float32", marks=pytest.mark.stress),
        pytest.param("float32", "float32", marks=pytest.mark.stress),
        ("float64", "float64"),
        pytest.param("int32", "float32", marks=pytest.mark.stress),
    ],
)
def test_at_least_float32_inside(row, given, expected):
    family = row.make((3,))
    params = tf.cast(row.params((3,), 5), given)
    assert family(params).dtype == expected
    assert family(params).mean().dtype == expected
    assert family.sample(params, 2, seed=1).dtype == expected
    if row.density:
        assert family.log_likelihood(row.data(5, 3).astype("float32"), params).dtype == expected


@every_row
def test_parameters_of_two_precisions(row):
    parts = row.parts((3,), 5)
    parts[0] = parts[0].astype("float32")
    expected = "float32" if len(parts) == 1 else "float64"
    assert row.make((3,))(parts).dtype == expected


@every_row
@pytest.mark.parametrize(
    "policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.stress), "float64"]
)
def test_dtype_policy_does_not_matter(row, policy):
    params = row.params((3,), 5).astype("float32")
    expected = row.make((3,)).sample(params, seed=1)
    keras.config.set_dtype_policy(policy)
    try:
        sample = row.make((3,)).sample(params, seed=1)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(sample, expected)


@every_row
@a_shape
def test_samples_have_the_moments_of_the_distribution(row, event_shape):
    number = 4000
    family = row.make(event_shape)
    params = row.params(event_shape, 2)
    samples = family.sample(params, number, seed=1).numpy()
    assert samples.shape == (number, 2, *event_shape)
    distribution = family(params)
    stddev = distribution.stddev().numpy()
    # 5 standard errors, of the mean and of the variance.
    error = np.abs(samples.mean(0) - distribution.mean())
    np.testing.assert_array_less(error, 5 * stddev / np.sqrt(number) + 1e-12)
    error = np.abs(samples.var(0) - stddev**2)
    np.testing.assert_array_less(
        error, 5 * stddev**2 * np.sqrt((row.kurtosis - 1) / number) + 1e-12
    )


@every_row
def test_seeds(row):
    family = row.make((3,))
    params = row.params((3,), 50)
    np.testing.assert_array_equal(family.sample(params, seed=5), family.sample(params, seed=(5, 0)))
    assert family.sample(params).shape == (50, 3)
    if row.family is not families.Deterministic:
        different = [family.sample(params, seed=seed).numpy() for seed in (5, 6, None, None)]
        for first in range(4):
            for second in range(first):
                assert np.any(different[first] != different[second])


@every_likelihood
@a_shape
def test_log_likelihood_is_the_density_in_float64(row, event_shape):
    family = row.make(event_shape)
    x = row.data(5, *event_shape)
    parts = row.parts(event_shape, 5)
    expected = row.log_density(x, parts, event_shape)
    value = family.log_likelihood(x, parts)
    assert value.shape == (5,)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(family(parts).log_prob(x), expected, rtol=1e-12)
    # float32 keeps 7 digits of each entry's term and each sum.
    single = family.log_likelihood(x, [part.astype("float32") for part in parts])
    np.testing.assert_allclose(single, expected, rtol=1e-5, atol=1e-5)


@every_likelihood
@a_shape
def test_samples_before_the_batch(row, event_shape):
    family = row.make(event_shape)
    x = row.data(5, *event_shape)
    params = row.params(event_shape, 2, 4, 5)
    value = family.log_likelihood(x, params).numpy()
    assert value.shape == (2, 4, 5)
    for i, j in np.ndindex(2, 4):
        expected = family.log_likelihood(x, params[i, j])
        np.testing.assert_allclose(value[i, j], expected, rtol=1e-12)


def value_and_gradient(family, x, params):
    params = tf.convert_to_tensor(params)
    with tf.GradientTape() as tape:
        tape.watch(params)
        value = family.log_likelihood(x, params)
    return value.numpy(), tape.gradient(value, params).numpy()


# A full covariance has a test of its own, in test_multivariate_normal_tril.py.
@pytest.mark.parametrize("name", [n for n, row in LIKELIHOODS.items() if row.entries_independent])
def test_missing_entries_leave_the_sum(name):
    row = ROWS[name]
    x, parts = row.data(5, 4), row.parts((4,), 5)
    observed = [0, 2, 3]
    seen = [part.reshape(5, 4, -1)[:, observed].reshape(5, -1) for part in parts]
    expected = row.density(x[:, observed], *seen).sum(-1)
    x[:, 1] = np.nan
    value, gradient = value_and_gradient(row.make((4,)), x, np.concatenate(parts, -1))
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    ends = np.cumsum([part.shape[-1] for part in parts])[:-1]
    parts = np.split(gradient, ends, axis=-1)
    by_entry = np.concatenate([part.reshape(5, 4, -1) for part in parts], axis=-1)
    np.testing.assert_array_equal(by_entry[:, 1], 0.0)
    assert np.isfinite(by_entry).all()
    # The weight of a single component of a mixture changes nothing.
    single = row.arguments.get("num_components") == 1
    assert np.all(by_entry[:, observed, single:] != 0.0)


@every_likelihood
@a_shape
def test_nothing_observed_tells_nothing(row, event_shape):
    x = np.full((2, *event_shape), np.nan)
    value, gradient = value_and_gradient(row.make(event_shape), x, row.params(event_shape, 2))
    np.testing.assert_allclose(value, 0.0, atol=1e-12)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-12)


def extreme_parameters(size, scale):
    signs = np.random.default_rng(3).choice([-1.0, 1.0], (20, size))
    signs[0], signs[1], signs[2] = 1.0, -1.0, 0.0
    return (scale * signs).astype("float32")


# Each shape and each kind of hole once in an ordinary run.
EXTREMES = itertools.product([(2,), (3,), (2, 5), (20,)], ["nothing", "the first", "half"])
USUAL_EXTREMES = [((2,), "the first"), ((3,), "nothing"), ((2, 5), "half"), ((20,), "nothing")]


@every_likelihood
@pytest.mark.parametrize(
    ("event_shape", "missing"),
    [
        pytest.param(*case, marks=() if case in USUAL_EXTREMES else pytest.mark.stress)
        for case in EXTREMES
    ],
    ids=str,
)
def test_extreme_parameters_give_finite_losses_and_gradients(row, event_shape, missing):
    family = row.make(event_shape)
    params = extreme_parameters(family.params_size, 1e4)
    x = row.data(len(params), *event_shape)
    if missing == "the first":
        x[..., 0] = np.nan
    elif missing == "half":
        x[np.random.default_rng(4).random(x.shape) < 0.5] = np.nan
    value, gradient = value_and_gradient(family, x, params)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


@every_row
@a_shape
@pytest.mark.parametrize("scale", [1e4, pytest.param(1e9, marks=pytest.mark.stress)])
def test_extreme_parameters_give_finite_samples(row, event_shape, scale):
    family = row.make(event_shape)
    params = tf.constant(extreme_parameters(family.params_size, scale))
    with tf.GradientTape() as tape:
        tape.watch(params)
        samples = family.sample(params, 10, seed=1)
    assert np.isfinite(samples).all()
    assert np.isfinite(family(params).mean()).all()
    gradient = tape.gradient(samples, params)
    assert gradient is None or np.isfinite(gradient).all()


@every_likelihood
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_data_has_no_probability(row, value):
    for event_shape in [(row.family.smallest_size,), (3,), (2, 3)]:
        x = row.data(2, *event_shape)
        x[0].flat[0] = value
        params = row.params(event_shape, 4, 2).astype("float32")
        log_likelihood = row.make(event_shape).log_likelihood(x, params).numpy()
        np.testing.assert_array_equal(log_likelihood[:, 0], -np.inf)
        assert np.isfinite(log_likelihood[:, 1]).all()


@every_discrete
@a_shape
def test_broken_and_outlying_numbers_have_no_probability(name, event_shape):
    row = ROWS[name]
    for dtype in ("float32", "float64"):
        for params in (row.params(event_shape, 3), 1e4 * np.sign(row.params(event_shape, 3))):
            for value in OUTSIDE[row.kind]:
                x = row.data(3, *event_shape)
                x[1].flat[-1] = value
                x[2].flat[-1] = np.nan
                result = row.make(event_shape).log_likelihood(x, params.astype(dtype)).numpy()
                assert result[1] == -np.inf
                assert np.isfinite(result[[0, 2]]).all()


@every_discrete
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_probabilities_of_all_values_sum_to_one(name, dtype):
    row = ROWS[name]
    number = {"code": 4, "count": 2000, "pixel": 256}[row.kind]
    params = np.concatenate([row.params((1,), 6), 5 * (row.params((1,), 6) - 0.1)])
    if row.kind == "count":
        # The tail beyond 2000 counts is below the tolerance for means up to e^3.
        params = np.minimum(params, 3.0)
        params[:, 1:2] = np.abs(params[:, 1:2])
    params = np.repeat(params[:, None], number, axis=1).astype(dtype)
    x = np.arange(number)[:, None]
    log_prob = row.make((1,)).log_likelihood(x, params).numpy().astype("float64")
    tolerance = 1e-10 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(np.exp(log_prob).sum(-1), 1.0, atol=tolerance)


@pytest.mark.parametrize("value", [-0.01, 1.01, 2.0, -1.0, 255.0, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("family", [families.Bernoulli, families.ContinuousBernoulli])
def test_data_outside_of_the_support_has_no_probability(family, dtype, value):
    x = np.full((3, 2, 3), 0.5)
    x[1, 0, 1] = value
    x[2, 0, 0] = np.nan
    for params in (np.zeros((3, 2, 3)), np.full((3, 2, 3), 1e4)):
        result = family((2, 3)).log_likelihood(x, params.astype(dtype)).numpy()
        assert result[1] == -np.inf
        assert np.isfinite(result[[0, 2]]).all()


@every_shaped_row
@every_shape
def test_event_shape_from_the_network_output(row, event_shape):
    family = row.make(event_shape)
    again = row.family.from_params_shape(family.params_shape, **row.arguments)
    assert again.event_shape == event_shape
    assert again.params_shape == family.params_shape


@every_shaped_row
def test_no_event_shape_fits_the_network_output(row):
    smallest = row.family.smallest_size
    sizes = {row.make((size,)).params_shape[-1] for size in range(smallest, 9)}
    wrong = [size for size in (1, 3, 4, 6) if size not in sizes]
    for last in [*wrong, None, 0]:
        with pytest.raises(ValueError) as error:
            row.family.from_params_shape((last,), **row.arguments)
        for text in (
            f"{row.family.__name__} expects",
            f"Received: params_shape=({last},)",
        ):
            assert text in str(error.value)


@every_row
def test_names(row):
    name = keras_vae._registry.snake_case(row.family.__name__)
    if row.needs_arguments:
        with pytest.raises(ValueError, match="Give an object for anything that needs arguments"):
            families.get(name, (3,))
        return
    family = row.family((3,))
    found = families.get(name, family.params_shape)
    assert type(found) is row.family
    assert found.event_shape == (3,)
    assert families.get(family, None) is family


@every_shaped_row
@pytest.mark.parametrize(
    "event_shape", [None, 3.0, "3", True, (3.0,), (2, None), [[2, 3]]], ids=repr
)
def test_event_shape_of_the_wrong_kind(row, event_shape):
    text = f"{row.family.__name__} expects event_shape to be one integer .* Received: event_shape="
    with pytest.raises(TypeError, match=text):
        row.make(event_shape)


@every_shaped_row
@pytest.mark.parametrize("event_shape", [(), 0, -1, (2, 0)], ids=repr)
def test_event_shape_without_entries(row, event_shape):
    text = f"at least one axis.* Received: event_shape={re.escape(repr(event_shape))}"
    with pytest.raises(ValueError, match=text):
        row.make(event_shape)


@every_row
def test_params_of_the_wrong_shape(row):
    family = row.make((2, 3))
    size = family.params_shape[-1]
    for shape in [(), (5,), (5, size + 1), (5, 3, size), (5, 2, size + 1)]:
        text = rf"{row.family.__name__} expects params of shape .* Received: params of shape "
        for method in (family, family.sample):
            with pytest.raises(ValueError, match=text + re.escape(str(shape))):
                method(np.zeros(shape))


@every_row
def test_a_list_of_params_of_the_wrong_shapes(row):
    family = row.make((3,))
    sizes = family._parameter_sizes(3)
    right = [np.zeros((5, size)) for size in sizes]
    for wrong in (right + right[:1], [*right[:-1], np.zeros((5, sizes[-1] + 1))], []):
        with pytest.raises(
            ValueError, match=r"expects one tensor, or a list of .* Received: params"
        ):
            family(wrong)


@every_likelihood
def test_data_of_the_wrong_shape(row):
    family = row.make((2, 3))
    params = row.params((2, 3), 5)
    for shape in [(), (5,), (5, 3), (5, 2, 4), (5, 2, 1), (5, 2, 3, 1), (5, 6)]:
        text = rf"{row.family.__name__} expects data of shape .* Received: data of shape "
        with pytest.raises(ValueError, match=text + re.escape(str(shape))):
            family.log_likelihood(np.zeros(shape), params)


@every_likelihood
def test_data_and_params_of_two_batch_sizes(row):
    family = row.make((3,))
    for in_data, in_params in [(1, 5), (5, 1), (4, 5), (5, 0)]:
        text = rf"as many data points as params. Received: data of shape \({in_data}, 3\)"
        with pytest.raises(ValueError, match=text):
            family.log_likelihood(row.data(in_data, 3), row.params((3,), in_params))


@every_row
def test_it_says_whether_an_event_may_be_any_real_numbers(row):
    family = row.make((3,))
    expected = row.kind == "real" and row.family is not families.Deterministic
    assert family.real_valued is expected
    if row.density:
        x = np.array([[-0.3, 1.7, 40.5]])
        value = family.log_likelihood(x, row.params((3,), 1)).numpy()
        assert np.isfinite(value).all() == expected


@every_likelihood
@a_shape
def test_zero_length_batch(row, event_shape):
    family = row.make(event_shape)
    value, gradient = value_and_gradient(
        family, row.data(0, *event_shape), row.params(event_shape, 0)
    )
    assert value.shape == (0,)
    assert gradient.shape == (0, *family.params_shape)


@every_likelihood
def test_data_of_every_dtype(row):
    family = row.make((3,))
    x = np.array([[0, 1, 1], [1, 0, 0]])
    params = row.params((3,), 2).astype("float32")
    expected = family.log_likelihood(x.astype("float32"), params)
    for dtype in ("bool", "uint8", "int64", "float16", "float64"):
        np.testing.assert_array_equal(family.log_likelihood(x.astype(dtype), params), expected)


# XLA is given a graph, so that the other way is in it, but for batches of any size.
@every_class(LIKELIHOODS)
@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.stress), True])
def test_compiled_function_gives_the_same(row, jit_compile):
    family = row.make((2, 3))
    unknown = None if not jit_compile else 4
    signature = [
        tf.TensorSpec((unknown, 2, 3), tf.float64),
        tf.TensorSpec((unknown, *family.params_shape), tf.float64),
    ]
    compiled = tf.function(
        family.log_likelihood, input_signature=signature, jit_compile=jit_compile
    )
    x, params = row.data(4, 2, 3), row.params((2, 3), 4)
    np.testing.assert_allclose(compiled(x, params), family.log_likelihood(x, params), rtol=1e-9)
    x[1, 0, 0] = np.nan
    np.testing.assert_allclose(compiled(x, params), family.log_likelihood(x, params), rtol=1e-9)


@every_class(ROWS)
def test_compiled_samples_are_the_same(row):
    """XLA where the sampler allows it."""
    family = row.make((2, 3))
    params = tf.constant(row.params((2, 3), 4), tf.float32)
    sample = functools.partial(family.sample, seed=(1, 2))
    expected = sample(params)
    np.testing.assert_allclose(tf.function(sample)(params), expected, rtol=1e-5, atol=1e-6)
    compiled = tf.function(sample, jit_compile=True)
    if row.xla_sampler:
        assert np.isfinite(compiled(params)).all()
        assert compiled(params).shape == (4, 2, 3)
        np.testing.assert_array_equal(compiled(params), compiled(params))
    else:
        with pytest.raises(tf.errors.InvalidArgumentError):
            compiled(params)


@every_row
@a_shape
def test_point_estimate(row, event_shape):
    family = row.make(event_shape)
    params = row.params(event_shape, 5)
    point = family.point_estimate(params)
    assert point.shape == (5, *event_shape)
    assert point.dtype == "float64"
    if row.kind in ("real", "unit", "code", "pixel", "direction", "one_hot") and row.density:
        point = np.round(point) if row.kind == "pixel" else point
        assert np.isfinite(family.log_likelihood(point, params)).all()


@every_likelihood
def test_entries_add_up_to_the_log_likelihood(row):
    event_shape = (2, 3)
    family = row.make(event_shape)
    params = np.stack([row.params(event_shape, 4), 0.5 * row.params(event_shape, 4)])
    x = row.data(4, *event_shape)
    x[2, 0] = np.nan
    whole = (families.MultivariateNormalTriL, families.PowerSpherical, families.VonMisesFisher)
    independent = not isinstance(family, (*whole, families.RelaxedOneHotCategorical))
    assert family.entries_independent is independent
    if not independent:
        with pytest.raises(ValueError, match=r"of whole events, since its entries depend on each"):
            family.entry_log_likelihood(x, params)
        return
    entries = family.entry_log_likelihood(x, params).numpy()
    assert entries.shape == (2, 4, *event_shape)
    np.testing.assert_allclose(entries.sum((-2, -1)), family.log_likelihood(x, params), rtol=1e-9)
    np.testing.assert_array_equal(entries[:, 2, 0], 0.0)
    if getattr(family, "support", None):
        x[1, 1, 1] = -3.0
        impossible = np.isinf(family.entry_log_likelihood(x, params))
        assert impossible[:, 1, 1, 1].all()
        assert impossible.sum() == 2


@every_likelihood
def test_what_is_missing_is_filled_with_events(row):
    event_shape = (2, 3)
    family = row.make(event_shape)
    params = row.params(event_shape, 4)
    x = np.full((4, *event_shape), np.nan)
    observed, missing, *parameters = family._data_and_parameters(x, params)
    assert missing.numpy().all()
    point = family._event_of(family._expectation(observed, missing, *parameters))
    # Of one latent, with nothing known: the reconstruction.
    np.testing.assert_allclose(point, family.point_estimate(params), rtol=1e-9, atol=1e-12)
    seed = tf.constant([1, 2])
    drawn = family._sample_missing(observed, missing, seed, *parameters)
    assert drawn.shape == (4, *event_shape)
    assert np.isfinite(family.log_likelihood(drawn, params)).all()
    some = np.zeros((4, *event_shape), bool)
    some[1, 0, 1] = True
    vectors = row.kind in ("direction", "one_hot")
    assert np.sum(family._missing_events(tf.constant(some))) == (3 if vectors else 1)


@pytest.mark.parametrize("name", ["gaussian", "Bernoulli", ""])
def test_unknown_name(name):
    text = f"name of a family, one of 'bernoulli', .* Received: identifier='{name}'"
    with pytest.raises(ValueError, match=text):
        families.get(name, (3,))


@pytest.mark.parametrize("identifier", [None, 3, families.Bernoulli])
def test_identifier_of_the_wrong_kind(identifier):
    with pytest.raises(TypeError, match=r"expects a family of distributions or its name. Received"):
        families.get(identifier, (3,))
