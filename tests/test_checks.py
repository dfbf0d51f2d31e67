"""`_checks`, `_numerics` and `_registry`: what every part shares."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import _checks, _registry
from keras_vae._numerics import as_shape, sum_event, wide


@pytest.mark.parametrize("value", [0, 1.5, np.float32(1.5), np.int64(2), 1e300])
def test_number(value):
    result = _checks.number(value, "rate", "Part")
    assert type(result) is float
    assert result == value


@pytest.mark.parametrize("value", ["1", None, True, np.ones(1), [1.0], 1j, tf.constant(1.0)])
def test_no_number(value):
    text = r"Part expects rate to be a finite number of at least 0. Received: rate="
    with pytest.raises(TypeError, match=text):
        _checks.number(value, "rate", "Part")


@pytest.mark.parametrize("value", [-1e-9, math.inf, math.nan, -math.inf])
def test_number_out_of_bounds(value):
    with pytest.raises(ValueError, match=r"Part expects rate to be .* Received: rate="):
        _checks.number(value, "rate", "Part")


def test_number_with_a_minimum_or_none():
    assert _checks.number(2, "rate", "Part", minimum=2) == 2.0
    assert _checks.number(None, "rate", "Part", optional=True) is None
    with pytest.raises(ValueError, match=r"of at least 2 or None. Received: rate=1.5"):
        _checks.number(1.5, "rate", "Part", minimum=2, optional=True)


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        ({"maximum": 1.0}, r"a number in \[0, 1\]"),
        ({"minimum": -1.0, "maximum": 0.5, "optional": True}, r"a number in \[-1, 0.5\] or None"),
        ({"minimum": -math.inf}, "a finite number"),
    ],
)
def test_number_within_limits(limits, what):
    assert _checks.number(0.5, "rate", "Part", **limits) == 0.5
    for value in (1.5, -1.5, math.nan, math.inf):
        if math.isfinite(value) and "maximum" not in limits:
            continue
        with pytest.raises(ValueError, match=rf"rate to be {what}. Received: rate={value}"):
            _checks.number(value, "rate", "Part", **limits)


@pytest.mark.parametrize("value", [1, np.int32(7)])
def test_count(value):
    result = _checks.count(value, "steps", "Part")
    assert type(result) is int
    assert result == value


@pytest.mark.parametrize(
    ("value", "error"),
    [(0, ValueError), (-3, ValueError), (1.0, TypeError), (True, TypeError), ("1", TypeError)],
)
def test_no_count(value, error):
    text = rf"Part expects steps to be an integer of at least 1. Received: steps={value!r}"
    with pytest.raises(error, match=text):
        _checks.count(value, "steps", "Part")


def test_choice():
    assert _checks.choice("a", "letter", "Part", ("a", "b")) == "a"
    for value in ("c", None, 1, ["a"]):
        with pytest.raises(ValueError, match=r"one of 'a', 'b'. Received: letter="):
            _checks.choice(value, "letter", "Part", ("a", "b"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [(3, (3,)), ((2, 3), (2, 3)), ([2, 3], (2, 3)), (np.array([2, 3]), (2, 3))],
)
def test_as_shape(given, expected):
    shape = as_shape(given, "Part")
    assert shape == expected
    assert all(type(size) is int for size in shape)


def test_wide():
    for given, expected in [
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("int32", "float32"),
        ("bool", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ]:
        assert wide(tf.cast([0.0, 1.0], given)).dtype == expected


def test_sum_event():
    x = np.random.default_rng(1).normal(size=(4, 5, 2, 3))
    np.testing.assert_allclose(sum_event(x, (2, 3)), x.sum((2, 3)))
    np.testing.assert_allclose(sum_event(x, (3,)), x.sum(3))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MultivariateNormalDiag", "multivariate_normal_diag"),
        ("MultivariateNormalTriL", "multivariate_normal_tril"),
        ("ELBO", "elbo"),
        ("Normal", "normal"),
        ("KLDivergenceRegularizer", "kldivergence_regularizer"),
    ],
)
def test_snake_case(name, expected):
    assert _registry.snake_case(name) == expected
