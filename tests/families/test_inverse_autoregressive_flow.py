"""`families.InverseAutoregressiveFlow`: a density that automatic differentiation confirms."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import priors
from keras_vae.divergences import kl_divergence
from keras_vae.families import Blockwise, InverseAutoregressiveFlow, MultivariateNormalDiag, Normal

LOG_TWO_PI = math.log(2 * math.pi)

every_shape = pytest.mark.parametrize("event_shape", [(1,), (2,), (5,), (2, 3)], ids=str)


def trained(event_shape, scale=0.4, num_flows=3, context_size=2, **arguments):
    """A flow whose weights are noise, as after training; in float64 for parameters of float64."""
    family = InverseAutoregressiveFlow(event_shape, num_flows, (8,), context_size, **arguments)
    rng = np.random.default_rng(2)
    for weight in family.weights:
        weight.assign(rng.normal(scale=scale, size=weight.shape))
    return family


def parameters(family, *batch, seed=1):
    shape = (*batch, *family.params_shape)
    return tf.constant(np.random.default_rng(seed).uniform(-1.0, 1.0, shape))


def inverse_in_numpy(family, z, params):
    """log q(z) of a single z, entry by entry, from the weights alone."""
    size = math.prod(family.event_shape)
    c, last = family.context_size, family.event_shape[-1]
    params = params.reshape(-1, 2 * last + c)
    loc, log_variance = params[:, :last].ravel(), params[:, last : 2 * last].ravel()
    context = params[:, 2 * last :].ravel()
    z, log_det = z.ravel(), 0.0
    for index in reversed(range(family.num_flows)):
        weights = [weight.numpy().astype("float64") for weight in family.networks[index].weights]
        kernel, bias, last_kernel, last_bias, context_kernel = weights
        place = np.arange(size)[::-1] if index % 2 else np.arange(size)
        degree = np.arange(len(bias)) * size // len(bias)
        kernel = np.where(degree >= place[:, None] + 1, kernel, 0.0)
        last_kernel = np.where(np.tile(place + 1, 2) > degree[:, None], last_kernel, 0.0)
        x = np.zeros(size)
        for entry in np.argsort(place):
            hidden = x @ kernel + bias + context @ context_kernel
            hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0.0)))
            shift, log_scale = np.split(hidden @ last_kernel + last_bias, 2)
            log_scale = 3.0 * np.tanh(log_scale / 3.0)
            x[entry] = (z[entry] - shift[entry]) / np.exp(log_scale[entry])
            log_det += log_scale[entry]
        z = x
    noise = (z - loc) / np.exp(0.5 * log_variance)
    return np.sum(-0.5 * (noise**2 + LOG_TWO_PI + log_variance)) - log_det


@every_shape
def test_the_density_is_that_of_automatic_differentiation(event_shape):
    """Of samples: the log-density of the noise, less the log-determinant of the Jacobian."""
    family = trained(event_shape)
    params, size = parameters(family, 4), math.prod(event_shape)
    noise = tf.constant(np.random.default_rng(3).normal(size=(4, *event_shape)))
    with tf.GradientTape() as tape:
        tape.watch(noise)
        way = family(params).forward(noise)
    jacobian = tf.reshape(tape.batch_jacobian(way.z, noise), (4, size, size))
    log_det = np.linalg.slogdet(jacobian.numpy())[1]
    assert np.all(np.abs(log_det) > 1e-3)
    of_noise = -0.5 * np.sum((noise.numpy() ** 2 + LOG_TWO_PI).reshape(4, -1), axis=-1)
    np.testing.assert_allclose(way.log_prob, of_noise - log_det, rtol=1e-10, atol=1e-12)


@every_shape
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_density_of_a_point_is_that_of_its_inverse(event_shape, dtype):
    family = trained(event_shape)
    params = parameters(family, 4)
    z = np.random.default_rng(3).normal(size=(3, 4, *event_shape))
    expected = [
        [inverse_in_numpy(family, z[i, j], params[j].numpy()) for j in range(4)] for i in range(3)
    ]
    received = family(tf.cast(params, dtype)).log_prob(z.astype(dtype))
    assert received.dtype == dtype
    # The inversion of float32 multiplies its rounding by the slopes of three networks.
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(received, expected, rtol=tolerance)


@every_shape
def test_the_density_of_own_samples_needs_no_inverse(event_shape):
    family = trained(event_shape)
    params = parameters(family, 4)
    q, z = family.draw(params, 3, seed=5)
    np.testing.assert_array_equal(z, family.sample(params, 3, seed=5))
    # Known for this tensor, computed for its copy and by another distribution.
    known = q.log_prob(z)
    for distribution, point in ((q, tf.identity(z)), (family(params), z)):
        assert np.any(distribution.log_prob(point) != known)
        np.testing.assert_allclose(distribution.log_prob(point), known, rtol=1e-9)
    one = family.draw(params, seed=5)
    assert one[1].shape == (4, *event_shape)
    np.testing.assert_allclose(one[0].log_prob(one[1]), family(params).log_prob(one[1]), rtol=1e-9)


def number_of_products(function, *arguments):
    graph = tf.function(function).get_concrete_function(*arguments).graph
    return len([op for op in graph.get_operations() if op.type == "MatMul"]), any(
        op.type in ("While", "StatelessWhile") for op in graph.get_operations()
    )


def test_samples_and_their_density_take_one_pass_of_each_network():
    family = InverseAutoregressiveFlow(3, num_flows=2, hidden_units=(4,), context_size=2)

    def draw(params):
        q, z = family.draw(params, 10, seed=1)
        return q.log_prob(z)

    def together(params):
        return family(params).experimental_sample_and_log_prob([10], seed=(1, 2))

    for function in (draw, together):
        # Of two networks the product of the context and those of two layers.
        assert number_of_products(function, tf.zeros((5, 8))) == (6, False)


@every_shape
def test_samples_together_with_their_density(event_shape):
    family = trained(event_shape)
    q = family(parameters(family, 4))
    for shape in ((), (3,), (2, 3)):
        z, log_prob = q.experimental_sample_and_log_prob(shape, seed=(1, 2))
        assert z.shape == (*shape, 4, *event_shape)
        assert log_prob.shape == (*shape, 4)
        np.testing.assert_allclose(log_prob, q.log_prob(z), rtol=1e-9)
        np.testing.assert_array_equal(z, q.sample(shape, seed=(1, 2)))


def test_the_density_has_the_integral_one():
    """In two dimensions, on a grid that holds all but a negligible part of the probability."""
    family = trained((2,))
    q = family(parameters(family))
    step = 0.05
    axis = np.arange(-12.0, 12.0, step)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    assert np.max(np.abs(q.sample(2000, seed=1))) < 8.0
    # An elu has kinks in its second derivative: the rule's error is below the step squared.
    np.testing.assert_allclose(np.sum(np.exp(q.log_prob(grid))) * step**2, 1.0, atol=step**2)


def test_the_divergence_estimated_from_samples_is_an_integral():
    family = trained((2,))
    params = parameters(family)
    prior = priors.StandardNormal(2, dtype="float64").distribution()
    step = 0.05
    axis = np.arange(-12.0, 12.0, step)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    log_prob = family(params).log_prob(grid).numpy()
    integral = np.sum(np.exp(log_prob) * (log_prob - prior.log_prob(grid))) * step**2
    q, z = family.draw(params, 20_000, seed=4)
    log_ratio = (q.log_prob(z) - prior.log_prob(z)).numpy()
    estimate = kl_divergence(q, prior, z)
    np.testing.assert_allclose(estimate, log_ratio.mean(), rtol=1e-12)
    error = log_ratio.std() / math.sqrt(len(log_ratio))
    assert abs(estimate - integral) < 4 * error
    assert integral > 20 * error


@pytest.mark.parametrize("event_shape", [(1,), (2, 2)], ids=str)
def test_gradients_of_the_density_of_a_point(event_shape):
    """By the point, the parameters and the weights: against differences in random directions."""
    family = trained(event_shape, dtype="float64")
    z = tf.constant(np.random.default_rng(3).normal(size=(3, 4, *event_shape)))
    params, weights = parameters(family, 4), family.get_weights()
    inputs = [z, params, [weight.value for weight in family.weights]]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = tf.reduce_mean(family(params).log_prob(z))
    gradients = tape.gradient(value, inputs)
    rng = np.random.default_rng(4)
    directions = tf.nest.map_structure(lambda part: rng.normal(size=part.shape), inputs)

    def at(step, part):
        share = [float(part == index) * step for index in range(3)]
        family.set_weights([w + share[2] * d for w, d in zip(weights, directions[2], strict=True)])
        q = family(params + share[1] * directions[1])
        return tf.reduce_mean(q.log_prob(z + share[0] * directions[0])).numpy()

    size = 1e-6
    for part, gradient in enumerate(gradients):
        pairs = zip(tf.nest.flatten(gradient), tf.nest.flatten(directions[part]), strict=True)
        slope = sum(np.sum(a * b) for a, b in pairs)
        difference = (at(size, part) - at(-size, part)) / (2 * size)
        # The rounding of the value, 1e-16 of it, over the step; and the square of the step.
        np.testing.assert_allclose(slope, difference, rtol=1e-6)


def brute_force_path_gradient(family, params, noise):
    """Gradient by z of log q(z), as the solution of J' g = gradient of log q(z(noise))."""
    size = noise.shape[-1]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(noise)
        way = family(params).forward(noise)
        log_prob = way.log_prob
    jacobian = tape.batch_jacobian(way.z, noise).numpy()
    by_noise = tape.gradient(log_prob, noise).numpy()
    return np.linalg.solve(np.swapaxes(jacobian, -1, -2), by_noise.reshape(-1, size, 1))[..., 0]


