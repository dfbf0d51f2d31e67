"""The normalizing flow: an exact density, a volume that automatic differentiation confirms."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import priors
from keras_vae.priors._coupling_flow import coupling_masks

every_shape = pytest.mark.parametrize(
    "event_shape",
    [(1,), *(pytest.param(shape, marks=pytest.mark.stress) for shape in ((2,), (5,))), (2, 3)],
    ids=str,
)


def trained_flow(event_shape, num_layers=4, scale=0.4):
    prior = priors.FlowPrior(event_shape, num_layers, (8,), dtype="float64")
    rng = np.random.default_rng(2)
    for weight in prior.weights:
        weight.assign(weight + rng.normal(scale=scale, size=weight.shape))
    return prior.distribution()


@every_shape
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_the_log_determinant_is_that_of_automatic_differentiation(event_shape, direction):
    function = getattr(trained_flow(event_shape), direction)
    size = int(np.prod(event_shape))
    x = tf.constant(np.random.default_rng(1).normal(size=(4, *event_shape)))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, log_det = function(x)
    jacobian = tf.reshape(tape.batch_jacobian(y, x), (4, size, size))
    expected = np.linalg.slogdet(jacobian.numpy())[1]
    assert np.all(np.abs(expected) > 1e-3)
    sign = 1.0 if direction == "forward" else -1.0
    np.testing.assert_allclose(sign * log_det, expected, rtol=1e-10, atol=1e-12)


@every_shape
def test_the_inverse_undoes_the_transformation(event_shape):
    flow = trained_flow(event_shape)
    x = tf.constant(np.random.default_rng(1).normal(size=(3, 4, *event_shape)))
    y, log_det = flow.forward(x)
    assert np.all(np.abs(y - x) > 1e-6)
    again, inverse_log_det = flow.inverse(y)
    np.testing.assert_allclose(again, x, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(inverse_log_det, log_det, rtol=1e-9, atol=1e-9)


def test_a_sample_of_any_shape():
    flow = trained_flow((2, 3))
    for shape in ((), (5,), (4, 5)):
        sample = flow.sample(shape, seed=1)
        assert sample.shape == (*shape, 2, 3)
        assert flow.log_prob(sample).shape == shape
        np.testing.assert_array_equal(flow.sample(shape, seed=(0, 1)), flow.sample(shape, (0, 1)))


def test_a_distribution_sees_weights_that_have_changed():
    prior = priors.FlowPrior(2, num_layers=2, hidden_units=(3,))
    flow, z = prior.distribution(), tf.ones((4, 2))
    before = flow.log_prob(z)
    for weight in prior.weights:
        weight.assign(weight + 0.5)
    after = flow.log_prob(z)
    assert np.all(np.abs(after - before) > 0.01)
    np.testing.assert_array_equal(after, prior.distribution().log_prob(z))


def test_the_density_has_the_integral_one():
    """On a grid that holds all but a negligible part of the probability."""
    distribution = trained_flow((2,), scale=0.2)
    axis = np.arange(-12.0, 12.0, 0.05)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    samples = distribution.sample(1000, seed=1)
    assert np.max(np.abs(samples)) < 10.0
    integral = np.sum(np.exp(distribution.log_prob(grid))) * 0.05**2
    # The kinks of the networks' relu leave the rule an error of the order of the step squared.
    np.testing.assert_allclose(integral, 1.0, atol=0.05**2)


def test_it_starts_near_the_standard_normal_distribution():
    z = tf.constant(np.random.default_rng(1).normal(size=(50, 8)), tf.float32)
    flow = priors.FlowPrior(8).distribution().log_prob(z)
    normal = priors.StandardNormal(8).distribution().log_prob(z)
    # Shifts and log-scales of about 1e-3 times the length of the hidden units, 8 at the most.
    np.testing.assert_allclose(flow, normal, atol=0.5)
    assert np.any(flow != normal)


def test_a_density_runs_each_network_once():
    prior = priors.FlowPrior(3, num_layers=2, hidden_units=(4,))
    distribution = prior.distribution()
    graph = tf.function(distribution.log_prob).get_concrete_function(tf.TensorSpec((5, 3)))
    products = [op for op in graph.graph.get_operations() if op.type == "MatMul"]
    # Two layers of two products each.
    assert len(products) == 4


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 20])
def test_after_enough_layers_any_two_entries_have_met(size):
    num_layers = 2 * int(np.ceil(np.log2(size)))
    masks = coupling_masks(num_layers, size)
    met = sum(np.outer(mask, 1 - mask) for mask in masks) > 0
    assert np.all(met | np.eye(size, dtype=bool))
    assert np.all(masks.sum(0) == num_layers / 2)
    assert np.all((masks.sum(1) > 0) & (masks.sum(1) < size))


def test_the_scale_of_a_coupling_is_bounded():
    prior = priors.FlowPrior(2, num_layers=1, hidden_units=())
    kernel, bias = prior.weights
    kernel.assign(tf.zeros_like(kernel))
    bias.assign([0.0, 0.0, 1e4, -1e4])
    stddev = np.std(prior.distribution().sample(5000, seed=1), axis=0)
    # Layer 0 moves the entry with index 0, by the greatest factor there is; 5 standard errors.
    np.testing.assert_allclose(stddev, [np.exp(3.0), 1.0], rtol=5 / np.sqrt(2 * 5000))
    assert np.all(np.isfinite(prior.distribution().log_prob([[3.0, 0.1]])))
