"""Any posterior x prior x likelihood x objective x penalty: every pair of them, in some model.

A model for each possible combination would be half a million. Faults come from pairs: the rows
below are chosen so that every two values of different axes that may meet do so in one of them.
"""

import functools
import itertools
import random

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, families, objectives, priors

BATCH, LATENT, FEATURES, CLASSES, CONDITIONS = 4, 3, 4, 3, 2
RNG = np.random.default_rng(8)


def network(inputs, outputs):
    """One dense layer of one input or, with a condition, of two."""
    entries = [keras.Input((size,)) for size in inputs]
    hidden = keras.layers.Concatenate()(entries) if len(entries) > 1 else entries[0]
    return keras.Model(entries, keras.layers.Dense(outputs)(hidden))


def latent(family, **kwargs):
    return lambda: family(LATENT, **kwargs)


def direction():
    return families.PowerSpherical(LATENT)


def one_hot():
    return families.RelaxedOneHotCategorical(LATENT, temperature=0.5)


def network_prior():
    return priors.ConditionalPrior(
        network([CONDITIONS], 2 * LATENT), families.MultivariateNormalDiag(LATENT)
    )


def discriminator():
    return keras.Sequential([keras.Input((LATENT,)), keras.layers.Dense(1)])


# The space of the latent, and how to make the family.
POSTERIORS = {
    "diag": ("real", latent(families.MultivariateNormalDiag)),
    "tril": ("real", latent(families.MultivariateNormalTriL)),
    "flow": ("real", latent(families.InverseAutoregressiveFlow, num_flows=1, hidden_units=(8,))),
    "normal": ("real", latent(families.Normal, scale="per_element")),
    "laplace": ("real", latent(families.Laplace)),
    "student_t": ("real", latent(families.StudentT)),
    "deterministic": ("real", latent(families.Deterministic)),
    "von_mises_fisher": ("sphere", latent(families.VonMisesFisher)),
    "power_spherical": ("sphere", direction),
    "one_hot": ("classes", one_hot),
}
# The spaces that the prior has a density on, and how to make it.
PRIORS = {
    "standard_normal": ({"real"}, latent(priors.StandardNormal)),
    "trainable": (
        {"real"},
        lambda: priors.TrainablePrior(families.MultivariateNormalTriL(LATENT)),
    ),
    "mixture": ({"real"}, latent(priors.MixturePrior, num_components=3)),
    "flow": ({"real"}, latent(priors.FlowPrior, num_layers=2, hidden_units=(8,))),
    "conditional": ({"real"}, network_prior),
    "vamp": ({"real", "sphere"}, lambda: priors.VampPrior(FEATURES, num_components=3)),
    "spherical_uniform": ({"sphere"}, latent(priors.SphericalUniform)),
    "trainable_direction": ({"sphere"}, lambda: priors.TrainablePrior(direction())),
    "uniform_categorical": ({"classes"}, latent(priors.UniformCategorical)),
    "trainable_one_hot": ({"classes"}, lambda: priors.TrainablePrior(one_hot())),
}
REAL = RNG.normal(size=(2 * BATCH, FEATURES))
UNIT = RNG.uniform(size=(2 * BATCH, FEATURES))
COUNTS = RNG.poisson(2.0, size=(2 * BATCH, FEATURES))
DIRECTIONS = REAL / np.linalg.norm(REAL, axis=-1, keepdims=True)
CODES = RNG.integers(0, CLASSES, size=(2 * BATCH, FEATURES))


def data(family, **kwargs):
    return lambda: family(FEATURES, **kwargs)


def table():
    return families.Blockwise([families.Normal(FEATURES - 1), families.Poisson(1)])


