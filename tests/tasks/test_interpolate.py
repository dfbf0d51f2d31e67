"""The way between two data points."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, families, tasks


def on_a_sphere(decoder=None):
    """A model whose codes are directions, which it decodes to themselves."""
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, use_bias=False)])
    encoder.set_weights([np.eye(3, 4)])
    decoder = decoder or keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    return VAEModel(encoder, decoder, families.PowerSpherical(3))


@pytest.mark.parametrize("method", ["linear", "spherical"])
def test_the_ends_are_the_reconstructions(linear, method):
    model = linear.model("wrong")
    a, b = linear.x[:2]
    way = tasks.interpolate(model, a, b, 7, method)
    assert way.shape == (7, 5)
    np.testing.assert_allclose(way[[0, -1]], model.reconstruct(linear.x[:2]), rtol=1e-5)
    assert tasks.interpolate(model, a, b).shape == (10, 5)
    # There and back again.
    np.testing.assert_allclose(tasks.interpolate(model, b, a, 7, method), way[::-1], atol=1e-5)


def test_a_line_between_the_means(linear):
    model = linear.model("wrong")
    way = tasks.interpolate(model, linear.x[0], linear.x[1], 4)
    # A linear decoder takes a line to a line.
    np.testing.assert_allclose(np.diff(way, 2, axis=0), np.zeros((2, 5)), atol=1e-5)
    z = model.encode(linear.x[:2]).mean().numpy()
    expected = model.decode((2 * z[:1] + z[1:]) / 3).mean()
    np.testing.assert_allclose(way[1:2], expected, rtol=1e-5)


@pytest.mark.parametrize("angle", [1e-12, 1e-3, 1.0, 3.0])
def test_a_sphere_is_walked_along_at_a_constant_speed(angle):
    a, b = np.array([1.0, 0.0, 0.0]), np.array([np.cos(angle), np.sin(angle), 0.0])
    # Data of any length have a direction as their code.
    way = np.float64(tasks.interpolate(on_a_sphere(), 2 * a, 3 * b, 5, "spherical"))
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 1.0, atol=1e-6)
    angles = np.arctan2(way[:, 1], way[:, 0])
    np.testing.assert_allclose(angles, angle * np.linspace(0, 1, 5), atol=1e-6)
    line = np.linalg.norm(tasks.interpolate(on_a_sphere(), a, b, 5), axis=1)
    if angle >= 1.0:
        assert (line[1:-1] < 0.95).all()


def test_lengths_change_evenly():
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(6, use_bias=False)])
    encoder.set_weights([np.eye(3, 6)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    model = VAEModel(encoder, decoder)
    way = tasks.interpolate(model, [2.0, 0.0, 0.0], [0.0, 4.0, 0.0], 5, "spherical")
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), [2.0, 2.5, 3.0, 3.5, 4.0], rtol=1e-6)
    np.testing.assert_allclose(way[2, 0], way[2, 1], rtol=1e-6)
    # A vector of length 0 has no direction.
    way = tasks.interpolate(model, np.zeros(3), [0.0, 4.0, 0.0], 3, "spherical")
    np.testing.assert_allclose(way, [[0, 0, 0], [0, 2, 0], [0, 4, 0]], atol=1e-6)
    np.testing.assert_array_equal(
        tasks.interpolate(model, np.zeros(3), np.zeros(3), 3, "spherical"), np.zeros((3, 3))
    )


def test_opposite_directions_are_told():
    with pytest.raises(ValueError, match=r"not opposite to each other.* Take method='linear'"):
        tasks.interpolate(on_a_sphere(), [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], 3, "spherical")


def conditional():
    x, condition = keras.Input((3,)), keras.Input((2,))
    encoder = keras.Model([x, condition], keras.layers.Dense(2)(x))
    # The condition is what is decoded.
    decoder = keras.Model([keras.Input((1,)), condition], keras.layers.Identity()(condition))
    return VAEModel(encoder, decoder)


def test_conditions_move_along():
    model, x = conditional(), np.ones(3)
    a, b = ({"x": x, "condition": np.array(c)} for c in ([0.0, 1.0], [1.0, 0.0]))
    way = tasks.interpolate(model, a, b, 3)
    np.testing.assert_allclose(way, [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(tasks.interpolate(model, a, a, 3), [[0.0, 1.0]] * 3)
    whole = [{"x": x, "condition": np.array(c)} for c in ([0, 1], [1, 0])]
    assert tasks.interpolate(model, whole[0], whole[0], 3).shape == (3, 2)
    with pytest.raises(ValueError, match=r"conditions that are equal, or floating.*dtype int64"):
        tasks.interpolate(model, *whole, 3)


def test_errors(linear):
    a, b = linear.x[:2]
    with pytest.raises(ValueError, match=r"method to be one of 'linear', 'spherical'.*'slerp'"):
        tasks.interpolate(linear.model(), a, b, method="slerp")
    with pytest.raises(ValueError, match=r"num_steps to be an integer of at least 2.*num_steps=1"):
        tasks.interpolate(linear.model(), a, b, 1)
