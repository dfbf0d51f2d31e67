"""Any argument of any public name: a finite result, or an error that says what was received.

Hypothesis replaces arguments of a call that works by others of any kind. What comes then is a
`ValueError` or `TypeError` that says which argument was received and what, or an object that works.
500 examples in an ordinary run, 10,000 with --stress.
"""

import dataclasses
import functools
import importlib
import inspect
import pathlib
import re
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import keras_vae
from keras_vae import VAEModel, families, objectives, priors

X = np.random.default_rng(1).normal(size=(6, 4)).astype("float32")
CODES = np.random.default_rng(2).normal(size=(40, 3))
FACTORS = np.random.default_rng(3).integers(2, size=(40, 2))


def encoder(outputs=4):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(outputs)])


def decoder():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])


def discriminator():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


@pytest.fixture(scope="module")
def model():
    made = VAEModel(encoder(), decoder(), likelihood=families.Normal(4), seed=1)
    made(X)
    return made


def normal(batch=3):
    return families.MultivariateNormalDiag(2)(np.zeros((batch, 4), "float32"))


def latents():
    return np.zeros((2, 3, 2), "float32")


@functools.cache
def saved():
    path = pathlib.Path(tempfile.mkdtemp()) / "model.keras"
    VAEModel(encoder(), decoder(), likelihood="bernoulli").save(path)
    return path


