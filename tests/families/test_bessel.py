"""`families._bessel`: what the densities of directions are scaled by."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from keras_vae.families._bessel import log_bessel

X = np.exp(np.linspace(-8.0, 8.0, 50))


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0, 1.5, 9.0, 16.0, 20.5, 63.0])
def test_it_is_the_bessel_function(order):
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        log_values, ratio = log_bessel(order, x)
    value, above = special.ive(order, X), special.ive(order + 1.0, X)
    representable = above > 1e-290
    assert representable.sum() > 25
    value, above, points = value[representable], above[representable], X[representable]
    log_value, ratio = log_values[representable] - points, ratio[representable]
    np.testing.assert_allclose(log_value, np.log(value), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ratio, above / value, rtol=1e-10)
    # 10.29.2: the derivative of I_order is I_{order+1} + I_order order / x.
    gradient = tape.gradient(log_values, x)[representable]
    np.testing.assert_allclose(gradient, above / value + order / points, rtol=1e-6)
