"""The tools that families share."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae._numerics import bounded

VALUES = [-1e30, -1e9, -20.1, -20.0, -0.3, 0.0, 1e-30, 19.9, 20.0, 123456.789, 1e30]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_bounded_clips_and_lets_only_inward_gradients_pass(sign, jit_compile, dtype):
    @tf.function(jit_compile=jit_compile)
    def value_and_gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = bounded(x, 20.0)
            loss = sign * tf.reduce_sum(y)
        return y, tape.gradient(loss, x)

    x = np.array(VALUES, dtype)
    value, gradient = value_and_gradient(tf.constant(x))
    np.testing.assert_array_equal(value, np.clip(x, -20, 20))
    # Descent moves against the gradient: a positive one leads down.
    outwards = (x < -20) if sign > 0 else (x > 20)
    np.testing.assert_array_equal(gradient, np.where(outwards, 0.0, sign))


def test_a_parameter_outside_its_bounds_comes_back_and_none_runs_away():
    """Descent on a loss with its minimum inside, and on one that always asks for more."""
    for start, loss in ((100.0, lambda y: (y - 5.0) ** 2), (19.0, lambda y: -y)):
        x = tf.Variable(start)
        for _ in range(400):
            with tf.GradientTape() as tape:
                value = loss(bounded(x, 20.0))
            x.assign_sub(0.3 * tape.gradient(value, x))
        assert float(x) == pytest.approx(5.0) if start > 20 else 20.0 <= float(x) < 20.31


def test_not_a_number_stays_one():
    assert np.isnan(bounded(tf.constant(float("nan"))))