@pytest.mark.parametrize(
    ("size", "jit_compile"),
    [
        (4, False),
        *(pytest.param(*case, marks=pytest.mark.stress) for case in ((1, False), (3, True))),
    ],
)
def test_the_frozen_density_passes_a_gradient_through_the_samples_alone(size, jit_compile):
    family = trained((size,))
    params, weights = parameters(family, 4), [weight.value for weight in family.weights]

    @tf.function(jit_compile=jit_compile)
    def gradients(params):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(params)
            q, z = family.draw(params, seed=(5, 0))
            frozen = family.frozen(params, drawn=(q, z))
            values = [frozen.log_prob(z), frozen.log_prob(tf.identity(z))]
            values.append(family.frozen(params).log_prob(z))
        by_z = [tape.gradient(value, z) for value in values]
        # What the chain rule makes of the gradient by z, and of no other way.
        received = tape.gradient(values[0], [params, *weights])
        expected = tape.gradient(z, [params, *weights], output_gradients=by_z[0])
        return z, q.way.inputs[0], q.log_prob(z), values, by_z, received, expected

    z, start, known, values, by_z, received, expected = gradients(params)
    # XLA has another generator: the noise is what was scaled and shifted first.
    noise = (start - params[:, :size]) / tf.exp(0.5 * params[:, size : 2 * size])
    np.testing.assert_allclose(family(params).forward(noise).z, z, rtol=1e-9, atol=1e-9)
    path_gradient = brute_force_path_gradient(family, params, noise)
    for value, gradient in zip(values, by_z, strict=True):
        np.testing.assert_allclose(value, known, rtol=1e-9)
        np.testing.assert_allclose(gradient, path_gradient, rtol=1e-7, atol=1e-9)
    for a, b in zip(received, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("make", [Normal, lambda shape, scale: Blockwise([Normal(shape, scale)])])
def test_the_weights_of_every_family_are_frozen(make):
    family = make(2, scale="learned")
    params = tf.ones((3, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(params)
        values = [q.log_prob(tf.zeros((3, 2))) for q in (family(params), family.frozen(params))]
    np.testing.assert_array_equal(*values)
    inputs = [params, *[weight.value for weight in family.trainable_weights]]
    assert all(g is not None for g in tape.gradient(values[0], inputs))
    assert tape.gradient(values[1], inputs) == [None, None]


def test_it_starts_near_the_diagonal_normal_distribution():
    family = InverseAutoregressiveFlow(8, context_size=3)
    params = tf.cast(parameters(family, 50), tf.float32)
    diagonal = MultivariateNormalDiag(8)(params[:, :16])
    z = diagonal.sample(seed=1)
    flow = family(params).log_prob(z)
    # Shifts and log-scales of about 1e-3 times the length of 64 hidden units, in 4 steps.
    np.testing.assert_allclose(flow, diagonal.log_prob(z), atol=0.5)
    assert np.any(flow != diagonal.log_prob(z))
    np.testing.assert_allclose(family(params).stddev(), diagonal.stddev(), rtol=0.1)


def test_mean_and_standard_deviation_are_estimates_from_fixed_points():
    family = trained((3,), scale=0.4)
    params = parameters(family, 5)
    q, number = family(params), 20_000
    samples = q.sample(number, seed=1).numpy()
    stddev = samples.std(axis=0)
    # 4 standard errors of as many independent points, the variance's with a kurtosis of 10.
    np.testing.assert_array_less(np.abs(q.mean() - samples.mean(0)), 4 * stddev / np.sqrt(256))
    ratio = q.stddev() / stddev
    np.testing.assert_array_less(np.abs(ratio - 1), 4 * 0.5 * math.sqrt(9 / 256))
    np.testing.assert_array_equal(q.mean(), family(params).mean())
    np.testing.assert_array_equal(q.stddev(), family(params).stddev())
    # Each of a batch like it would be alone.
    np.testing.assert_allclose(family(params[2]).mean(), q.mean()[2], rtol=1e-12)


@every_shape
def test_moments_of_a_flow_that_does_nothing_are_exact(event_shape):
    family = trained(event_shape, scale=0.0)
    params = parameters(family, 5)
    loc, log_variance, _ = family._split(params)
    np.testing.assert_allclose(family(params).mean(), loc, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(family(params).variance(), tf.exp(log_variance), rtol=1e-12)


@every_shape
def test_the_point_estimate_is_the_image_of_no_noise(event_shape):
    family = trained(event_shape)
    params = parameters(family, 5)
    loc, _, context = family._split(params)
    narrow = [loc, tf.fill(loc.shape, np.float64(-20.0)), context]
    # A standard deviation of 4.5e-5, stretched and shifted by three steps.
    np.testing.assert_allclose(
        family.point_estimate(params), family.sample(narrow, seed=1), atol=0.02
    )
    assert np.all(np.abs(family.point_estimate(params) - loc) > 1e-4)


def test_the_context_bends_each_example_in_its_own_way():
    family = trained((2,), context_size=1)
    loc, log_variance = tf.zeros((3, 2)), tf.zeros((3, 2))
    samples = family.sample([loc, log_variance, [[-1.0], [0.0], [1.0]]], 2000, seed=1).numpy()
    correlations = [np.corrcoef(samples[:, i].T)[0, 1] for i in range(3)]
    assert np.ptp(correlations) > 5 * 2 / math.sqrt(2000)
    without = trained((2,), context_size=0)
    assert without.params_size == 4
    assert without.sample([loc, log_variance], seed=1).shape == (3, 2)


@pytest.mark.parametrize("size", [2, 6])
@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_gradients_are_finite_for_extreme_parameters(size, value):
    """Of the divergence from the prior, and of the density of a point, by params and weights."""
    family = InverseAutoregressiveFlow(size, context_size=2)
    params = tf.constant(value * np.sign(np.random.default_rng(1).normal(size=(6, 2 * size + 2))))
    params = tf.cast(params, tf.float32)
    prior = priors.StandardNormal(size).distribution()
    weights = [weight.value for weight in family.weights]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([params, *weights])
        q, z = family.draw(params, 3, seed=1)
        values = [
            kl_divergence(q, prior, z),
            q.log_prob(tf.ones((6, size))),
            family.frozen(params, drawn=(q, z)).log_prob(z),
        ]
    for number in values:
        assert np.isfinite(number).all()
        for gradient in tape.gradient(number, [params, *weights]):
            assert np.isfinite(gradient).all()


def test_a_log_scale_is_bounded():
    family = InverseAutoregressiveFlow(1, 2, (), context_size=0)
    for network, bias in zip(family.networks, ([0.0, 1e6], [0.0, 1e6]), strict=True):
        network.biases[0].assign(bias)
    params = tf.zeros((1, 2))
    np.testing.assert_allclose(family(params).stddev(), [[np.exp(6.0)]], rtol=1e-5)


def test_a_distribution_is_a_snapshot_of_the_weights():
    family = trained((2,))
    params = parameters(family, 3)
    q, z = family.draw(params, seed=1)
    known, other = q.log_prob(z), q.log_prob(tf.zeros_like(z))
    family.set_weights([weight + 0.5 for weight in family.get_weights()])
    np.testing.assert_array_equal(q.log_prob(z), known)
    np.testing.assert_array_equal(q.log_prob(tf.zeros_like(z)), other)
    assert np.all(family(params).log_prob(z) != known)


def test_weights_and_activation_come_back():
    family = trained((2, 3), activation="tanh", name="flow")
    again = InverseAutoregressiveFlow.from_config(family.get_config())
    assert (again.name, again.activation) == ("flow", keras.activations.tanh)
    assert [w.path for w in again.weights] == [w.path for w in family.weights]
    assert len(family.trainable_weights) == 3 * 5
    again.set_weights(family.get_weights())
    params = parameters(family, 3)
    np.testing.assert_array_equal(again.sample(params, seed=1), family.sample(params, seed=1))


def test_it_is_no_likelihood_and_not_called_as_a_layer():
    family = InverseAutoregressiveFlow(3)
    with pytest.raises(ValueError, match=r"expects to be a posterior. Received: .* Take Multi"):
        family.log_likelihood(np.zeros((1, 3)), np.zeros((1, family.params_size)))
    with pytest.raises(NotImplementedError):
        family.call(np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"num_flows": 0}, ValueError, "num_flows=0"),
        ({"num_flows": 2.0}, TypeError, "num_flows=2.0"),
        ({"hidden_units": 8}, TypeError, "hidden_units=8"),
        ({"hidden_units": (0,)}, ValueError, "hidden_units=0"),
        ({"context_size": -1}, ValueError, "context_size=-1"),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=rf"InverseAutoregressiveFlow expects .* Received: {text}"):
        InverseAutoregressiveFlow(3, **arguments)
