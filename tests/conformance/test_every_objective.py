"""What every objective and every penalty keeps to. A new one is a row of `ROWS`."""

import dataclasses
import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, families, objectives, priors, schedules
from keras_vae.objectives import ELBO, LatentPath, Objective, Penalized, Penalty, Terms

NUM_EXAMPLES, NUM_FEATURES, NUM_LATENTS = 6, 3, 2


@dataclasses.dataclass(frozen=True)
class Row:
    """An objective or penalty, its arguments, and those that a schedule may move."""

    part: type
    arguments: dict
    scalars: tuple = ()

    def make(self, **arguments):
        return self.part(**{**self.arguments, **arguments})

    def make_objective(self, **arguments):
        """A penalty is seen through the objective that it is added to."""
        made = self.make(**arguments)
        return Penalized(ELBO(), made) if isinstance(made, Penalty) else made


DISCRIMINATOR = keras.Sequential(
    [keras.Input((NUM_LATENTS,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)]
)
ROWS = {
    "ELBO": Row(ELBO, {"beta": 4.0, "free_nats": 0.5}, ("beta", "free_nats")),
    "ELBO with a capacity": Row(ELBO, {"beta": 9.0, "capacity": 2.0}, ("capacity",)),
    "GECO": Row(
        objectives.GECO,
        {"tolerance": 2.5, "rate": 0.1, "momentum": 0.5, "initial_multiplier": 2.0},
        ("tolerance", "rate"),
    ),
    "IWAE": Row(objectives.IWAE, {"num_samples": 4, "elbo_weight": 0.25}, ("elbo_weight",)),
    "IWAE, dreg": Row(
        objectives.IWAE,
        {"num_samples": 4, "gradient": "dreg", "num_groups": 2, "elbo_weight": 0.25},
        ("elbo_weight",),
    ),
    "IWAE, pair of groups": Row(
        objectives.IWAE, {"num_samples": 4, "gradient": "stl", "num_groups": (2, 1)}
    ),
    "RenyiBound": Row(objectives.RenyiBound, {"alpha": 0.5, "num_samples": 4}, ("alpha",)),
    "Penalized": Row(
        Penalized, {"base": objectives.IWAE(4), "penalties": [objectives.DIP(weight=2.0)]}
    ),
    "DensityRatio": Row(
        objectives.DensityRatio,
        {"discriminator": DISCRIMINATOR, "weight": 0.5, "against": "prior"},
        ("weight",),
    ),
    "DIP": Row(
        objectives.DIP,
        {"weight": 2.0, "kind": 1, "diagonal_ratio": 3.0},
        ("weight", "diagonal_ratio"),
    ),
    "ForwardKL": Row(objectives.ForwardKL, {"weight": 0.5, "method": "exact"}, ("weight",)),
    "GradientPenalty": Row(objectives.GradientPenalty, {"weight": 0.3}, ("weight",)),
    "JensenShannon": Row(objectives.JensenShannon, {"weight": 0.7}, ("weight",)),
    "LatentNorm": Row(objectives.LatentNorm, {"weight": 0.2}, ("weight",)),
    "MMD": Row(objectives.MMD, {"weight": 3.0}, ("weight",)),
    "TotalCorrelation": Row(
        objectives.TotalCorrelation, {"weight": 4.0, "dataset_size": 64}, ("weight",)
    ),
}
SCALARS = [(name, scalar) for name, row in ROWS.items() for scalar in row.scalars]
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
every_scalar = pytest.mark.parametrize(("name", "scalar"), SCALARS)


def test_none_is_missing():
    public = {getattr(objectives, name) for name in objectives.__all__}
    classes = {part for part in public if inspect.isclass(part) and not inspect.isabstract(part)}
    missing = {part for part in classes if issubclass(part, (Objective, Penalty))}
    assert {row.part for row in ROWS.values()} == missing


def test_no_number_is_missing_that_a_schedule_may_move():
    """Those whose documentation says so."""
    for part in {row.part for row in ROWS.values()}:
        rows = [row for row in ROWS.values() if row.part is part]
        arguments = part.__doc__.split("Args:")[1].split("Shapes:")[0]
        names = inspect.signature(part).parameters
        lines = {line.strip() for line in arguments.splitlines()}
        said = {n for n in names for line in lines if line.startswith(f"{n}:") and "sched" in line}
        assert {scalar for row in rows for scalar in row.scalars} == said


@every_row
def test_config_round_trip(row):
    made = row.make()
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    assert saved["registered_name"] == f"keras_vae>{row.part.__name__}"
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is row.part
    assert repr(again) == repr(made)
    for name, value in row.arguments.items():
        assert repr(getattr(again, name)) == repr(value)
    own = {name for name in inspect.signature(row.part).parameters if name != "kwargs"}
    assert own <= set(made.get_config())
    assert repr(row.part.from_config(made.get_config())) == repr(made)


@every_scalar
def test_a_saved_schedule_comes_back(name, scalar):
    schedule = schedules.linear(0.0, 0.5, duration=10)
    made = ROWS[name].make(**{scalar: schedule})
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    again = keras.saving.deserialize_keras_object(saved)
    assert repr(again) == repr(made)
    assert "linear(start=0.0, end=0.5, duration=10)" in repr(again)
    assert getattr(again, scalar)(5) == 0.25


def terms_of(params, slopes, num_samples, step=0, training=False):
    """A linear-Gaussian model on fixed noise, in the precision of `slopes`."""
    rng, dtype = np.random.default_rng(5), slopes.dtype.name
    family = families.MultivariateNormalDiag(NUM_LATENTS)
    posterior = family(params)
    noise = rng.normal(size=(num_samples, NUM_EXAMPLES, NUM_LATENTS)).astype(dtype)
    z = posterior.mean() + posterior.stddev() * noise
    path = LatentPath(z)
    x = rng.normal(size=(NUM_EXAMPLES, NUM_FEATURES)).astype(dtype)
    residual = x - path.z @ slopes
    return Terms(
        posterior=posterior,
        frozen_posterior=family(tf.stop_gradient(params)),
        prior=priors.StandardNormal(NUM_LATENTS, dtype=dtype).distribution(),
        z=z,
        path=path,
        decode=lambda z: z @ slopes,
        log_likelihood=-0.5 * tf.reduce_sum(tf.square(residual), axis=-1),
        kl_weight=tf.constant(0.5),
        step=tf.constant(step, tf.int64),
        training=training,
        seed=tf.constant([3, 4]),
    )


def evaluated(objective, step=0, training=False):
    """The loss of each example, what is logged, and the gradients."""
    rng = np.random.default_rng(6)
    params = tf.constant(rng.normal(size=(NUM_EXAMPLES, 2 * NUM_LATENTS)))
    slopes = tf.constant(rng.normal(size=(NUM_LATENTS, NUM_FEATURES)))
    with tf.GradientTape() as tape:
        tape.watch([params, slopes])
        terms = terms_of(params, slopes, objective.num_samples, step, training)
        loss = objective(terms)
    return loss, terms.log, tape.gradient(loss, [params, slopes])


@every_row
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.stress)])
def test_the_loss_and_its_gradients_are_finite(row, jit_compile):
    objective = row.make_objective()
    loss, log, gradients = tf.function(evaluated, jit_compile=jit_compile)(objective)
    assert loss.shape == (NUM_EXAMPLES,)
    assert loss.dtype == tf.float64
    assert set(log) == set(objective.logged)
    assert all(value.shape == (NUM_EXAMPLES,) for value in log.values())
    for value in (loss, *log.values(), *gradients):
        assert np.isfinite(value).all()
    assert all(np.any(gradient != 0.0) for gradient in gradients)