# A call that works, for every public name: functions that give its arguments.
CALLS = {
    **{
        f"families.{cls.__name__}": lambda: {"event_shape": 3}
        for cls in families._ALL
        if cls not in (families.Blockwise, families.Categorical)
    },
    "families.Blockwise": lambda: {"families": [families.Normal(2), families.Poisson(1)]},
    "families.Categorical": lambda: {"event_shape": 3, "num_classes": 4},
    "families.get": lambda: {"identifier": "normal", "params_shape": (3,)},
    "priors.StandardNormal": lambda: {"event_shape": 2},
    "priors.SphericalUniform": lambda: {"event_shape": 3},
    "priors.UniformCategorical": lambda: {"event_shape": 3},
    "priors.TrainablePrior": lambda: {"family": families.MultivariateNormalDiag(2)},
    "priors.MixturePrior": lambda: {
        **{"event_shape": 2, "num_components": 3, "covariance": "full"},
    },
    "priors.VampPrior": lambda: {"pseudo_input_shape": 4, "num_components": 3, "bounded": True},
    "priors.FlowPrior": lambda: {"event_shape": 2, "num_layers": 1, "hidden_units": (4,)},
    "priors.ConditionalPrior": lambda: {
        **{"network": encoder(), "family": families.MultivariateNormalDiag(2)},
    },
    "objectives.ELBO": lambda: {"beta": 1.0, "free_nats": 0.0, "capacity": None, "num_samples": 1},
    "objectives.GECO": lambda: {
        **{"tolerance": 1.0, "rate": 0.1, "momentum": 0.9, "initial_multiplier": 1.0},
        "num_samples": 1,
    },
    "objectives.IWAE": lambda: {
        **{"num_samples": 4, "gradient": "dreg", "num_groups": 2, "elbo_weight": 0.5},
    },
    "objectives.RenyiBound": lambda: {"alpha": 0.5, "num_samples": 2},
    "objectives.Penalized": lambda: {"base": objectives.ELBO(), "penalties": [objectives.MMD(1.0)]},
    "objectives.DIP": lambda: {"weight": 1.0, "kind": 2, "diagonal_ratio": 1.0},
    "objectives.MMD": lambda: {"weight": 1.0, "kernel": "inverse_multiquadratic"},
    "objectives.DensityRatio": lambda: {
        **{"discriminator": discriminator(), "weight": 1.0, "against": "prior"},
    },
    "objectives.ForwardKL": lambda: {"weight": 1.0, "method": "auto"},
    "objectives.GradientPenalty": lambda: {"weight": 1.0},
    "objectives.JensenShannon": lambda: {"weight": 1.0},
    "objectives.LatentNorm": lambda: {"weight": 1.0},
    "objectives.TotalCorrelation": lambda: {
        **{"weight": 1.0, "dataset_size": 100, "estimator": "weighted"},
    },
    "objectives.get": lambda: {"identifier": "elbo"},
    "layers.MADE": lambda: {"num_outputs": 2, "hidden_units": (4,), "activation": "relu"},
    "layers.KLDivergenceRegularizer": lambda: {
        "family": families.MultivariateNormalDiag(2),
        "prior": priors.StandardNormal(2),
        **{"weight": 1.0, "free_nats": 0.0, "method": "auto", "seed": 1},
    },
    "layers.Sampling": lambda: {"family": families.MultivariateNormalDiag(2), "seed": 1},
    "layers.VectorQuantizer": lambda: {
        **{"num_codes": 4, "codebook": "ema", "commitment_cost": 0.25, "decay": 0.9},
        **{"restart_after": 2, "seed": 1},
    },
    "callbacks.Annealing": lambda: {
        **{"variable": keras.Variable(1.0), "schedule": keras_vae.schedules.linear()},
        "unit": "step",
    },
    "callbacks.BackupAndRestore": lambda: {"backup_dir": "backup", "save_freq": 3},
    "callbacks.KLAnnealing": lambda: {"schedule": keras_vae.schedules.linear(), "unit": "step"},
    "callbacks.LatentTraversal": lambda: {
        **{"directory": "traversals", "dims": 3, "num_steps": 5, "every": 2},
        **{"quantiles": (0.1, 0.9), "formats": ("png",)},
    },
    "callbacks.PosteriorCollapse": lambda: {
        **{"x": X, "threshold": 0.01, "min_active": 1, "patience": 2},
    },
    "schedules.constant": lambda: {"value": 1.0},
    "schedules.linear": lambda: {"start": 0.0, "end": 1.0, "duration": 2.0},
    "schedules.cosine": lambda: {"start": 0.0, "end": 1.0, "duration": 2.0},
    "schedules.sigmoid": lambda: {"start": 0.0, "end": 1.0, "duration": 2.0, "steepness": 3.0},
    "schedules.cyclical": lambda: {
        **{"start": 0.0, "end": 1.0, "duration": 2.0, "num_cycles": 2, "ratio": 0.5},
    },
    "schedules.join": lambda: {
        "schedules": [keras_vae.schedules.constant(1.0), keras_vae.schedules.linear()],
        "boundaries": [2.0],
    },
    "divergences.kl_divergence": lambda: {
        **{"q": normal(), "p": normal(), "z": latents(), "method": "auto"},
    },
    "divergences.js_divergence": lambda: {
        **{"q": normal(), "p": normal(), "z_q": latents(), "z_p": latents()},
    },
    "divergences.kl_decomposition": lambda: {
        **{"q": normal(), "p": normal(1)[0], "z": latents()[0], "dataset_size": 10},
        "estimator": "weighted",
    },
    "divergences.total_correlation": lambda: {
        **{"q": normal(), "z": latents()[0], "dataset_size": 10, "estimator": "weighted"},
    },
    "divergences.maximum_mean_discrepancy": lambda: {
        **{"a": X, "b": X, "kernel": "inverse_multiquadratic"},
    },
    "losses.NegativeLogLikelihood": lambda: {"family": families.Poisson(3)},
    "models.VAEModel": lambda: {
        **{"encoder": encoder(), "decoder": decoder(), "likelihood": "bernoulli", "seed": 1},
        **{"posterior": "multivariate_normal_diag", "prior": priors.StandardNormal(2)},
    },
    "models.load_model": lambda: {"path": saved(), "custom_objects": None},
    "evaluation.AnnealedImportanceSampling": lambda: {"num_steps": 3, "num_leapfrog_steps": 2},
    "evaluation.beta_vae_score": lambda: {
        **{"codes": CODES, "factors": FACTORS, "batch_size": 4, "num_batches": 8, "seed": 1},
    },
    "evaluation.bits_per_dimension": lambda: {
        **{"log_prob": CODES[:, 0], "event_shape": (4,), "bin_width": 1.0},
    },
    "evaluation.dci": lambda: {"codes": CODES, "factors": FACTORS, "seed": 1},
    "evaluation.factor_vae_score": lambda: {
        **{"codes": CODES, "factors": FACTORS, "batch_size": 4, "num_batches": 8, "seed": 1},
    },
    "evaluation.frechet_distance": lambda: {"a": CODES, "b": CODES + 1.0},
    "evaluation.modularity": lambda: {"codes": CODES, "factors": FACTORS, "num_bins": 4},
    "evaluation.mutual_information_gap": lambda: {
        **{"codes": CODES, "factors": FACTORS, "num_bins": 4},
    },
    "evaluation.sap_score": lambda: {"codes": CODES, "factors": FACTORS},
    "tasks.calibrate_threshold": lambda: {
        **{"scores": CODES[:, 0], "false_positive_rate": 0.1},
    },
}
# Functions of a model, which keep what they have compiled for it.
OF_A_MODEL = {
    "evaluation.active_units": {"x": X, "threshold": 0.01, "batch_size": 4},
    "evaluation.aggregate_kl": {"x": X, "num_samples": 1, "batch_size": 4, "seed": 1},
    "evaluation.kl_per_dimension": {"x": X, "batch_size": 4},
    "evaluation.log_likelihood": {
        **{"x": X, "num_samples": 2, "method": "importance", "batch_size": 4, "seed": 1},
    },
    "evaluation.mutual_information": {"x": X, "num_samples": 1, "batch_size": 4, "seed": 1},
    "evaluation.rate_distortion": {"x": X, "num_samples": 1, "batch_size": 4, "seed": 1},
    "evaluation.report": {"x": X, "num_samples": 2, "batch_size": 4, "seed": 1, "verbose": 0},
    "priors.fit": {"x": X, "num_components": 2, "covariance": "full", "seed": 1},
    "tasks.add_attribute": {"x": X, "vector": np.ones(2), "strength": 1.0, "batch_size": 4},
    "tasks.anomaly_score": {
        **{"x": X, "method": "elbo", "num_samples": 2, "batch_size": 4, "seed": 1},
    },
    "tasks.attribute_vector": {
        **{"x": X, "has_attribute": [1, 0, 1, 0, 1, 0], "batch_size": 4},
    },
    "tasks.impute": {"x": X, "num_samples": 2, "multiple": 2, "seed": 1, "batch_size": 4},
    "tasks.interpolate": {"a": X[0], "b": X[1], "num_steps": 3, "method": "linear"},
}
# Abstract, or only made by the library.
NOT_CALLED = {
    *("families.Family", "families.ElementwiseFamily", "priors.Prior", "objectives.Objective"),
    *("objectives.Penalty", "objectives.Terms", "objectives.LatentPath", "schedules.Schedule"),
    *("divergences.KLDecomposition", "evaluation.DCI", "evaluation.Estimate"),
    *("evaluation.LogLikelihood", "evaluation.RateDistortion"),
    # Its interface is scikit-learn's, whose own checks test it.
    "sklearn.VAETransformer",
}
FOLDERS = (
    *("callbacks", "divergences", "evaluation", "families", "layers", "losses", "models"),
    *("objectives", "priors", "schedules", "sklearn", "tasks"),
)

