"""Directions in the latents along which an attribute grows."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, families, tasks


def identity_model(size=3):
    """Codes are the data, and data the codes."""
    encoder = keras.Sequential([keras.Input((size,)), keras.layers.Dense(2 * size)])
    encoder.set_weights([np.eye(size, 2 * size), np.zeros(2 * size)])
    decoder = keras.Sequential([keras.Input((size,)), keras.layers.Identity()])
    return VAEModel(encoder, decoder)


def data():
    """Attribute along the first axis, class along the second; most of class 1 has it."""
    generator = np.random.default_rng(0)
    groups = generator.integers(2, size=400)
    has = generator.uniform(size=400) < np.where(groups == 1, 0.9, 0.2)
    return np.stack([2.0 * has, 5.0 * groups, np.ones(400)], axis=1), has, groups


def test_it_is_the_difference_of_the_mean_codes():
    x, has, _ = data()
    vector = tasks.attribute_vector(identity_model(), x, has, batch_size=64)
    np.testing.assert_allclose(vector, x[has].mean(axis=0) - x[~has].mean(axis=0), atol=1e-5)
    # What goes with the attribute comes along.
    assert vector[1] > 2.0
    ones = tasks.attribute_vector(identity_model(), x, has.astype(int))
    np.testing.assert_allclose(ones, vector, atol=1e-5)


def test_groups_leave_out_what_only_goes_with_it():
    x, has, groups = data()
    vector = tasks.attribute_vector(identity_model(), x, has, groups)
    np.testing.assert_allclose(vector, [2.0, 0.0, 0.0], atol=1e-5)
    # A group of one kind tells nothing.
    has[groups == 1] = True
    x[groups == 1] = 77.0
    names = np.array(["a", "b"])[groups]
    vector = tasks.attribute_vector(identity_model(), x, has, names)
    np.testing.assert_allclose(vector, [2.0, 0.0, 0.0], atol=1e-5)


def test_data_are_moved_along_it():
    x, has, groups = data()
    model = identity_model()
    vector = tasks.attribute_vector(model, x, has, groups)
    moved = tasks.add_attribute(model, x[:5], vector, 3.0, batch_size=2)
    np.testing.assert_allclose(moved, x[:5] + [6.0, 0.0, 0.0], atol=1e-5)
    strength = np.array([-1.0, 0.0, 0.5])
    moved = tasks.add_attribute(model, x[:3], vector, strength)
    np.testing.assert_allclose(moved[:, 0], x[:3, 0] + 2.0 * strength, atol=1e-5)
    same = tasks.add_attribute(model, x[:3], vector, 0.0)
    np.testing.assert_allclose(same, model.reconstruct(x[:3]), atol=1e-6)
    assert tasks.add_attribute(model, x[:0], vector).shape == (0, 3)


def test_classes_are_decoded_to_classes_with_their_condition():
    x, condition = keras.Input((2,)), keras.Input((6,))
    encoder = keras.Model([x, condition], keras.layers.Dense(2)(x))
    decoder = keras.Model([keras.Input((1,)), condition], keras.layers.Identity()(condition))
    model = VAEModel(encoder, decoder, likelihood=families.Categorical(2, num_classes=3))
    condition = np.zeros((4, 6), "float32")
    condition[[0, 1, 2, 3], [0, 1, 2, 2]] = condition[:, 4] = 1.0
    inputs = {"x": np.ones((4, 2)), "condition": condition}
    moved = tasks.add_attribute(model, inputs, [1.0], batch_size=3)
    np.testing.assert_array_equal(moved, [[0, 1], [1, 1], [2, 1], [2, 1]])


def test_errors():
    x, has, groups = data()
    model = identity_model()
    for wrong in (has[:5], x[:, 0], np.where(has, "yes", "no")):
        with pytest.raises(ValueError, match=r"has_attribute to be one boolean.*Received: has_att"):
            tasks.attribute_vector(model, x, wrong)
    with pytest.raises(ValueError, match=r"one group an example, of shape \(400,\). Received"):
        tasks.attribute_vector(model, x, has, groups[:5])
    with pytest.raises(ValueError, match=r"with and without the attribute within a group. Rec"):
        tasks.attribute_vector(model, x, has, groups=has)
    with pytest.raises(ValueError, match=r"with and without .* Received: 0 of 400 examples with"):
        tasks.attribute_vector(model, x, np.zeros(400))
    with pytest.raises(ValueError, match=r"the shape of one latent, \(3,\). Received: vector of"):
        tasks.add_attribute(model, x, np.ones(2))
    with pytest.raises(ValueError, match=r"strength to be a number.*strength of shape \(3,\)"):
        tasks.add_attribute(model, x, np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match=r"attribute_vector expects batch_size.*batch_size=0"):
        tasks.attribute_vector(model, x, has, batch_size=0)