# Data in the support of the family, and how to make it.
LIKELIHOODS = {
    "bernoulli": (UNIT > 0.5, data(families.Bernoulli)),
    "blockwise": (COUNTS, table),
    "categorical": (CODES, data(families.Categorical, num_classes=CLASSES)),
    "continuous_bernoulli": (UNIT, data(families.ContinuousBernoulli)),
    "diag": (REAL, data(families.MultivariateNormalDiag)),
    "discretized_logistic": (COUNTS, data(families.DiscretizedLogistic)),
    "laplace": (REAL, data(families.Laplace)),
    "negative_binomial": (COUNTS, data(families.NegativeBinomial)),
    "normal": (REAL, data(families.Normal, scale="optimal")),
    "poisson": (COUNTS, data(families.Poisson)),
    "power_spherical": (DIRECTIONS, data(families.PowerSpherical)),
    "one_hot": (
        np.eye(FEATURES)[COUNTS[:, 0] % FEATURES],
        data(families.RelaxedOneHotCategorical),
    ),
    "student_t": (REAL, data(families.StudentT)),
    "tril": (REAL, data(families.MultivariateNormalTriL)),
    "von_mises_fisher": (DIRECTIONS, data(families.VonMisesFisher)),
    "zero_inflated": (COUNTS, data(families.ZeroInflatedNegativeBinomial)),
}
CLASSES_AS_DATA = ("categorical", "one_hot")
OBJECTIVES = {
    "elbo": lambda: objectives.ELBO(beta=2.0, free_nats=0.1),
    "capacity": lambda: objectives.ELBO(capacity=1.0, num_samples=2),
    "autoencoder": lambda: objectives.ELBO(beta=0.0),
    "geco": lambda: objectives.GECO(tolerance=5.0),
    "iwae": lambda: objectives.IWAE(3),
    "iwae_dreg": lambda: objectives.IWAE(4, gradient="dreg", num_groups=2),
    "renyi": lambda: objectives.RenyiBound(alpha=0.5, num_samples=2),
}
PENALTIES = {
    "none": lambda: None,
    "density_ratio": lambda: objectives.DensityRatio(discriminator(), weight=0.5),
    "dip": lambda: objectives.DIP(weight=0.5),
    "forward_kl": lambda: objectives.ForwardKL(weight=0.1),
    "gradient": lambda: objectives.GradientPenalty(weight=0.1),
    "jensen_shannon": lambda: objectives.JensenShannon(weight=0.5),
    "latent_norm": lambda: objectives.LatentNorm(weight=0.1),
    "mmd": lambda: objectives.MMD(weight=0.5),
    "total_correlation": lambda: objectives.TotalCorrelation(weight=0.5, dataset_size=2 * BATCH),
}
AXES = (POSTERIORS, PRIORS, LIKELIHOODS, OBJECTIVES, PENALTIES)
# Long graphs. Two of them in one model can take a compiler minutes.
LONG = {
    *("von_mises_fisher", "power_spherical", "tril", "flow", "vamp", "zero_inflated"),
    *("iwae_dreg", "renyi", "capacity", "forward_kl", "gradient", "jensen_shannon"),
}


def may_meet(posterior, prior, likelihood, objective, penalty):
    """Whether a model of these parts means something."""
    if POSTERIORS[posterior][0] not in PRIORS[prior][0]:
        return False
    if penalty == "gradient" and likelihood in CLASSES_AS_DATA:
        # The most probable class has no derivative.
        return False
    if posterior == "deterministic":
        # A point has no density, nor has a mixture of points: no divergence, no weight.
        densities = {"forward_kl", "jensen_shannon", "total_correlation"}
        return objective == "autoencoder" and penalty not in densities and prior != "vamp"
    if posterior == "one_hot" and penalty == "forward_kl":
        # The divergence of a uniform distribution from classes that are ruled out has no bound.
        return False
    independent = {"diag", "normal", "laplace", "student_t"}
    return penalty != "total_correlation" or posterior in independent


def values_of(row):
    return set(enumerate(row))


def pairs_of(row):
    return set(itertools.combinations(enumerate(row), 2))


@functools.cache
def cover(items_of):
    """Returns rows in which all items of all possible rows occur, the richest first."""
    rows = [row for row in itertools.product(*AXES) if may_meet(*row)]
    random.Random(0).shuffle(rows)
    # A long graph each, as far as it goes: what is left over would meet in a few rows.
    rows.sort(key=lambda row: abs(len(LONG.intersection(row)) - 1))
    missing = set().union(*map(items_of, rows))
    chosen = []
    for least in range(len(items_of(rows[0])), 0, -1):
        for row in rows:
            new = items_of(row) & missing
            if len(new) >= least:
                chosen.append(row)
                missing -= new
    return chosen


def test_no_class_is_missing():
    def made(table):
        return {type(entry[1]() if isinstance(entry, tuple) else entry()) for entry in table}

    used = made(POSTERIORS.values()) | made(LIKELIHOODS.values())
    assert set(families._ALL) == used
    assert {getattr(priors, name) for name in priors.__all__} - {priors.Prior, priors.fit} == made(
        PRIORS.values()
    )
    classes = {getattr(objectives, name) for name in objectives.__all__ if name != "get"}
    parts = {c for c in classes if issubclass(c, (objectives.Objective, objectives.Penalty))}
    abstract = {objectives.Objective, objectives.Penalty, objectives.Penalized}
    assert made(OBJECTIVES.values()) | made(PENALTIES.values()) >= parts - abstract


