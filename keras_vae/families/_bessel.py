"""The modified Bessel function of the first kind, which the density of a direction is scaled by."""

import functools
import math

import numpy as np
import tensorflow as tf
from numpy.polynomial import Polynomial

# With so many terms, from this order on, the expansion is right to 1e-11 of itself for every x.
_NUM_TERMS, _LEAST_ORDER = 8, 16.0


def log_bessel(order, x):
    """Returns the logarithm of I_order(x), and the ratio I_{order+1}(x) / I_order(x).

    TFP's functions take the order as a tensor and compute several expansions and loops for it,
    thousands of operations. Of a number, one expansion in large orders is enough: the recurrence
    goes down from there, in which errors shrink.

        I_{m-1}(x) / I_m(x) = 2 m / x + I_{m+1}(x) / I_m(x)

    Args:
        order: Float >= 0.
        x: Tensor of positive numbers, for an order of 0 from 1e-15 to 1e15.

    Returns:
        Two tensors in float64.

    Reference:
        "NIST Digital Library of Mathematical Functions", 10.41.3 and 10.29.1.
    """
    x = tf.cast(x, tf.float64)
    steps = max(0, math.ceil(_LEAST_ORDER - order))
    highest = order + steps
    log_value = _log_of_large_order(highest, x)
    ratio = tf.exp(_log_of_large_order(highest + 1.0, x) - log_value)
    product = tf.ones_like(x)
    for step in range(steps):
        ratio = x / (2.0 * (highest - step) + x * ratio)
        product *= ratio
    return log_value - tf.math.log(product), ratio


def _log_of_large_order(order, x):
    """Olver's expansion, uniform in x."""
    root = tf.sqrt(1.0 + tf.square(x / order))
    leading = order * (root + tf.math.log(x / order / (1.0 + root)))
    coefficients = [u.coef * order**-k for k, u in enumerate(_polynomials())]
    polynomial = sum(np.pad(c, (0, 3 * _NUM_TERMS + 1 - len(c))) for c in coefficients)
    terms = tf.math.polyval([tf.constant(c, tf.float64) for c in polynomial[::-1]], 1.0 / root)
    return leading - 0.5 * tf.math.log(2.0 * np.pi * order * root) + tf.math.log(terms)


@functools.cache
def _polynomials():
    """Returns the polynomials U_k of Olver's expansion (10.41.10)."""
    square = Polynomial([0.0, 0.0, 1.0])
    polynomials = [Polynomial([1.0])]
    for _ in range(_NUM_TERMS):
        last = polynomials[-1]
        integral = (last * (1.0 - 5.0 * square)).integ() / 8.0
        polynomials.append(0.5 * square * (1.0 - square) * last.deriv() + integral)
    return polynomials
