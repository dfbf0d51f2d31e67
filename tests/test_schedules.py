"""Schedules: a table that every one of them passes, then values known from the papers."""

import dataclasses
import json
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import schedules
from keras_vae.schedules import constant, cosine, cyclical, join, linear, sigmoid


@dataclasses.dataclass(frozen=True)
class Row:
    """What is expected of one schedule."""

    name: str
    schedule: schedules.Schedule
    start: float
    end: float
    duration: float
    monotone: bool = True


ROWS = [
    Row("constant", constant(0.3), 0.3, 0.3, 0.0),
    Row("linear", linear(0.1, 0.9, duration=40), 0.1, 0.9, 40),
    Row("linear", linear(2.0, 0.5, duration=40), 2.0, 0.5, 40),
    Row("linear", linear(), 0.0, 1.0, 1.0),
    Row("linear", linear(0.0, 0.7, duration=0), 0.7, 0.7, 0.0),
    Row("cosine", cosine(0.1, 0.9, duration=40), 0.1, 0.9, 40),
    Row("sigmoid", sigmoid(0.1, 0.9, duration=40), 0.1, 0.9, 40),
    Row("sigmoid", sigmoid(0.0, 1.0, duration=40, steepness=1e6), 0.0, 1.0, 40),
    Row("cyclical", cyclical(0.1, 0.9, duration=40), 0.1, 0.9, 40, monotone=False),
    Row("cyclical", cyclical(0.1, 0.9, duration=40, num_cycles=1), 0.1, 0.9, 40),
    Row("cyclical", cyclical(0.1, 0.9, duration=40, ratio=0), 0.9, 0.9, 40),
    Row("join", join([constant(0.2), linear(0.2, 1.0, duration=10)], [5]), 0.2, 1.0, 15),
    Row("join", join([linear(0.2, 1.0, duration=10)], []), 0.2, 1.0, 10),
    Row("Schedule", schedules.Schedule(lambda progress: progress / 4, 4), 0.0, 1.0, 4),
]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_no_schedule_is_missing_from_the_table():
    assert {row.name for row in ROWS} == set(schedules.__all__)


@each_row
def test_starts_ends_and_stays_at_the_end(row):
    assert row.schedule(0) == pytest.approx(row.start)
    assert row.schedule.duration == row.duration
    for progress in (row.duration, row.duration + 1e-3, 10 * row.duration + 7, 1e12):
        assert row.schedule(progress) == pytest.approx(row.end)


@each_row
def test_clamps_before_the_start(row):
    assert row.schedule(-3) == row.schedule(0)


@each_row
def test_stays_between_its_ends_and_is_monotone_where_due(row):
    values = np.array([row.schedule(p) for p in np.linspace(0, row.duration, 401)])
    low, high = sorted((row.start, row.end))
    assert np.all((values >= low - 1e-12) & (values <= high + 1e-12))
    rises = np.sign(row.end - row.start) * np.diff(values)
    assert np.all(rises >= -1e-12) == row.monotone


@each_row
def test_is_a_pure_function_to_a_float(row):
    first = [row.schedule(progress) for progress in (3, np.float32(1.5), np.int64(2), 3)]
    assert all(type(value) is float for value in first)
    assert first[0] == first[-1]


@each_row
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_tensor_has_the_value_of_a_number(row, jit_compile):
    traces = []

    @tf.function(jit_compile=jit_compile)
    def compiled(progress):
        traces.append(progress)
        return row.schedule(progress)

    # Of a sum, a cosine and a hyperbolic tangent in float64; `steepness` multiplies their errors.
    for progress in (-1, 0, 1, 5, 7, 19, 20, 31, 39, 40, 41, 2**40):
        expected = row.schedule(progress)
        exact = compiled(tf.constant(progress, tf.float64))
        np.testing.assert_allclose(exact, expected, rtol=1e-9, atol=1e-12)
        assert exact.dtype == tf.float64
        whole = compiled(tf.constant(progress, tf.int64))
        np.testing.assert_allclose(whole, expected, rtol=1e-6)
        assert whole.dtype == tf.float32
        assert row.schedule(tf.constant(progress, tf.int32 if progress < 99 else tf.int64)) == whole
    assert len(traces) == 2


def test_whole_steps_stay_whole():
    """Float32 would round 2^24 + 1 down."""
    schedule = schedules.Schedule(lambda progress: progress - 2**24)
    assert schedule(tf.constant(2**24 + 1)) == 1.0


@keras.saving.register_keras_serializable("test_schedules")
def cubed(progress):
    return progress**3


@each_row
def test_a_saved_schedule_comes_back(row):
    if row.name == "Schedule":
        with pytest.raises(
            ValueError,
            match=r"a function that Keras knows. Received: function=<function <lambda> .*Decorate",
        ):
            keras.saving.serialize_keras_object(row.schedule)
        assert "lambda" in repr(row.schedule)
        return
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(row.schedule)))
    assert saved["registered_name"] == "keras_vae>Schedule"
    assert saved["config"]["name"] == row.name
    again = keras.saving.deserialize_keras_object(saved)
    assert repr(again) == repr(row.schedule)
    assert again.duration == row.schedule.duration
    assert [again(p) for p in range(50)] == [row.schedule(p) for p in range(50)]


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.Schedule(cubed, duration=3),
        schedules.Schedule(cubed),
        schedules.Schedule(keras.optimizers.schedules.CosineDecay(1.0, 10), duration=10),
        join([constant(1.0), keras.optimizers.schedules.CosineDecay(1.0, 10)], [np.float32(5)]),
    ],
    ids=["registered", "endless", "of Keras", "joined with one of Keras"],
)
def test_a_saved_function_comes_back(schedule):
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    again = keras.saving.deserialize_keras_object(saved)
    assert again.duration == schedule.duration
    assert [again(p) for p in range(9)] == [schedule(p) for p in range(9)]