# Of this package, of Keras, a function: at some step.
KINDS = [
    (schedules.linear(0.0, 1.0, duration=8), 2),
    (keras.optimizers.schedules.PolynomialDecay(0.0, 8, end_learning_rate=1.0), 4),
    (lambda step: step / 8, 6),
]


@pytest.mark.parametrize(
    ("name", "scalar", "kind", "step"),
    [(*scalar, *KINDS[index % 3]) for index, scalar in enumerate(SCALARS)],
)
def test_a_schedule_moves_every_number(name, scalar, kind, step):
    """At a step it is what an object with the schedule's value there would be."""
    results = []
    for value in (kind, step / 8):
        objective = ROWS[name].make_objective(**{scalar: value})
        # What the first moves the state of the objective by is seen in the second.
        evaluated(objective, step, training=True)
        results.append(evaluated(objective, step, training=True))
    for left, right in zip(*map(tf.nest.flatten, results), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6)


@pytest.mark.parametrize(("kind", "step"), KINDS)
def test_every_kind_of_schedule_moves_a_number(kind, step):
    beta, expected = (evaluated(ELBO(beta=value), step)[0] for value in (kind, step / 8))
    np.testing.assert_allclose(beta, expected, rtol=1e-6)


@every_scalar
def test_the_known_ends_of_a_schedule_are_checked(name, scalar):
    bad = schedules.Schedule(lambda progress: 1.0 if progress < 4 else np.nan, duration=4)
    with pytest.raises(ValueError, match=rf"expects {scalar}\(4\) to be .* {scalar}\(4\)=nan"):
        ROWS[name].make(**{scalar: bad})


@every_row
def test_training_saving_and_going_on(row, tmp_path):
    """Eagerly; test_combinations.py trains each of them in a graph and under XLA."""
    encoder = keras.Sequential([keras.Input((NUM_FEATURES,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((NUM_LATENTS,)), keras.layers.Dense(NUM_FEATURES)])
    model = VAEModel(encoder, decoder, seed=1)
    objective = row.make_objective()
    model.compile(keras.optimizers.Adam(0.05), objective=objective, run_eagerly=True)
    x = np.random.default_rng(7).normal(size=(12, NUM_FEATURES)).astype("float32")
    before = [variable.numpy() for variable in model.trainable_weights]
    history = model.fit(x, verbose=0, shuffle=False).history
    assert history["skipped_steps"] == [0]
    assert set(objective.logged) <= set(history)
    for variable, value in zip(model.trainable_weights, before, strict=True):
        assert np.any(variable.numpy() != value), variable.path
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert repr(loaded.objective) == repr(objective)
    histories = [each.fit(x, verbose=0, shuffle=False).history for each in (model, loaded)]
    assert histories[0] == histories[1]
    for left, right in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy(), err_msg=left.path)
