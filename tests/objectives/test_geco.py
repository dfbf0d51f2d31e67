"""`GECO`: its rule against numpy, the constraint on a trained model, and its state."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, schedules
from keras_vae.objectives import GECO, Terms
from keras_vae.priors import StandardNormal

DATA = np.random.default_rng(8).normal(size=(64, 3)).astype("float32") * [3.0, 2.0, 1.0]
DATA = DATA.astype("float32")


def terms_of(reconstruction_loss, training=True, kl_weight=1.0, step=0):
    """One standard normal latent an example whose divergence is mean^2 / 2 = 2."""
    losses = tf.constant([reconstruction_loss], tf.float64)
    prior = StandardNormal(1, dtype="float64").distribution()
    posterior = StandardNormal(1, dtype="float64").distribution().copy(loc=np.full((3, 1), 2.0))
    return Terms(
        posterior=posterior,
        prior=prior,
        z=posterior.sample(1, seed=(1, 2)),
        log_likelihood=-losses,
        kl_weight=tf.constant(kl_weight),
        step=tf.constant(step),
        training=training,
    )


@pytest.mark.parametrize("kl_weight", [1.0, 0.5, 0.0])
def test_the_loss_is_the_lagrangian(kl_weight):
    objective = GECO(tolerance=3.0, initial_multiplier=2.0)
    terms = terms_of([3.0, 4.0, 8.0], kl_weight=kl_weight)
    loss = objective(terms)
    np.testing.assert_allclose(loss, kl_weight * 2.0 + 2.0 * np.array([0.0, 1.0, 5.0]), rtol=1e-6)
    np.testing.assert_allclose(terms.log["constraint"], [0.0, 1.0, 5.0])
    np.testing.assert_allclose(terms.log["multiplier"], [2.0] * 3, rtol=1e-6)


def test_the_multiplier_moves_by_the_average_of_the_constraint():
    objective = GECO(schedules.linear(1.0, 5.0, duration=8), rate=0.02, momentum=0.8)
    log_multiplier, average = 0.0, None
    losses = np.random.default_rng(1).normal(4.0, 2.0, size=(8, 3))
    total = weight = 0.0
    for step, each in enumerate(losses):
        terms = terms_of(each, step=step)
        objective(terms)
        # The step that moved it was still taken with the old one.
        np.testing.assert_allclose(terms.log["multiplier"][0], np.exp(log_multiplier), rtol=1e-6)
        constraint = np.mean(each) - (1.0 + 0.5 * step)
        total, weight = 0.8 * total + 0.2 * constraint, 0.8 * weight + 0.2
        average = total / weight
        log_multiplier += 0.02 * average
        # The first average is the first constraint, as in the paper.
        assert step or average == pytest.approx(constraint)
    np.testing.assert_allclose(objective.multiplier, np.exp(log_multiplier), rtol=1e-6)


def test_the_gradient_is_the_divergence_and_the_weighted_reconstruction():
    objective = GECO(tolerance=3.0, initial_multiplier=7.0)
    log_likelihood = tf.constant([[-1.0, -2.0, -3.0]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(log_likelihood)
        terms = terms_of([0.0] * 3)
        terms = Terms(**{**vars(terms), "log_likelihood": log_likelihood})
        loss = objective(terms)
    np.testing.assert_allclose(tape.gradient(loss, log_likelihood), [[-7.0] * 3], rtol=1e-6)


def test_evaluation_and_faults_move_nothing():
    objective = GECO(tolerance=3.0)
    objective(terms_of([9.0] * 3, training=False))
    objective(terms_of([9.0, np.inf, 1.0]))
    objective(terms_of([9.0, np.nan, 1.0]))
    assert float(objective.multiplier) == 1.0
    np.testing.assert_array_equal(objective.averages.numpy(), [0.0, 0.0])


@pytest.mark.parametrize(("loss", "end"), [(1e6, 10.0), (-1e6, -10.0)])
def test_the_multiplier_is_bounded_and_comes_back(loss, end):
    objective = GECO(tolerance=0.0, rate=1.0, momentum=0.0)
    for _ in range(3):
        objective(terms_of([loss] * 3))
    assert objective.log_multiplier.numpy() == end
    objective(terms_of([-np.sign(loss)] * 3))
    assert objective.log_multiplier.numpy() == end - np.sign(end)


def model_with(objective, **compile_arguments):
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(6)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model = VAEModel(encoder, decoder, seed=1)
    optimizer = keras.optimizers.Adam(0.01)
    model.compile(optimizer, objective=objective, **compile_arguments)
    return model


@pytest.mark.stress
def test_the_constraint_settles_at_the_tolerance():
    """Of a linear model on Gaussian data the exact multiplier is known, by reverse water-filling.

    At the multiplier m the best linear model leaves the residual min(1 / m, s) of each principal
    component of variance s, at the price of log(m s) / 2 nats where that is positive.
    """
    tolerance, rate, momentum, steps = 3.2, 0.01, 0.9, 500
    x = np.random.default_rng(8).normal(size=(256, 3)).astype("float32") * np.float32([3, 2, 1])
    variances = np.linalg.eigvalsh(np.cov(x, rowvar=False, bias=True))
    # All three components are in use: their residuals are equal.
    level = (tolerance - 1.5 * math.log(2 * math.pi)) / 1.5
    assert 0 < level < variances.min()

    objective = GECO(tolerance, rate=rate, momentum=momentum)
    model = model_with(objective, jit_compile=True, steps_per_execution=100)
    data = tf.data.Dataset.from_tensors(x).repeat()
    model.fit(data, steps_per_epoch=4500, shuffle=False, verbose=0)
    before, average = objective.log_multiplier.numpy(), objective.averages.numpy()[0]
    logs = model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0).history
    after, lag = objective.log_multiplier.numpy(), objective.averages.numpy()[0] - average

    # The multiplier has moved by the rate times the sum of the averages, and these hold back
    # momentum / (1 - momentum) times their own change: that leaves no other mean constraint.
    mean = ((after - before) / rate + lag * momentum / (1 - momentum)) / steps
    np.testing.assert_allclose(logs["constraint"], [mean], atol=1e-4)
    # A multiplier that moves by a twentieth in that time means a constraint of 0.01 nats.
    assert abs(after - before) < 0.05
    assert logs["reconstruction_loss"][0] == pytest.approx(tolerance, abs=0.015)
    assert after == pytest.approx(-math.log(level), abs=0.05)
    exact = 0.5 * np.log(variances / level).sum()
    # No model has a smaller divergence, and this one is still on its way.
    assert exact <= logs["kl_divergence"][0] < 1.15 * exact


def test_it_goes_on_as_if_it_had_not_been_saved(tmp_path):
    objective = GECO(tolerance=3.0, rate=0.01)
    model = model_with(objective)
    model.fit(DATA, batch_size=16, verbose=0, shuffle=False)
    multiplier = float(objective.multiplier)
    assert multiplier > 1.01
    model.evaluate(DATA, verbose=0)
    model.predict(DATA, verbose=0)
    assert float(objective.multiplier) == multiplier
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert float(loaded.objective.multiplier) == multiplier
    for each in (model, loaded):
        each.fit(DATA, batch_size=16, verbose=0, shuffle=False)
    assert float(objective.multiplier) != multiplier
    np.testing.assert_array_equal(loaded.objective.averages, objective.averages)
    np.testing.assert_array_equal(loaded.objective.log_multiplier, objective.log_multiplier)


def test_a_skipped_step_moves_nothing():
    x = DATA.copy()
    x[20, 1] = np.inf
    objectives = []
    for data in (x, np.delete(DATA, range(16, 32), axis=0)):
        objectives.append(GECO(tolerance=3.0, rate=0.01))
        model_with(objectives[-1]).fit(data, batch_size=16, verbose=0, shuffle=False)
    faulty, clean = (objective.averages.numpy() for objective in objectives)
    # The noise of the later steps is another one, that of the first is the same.
    assert faulty[1] == clean[1] == pytest.approx(1 - 0.99**3)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"tolerance": None}, TypeError, "tolerance to be a finite number. Received: tolerance=N"),
        ({"tolerance": math.inf}, ValueError, "tolerance to be a finite number. Received"),
        ({"rate": -1.0}, ValueError, "rate to be a finite number of at least 0. Received: rate=-1"),
        ({"momentum": 1.0}, ValueError, "momentum to be below 1.* Received: momentum=1.0"),
        ({"momentum": 1.5}, ValueError, r"momentum to be a number in \[0, 1\]. Received: moment"),
        ({"initial_multiplier": 0}, ValueError, r"in \[4.5.*e-05, 22026.*Received: initial_mult"),
        ({"num_samples": 0}, ValueError, "num_samples to be .* Received: num_samples=0"),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=f"GECO expects .*{text}"):
        GECO(**{"tolerance": 1.0, **arguments})


def test_a_negative_tolerance():
    assert GECO(tolerance=-20.0).tolerance == -20.0