def test_every_pair_is_covered():
    covered = set().union(*map(pairs_of, cover(pairs_of)))
    rows = [row for row in itertools.product(*AXES) if may_meet(*row)]
    for first, second in itertools.combinations(range(len(AXES)), 2):
        wanted = {((first, row[first]), (second, row[second])) for row in rows}
        assert wanted <= covered
        if 2 in (first, second):
            # A likelihood meets everything, but classes no slope.
            refused = len(CLASSES_AS_DATA) if second == 4 else 0
            assert len(wanted) == len(AXES[first]) * len(AXES[second]) - refused


def build(posterior, prior, likelihood):
    keras.utils.set_random_seed(3)
    condition = [CONDITIONS] if prior == "conditional" else []
    posterior, likelihood = POSTERIORS[posterior][1](), LIKELIHOODS[likelihood][1]()
    return VAEModel(
        network([FEATURES, *condition], posterior.params_size),
        network([LATENT, *condition], likelihood.params_size),
        posterior,
        likelihood,
        PRIORS[prior][1](),
        seed=2,
    )


def every_pair():
    """Rows with every value, and with --stress those with all pairs."""
    ordinary = cover(values_of)
    rows = dict.fromkeys([*ordinary, *cover(pairs_of)])
    marks = {row: () if row in ordinary else pytest.mark.stress for row in rows}
    rows = [pytest.param(row, marks=marks[row], id="-".join(row)) for row in rows]
    return pytest.mark.parametrize("row", rows)


# Eagerly, since what a pair does wrong it does wrong there too.
@every_pair()
def test_every_pair_trains_and_is_saved(row, tmp_path):
    assert_saved(*train(row, run_eagerly=True), tmp_path / "model.keras")


def some_rows():
    """One of the rows with every value, and with --stress all: a step takes XLA ten seconds.

    The second, whose posterior is no flow: that is compiled in test_flow_posterior_in_models.py.
    """
    marks = [() if index == 1 else pytest.mark.stress for index in range(len(cover(values_of)))]
    rows = zip(cover(values_of), marks, strict=True)
    rows = [pytest.param(row, marks=mark, id="-".join(row)) for row, mark in rows]
    return pytest.mark.parametrize("row", rows)


# A graph alone is what most other tests train in. Under XLA, each part has a test of its own.
@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.stress), True])
@some_rows()
def test_everything_trains_in_a_graph_and_under_xla(row, jit_compile):
    train(row, jit_compile=jit_compile)


def train(row, **compile_arguments):
    """Returns a model of these parts after two steps, and its data."""
    posterior, prior, likelihood, objective, penalty = row
    model = build(posterior, prior, likelihood)
    x = LIKELIHOODS[likelihood][0].astype("float32")
    inputs = x
    if prior == "conditional":
        inputs = {"x": x, "condition": np.eye(CONDITIONS, dtype="float32")[np.arange(len(x)) % 2]}
    loss = OBJECTIVES[objective]()
    if PENALTIES[penalty]() is not None:
        loss = objectives.Penalized(loss, [PENALTIES[penalty]()])
    model.compile(keras.optimizers.Adam(0.01), objective=loss, **compile_arguments)
    networks = (model.encoder, model.decoder)
    before = [network.get_weights() for network in networks]
    logs = model.fit(inputs, batch_size=BATCH, verbose=0).history
    overflows = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    for _ in range(20 * overflows):
        # In float16, until the loss is scaled by little enough: some of these begin at 1e8 nats.
        if logs["skipped_steps"] == [2.0]:
            logs = model.fit(inputs, batch_size=BATCH, verbose=0).history
    assert logs["skipped_steps"][0] <= overflows
    assert all(np.isfinite(values).all() for values in logs.values())
    assert overflows or int(model.optimizer.iterations.numpy()) == 2
    for network, weights in zip(networks, before, strict=True):
        assert any(
            np.any(new != old) for new, old in zip(network.get_weights(), weights, strict=True)
        )
    return model, inputs


def assert_saved(model, inputs, path):
    model.save(path)
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    # The same noise as well: the seeds are saved. How float32 sums are grouped depends on where
    # their terms lie in memory.
    saved, new = (m.test_on_batch(inputs, return_dict=True) for m in (model, loaded))
    assert new == pytest.approx(saved, rel=1e-6, abs=1e-6)