NUMBERS = st.one_of(
    st.integers(-3, 5),
    st.sampled_from([10**9, -(10**9), 0.0, 0.5, -1.5, 1e30, 1e-30]),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), True, False]),
)
SHAPES = st.lists(st.integers(0, 4), max_size=3)
ANYTHING = st.one_of(
    NUMBERS,
    st.none(),
    st.sampled_from(["", "elbo", "normal", "no such name", b"bytes", 1j]),
    SHAPES,
    SHAPES.map(tuple),
    SHAPES.map(lambda shape: np.zeros(shape, "float32")),
    SHAPES.map(lambda shape: np.full(shape, np.nan)),
    SHAPES.map(lambda shape: np.full(shape, "text")),
    SHAPES.map(lambda shape: tf.ones(shape)),
    st.sampled_from([X, X.astype("float64"), X.astype(int), X[:0], X[:, :2]]),
    st.sampled_from([{}, {"x": X}, set(), object(), object, len]),
    st.builds(families.Poisson, st.just(3)),
    st.just(objectives.ELBO()),
)

# What takes memory or time in proportion: too much of it is no error but a wait.
SIZES = {
    *("event_shape", "pseudo_input_shape", "params_shape", "num_components", "num_samples"),
    *("num_layers", "num_outputs", "num_codes", "num_steps", "num_batches", "num_bins", "multiple"),
    *("hidden_units", "num_cycles"),
}