def test_its_name_is_that_of_its_call():
    assert repr(linear(end=2, duration=10)) == "linear(start=0.0, end=2, duration=10)"
    assert repr(join([constant(0.0), linear()], [5])) == (
        "join(schedules=[constant(value=0.0), linear(start=0.0, end=1.0, duration=1.0)], "
        "boundaries=[5])"
    )


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (linear(0.0, 1.0, duration=10), {1: 0.1, 5: 0.5, 9: 0.9}),
        (linear(4.0, 1.0, duration=3), {1: 3.0, 2: 2.0}),
        (cosine(0.0, 2.0, duration=6), {2: 0.5, 3: 1.0, 4: 1.5}),
        (sigmoid(0.0, 1.0, duration=2, steepness=1e-3), {0.5: 0.25, 1: 0.5, 1.5: 0.75}),
        (sigmoid(0.0, 1.0, duration=10, steepness=20), {5: 0.5}),
        # Fu et al. 2019, equations 6 and 7 with R = 0.5, M = 4: beta = 2 tau up to tau = 1/2.
        (cyclical(duration=80), {0: 0, 5: 0.5, 10: 1, 19: 1, 20: 0, 25: 0.5, 60: 0, 79: 1}),
        (cyclical(duration=9, num_cycles=3, ratio=1.0), {1: 1 / 3, 2: 2 / 3, 3: 0.0, 6: 0.0}),
        (join([constant(1.0), constant(2.0), constant(3.0)], [5, 7]), {4: 1, 5: 2, 6.9: 2, 7: 3}),
    ],
)
def test_known_values(schedule, expected):
    assert {p: schedule(p) for p in expected} == pytest.approx(expected)


def test_sigmoid_follows_the_logistic_curve_of_its_docstring():
    def s(t):
        return 1 / (1 + math.exp(-7.0 * (t - 0.5)))

    schedule = sigmoid(0.5, 2.0, duration=4, steepness=7.0)
    for progress in np.linspace(0, 4, 9):
        share = (s(progress / 4) - s(0)) / (s(1) - s(0))
        assert schedule(progress) == pytest.approx(0.5 + 1.5 * share)


@pytest.mark.parametrize("num_cycles", [3, 7, 49])
def test_cycles_restart_at_whole_steps(num_cycles):
    schedule = cyclical(duration=3 * num_cycles, num_cycles=num_cycles)
    assert [schedule(3 * cycle) for cycle in range(num_cycles)] == [0.0] * num_cycles


def test_join_takes_learning_rate_schedules_and_does_not_stop_their_clock():
    decay = keras.optimizers.schedules.PolynomialDecay(1.0, 100, end_learning_rate=0.0)
    schedule = join([constant(1.0), decay], [10])
    assert schedule.duration == math.inf
    assert schedule(60) == pytest.approx(0.5)
    assert schedule(1e6) == pytest.approx(0.0)


def test_schedules_can_be_joined_again():
    inner = join([constant(0.0), linear(duration=2)], [1])
    assert [join([inner, inner], [4])(p) for p in (0, 2, 3, 4, 6, 9)] == [0, 0.5, 1, 0, 0.5, 1]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: constant(-1), ValueError, "constant expects value to be a finite number of at"),
        (lambda: constant("1"), TypeError, "Received: value='1'. Give a Python or NumPy number."),
        (lambda: linear(start=math.nan), ValueError, "linear expects start to be a finite number"),
        (lambda: linear(end=math.inf), ValueError, "Received: end=inf. Change the value."),
        (lambda: cosine(duration=-1), ValueError, "cosine expects duration to be a finite number"),
        (lambda: sigmoid(steepness=0), ValueError, "sigmoid expects steepness to be a finite"),
        (lambda: cyclical(num_cycles=0), ValueError, "cyclical expects num_cycles to be an integ"),
        (lambda: cyclical(num_cycles=1.5), TypeError, "Received: num_cycles=1.5. Give a Python"),
        (lambda: cyclical(ratio=2), ValueError, "cyclical expects a ratio in [0, 1]. Received: ra"),
        (lambda: cyclical(duration=-1), ValueError, "cyclical expects duration to be a finite"),
        (lambda: join([], []), TypeError, "join expects a list of schedules. Received: schedules="),
        (lambda: join([1.0], []), TypeError, "Received: schedules=[1.0]. For example join([first,"),
        (
            lambda: join([constant(1.0)], [5]),
            ValueError,
            "join expects one boundary between each two schedules, in increasing order. "
            "Received: 1 schedules and boundaries=[5.0]. For example join([first, second]",
        ),
        (lambda: join([constant(1.0)] * 3, [5, 5]), ValueError, "Received: 3 schedules and bound"),
        (lambda: schedules.Schedule(3), TypeError, "Schedule expects a callable function. Receiv"),
        (
            lambda: schedules.Schedule(abs, math.nan),
            ValueError,
            "Schedule expects duration to be a finite number of at least 0. Received: duration=nan",
        ),
    ],
)
def test_errors_say_what_was_expected(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()