def public(name):
    folder, name = name.split(".")
    return getattr(importlib.import_module(f"keras_vae.{folder}"), name)


def examples(config, share):
    """Returns how many examples a name gets, of all."""
    total = 10_000 if config.getoption("--stress") else 500
    return max(1, round(total * share))


def test_every_public_name_is_called():
    names = {
        f"{folder}.{name}"
        for folder in FOLDERS
        for name in importlib.import_module(f"keras_vae.{folder}").__all__
    }
    assert names == {*CALLS, *OF_A_MODEL, *NOT_CALLED}
    assert set(keras_vae.__all__) - set(FOLDERS) <= {
        *("__version__", *(name.split(".")[1] for name in names)),
    }


def check(function, valid, data):
    """Replaces one argument by another value of any kind: it works, or says which one is wrong."""
    name = data.draw(st.sampled_from(sorted(valid)), label="argument")
    value = data.draw(ANYTHING, label="value")
    assume(not (name in SIZES and isinstance(value, int) and value > 1e6))
    try:
        result = function(**{**valid, name: value})
    except (ValueError, TypeError) as error:
        refusal = str(error)
    else:
        refusal = None
        for array in finite_part(result):
            assert has_nan(value) or not np.isnan(array).any()
    assert refusal is None or names(name, refusal), (name, refusal)


def names(argument, refusal):
    """Returns whether an error says what was received for the argument.

    `beta=-1`, `x of shape (3,)`, `a with 3 features`, also after that of another argument.
    """
    received = refusal.partition("Received: ")[2]
    return re.search(rf"(?<!\w){argument}(=|\(| of | with )", received) is not None


def finite_part(result):
    """Yields the arrays of numbers that a function has returned."""
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        result = [getattr(result, field.name) for field in dataclasses.fields(result)]
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        for part in result:
            yield from finite_part(part)
    elif isinstance(result, (float, np.ndarray, tf.Tensor)):
        array = np.asarray(result)
        if array.dtype.kind == "f":
            yield array


def has_nan(value):
    try:
        return bool(np.isnan(np.asarray(value, "float64")).any())
    except (TypeError, ValueError):
        return isinstance(value, dict)


def settings_of(config, share):
    return settings(
        max_examples=examples(config, share),
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_works(name):
    public(name)(**CALLS[name]())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_any_argument(name, pytestconfig):
    @settings_of(pytestconfig, 0.8 / len(CALLS))
    @given(data=st.data())
    def run(data):
        check(public(name), CALLS[name](), data)

    run()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OF_A_MODEL)
def test_any_argument_of_a_function_of_a_model(name, pytestconfig, model):
    valid = OF_A_MODEL[name]
    function = public(name)
    assert set(valid) < set(inspect.signature(function).parameters)

    @settings_of(pytestconfig, 0.2 / len(OF_A_MODEL))
    @given(data=st.data())
    def run(data):
        check(lambda **kwargs: function(model, **kwargs), valid, data)

    run()
