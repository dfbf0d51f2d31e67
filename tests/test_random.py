"""`_random`: seeds and noise."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae._random import Seeded, as_seed, fold_in, standard_gumbel, standard_normal

NUMBER = 40_000
ANY = tf.zeros(())


class Noise(Seeded, keras.layers.Layer):
    def __init__(self, seed=None):
        super().__init__()
        self._set_seed(seed)

    def call(self, inputs):
        return self._next_seed()


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (3, [3, 0]),
        (np.int64(3), [3, 0]),
        ((3, 4), [3, 4]),
        ([3, 4], [3, 4]),
        (np.array([3, 4], "uint8"), [3, 4]),
        (-1, [-1, 0]),
        (2**32 + 5, [5, 0]),
        ((2**31, 1), [-(2**31), 1]),
        (tf.constant(3, tf.int64), [3, 0]),
        (tf.constant([3, 4], tf.int64), [3, 4]),
    ],
)
def test_as_seed(seed, expected):
    value = as_seed(seed)
    assert value.dtype == "int32"
    np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(
    "seed", [1.0, "1", True, (1, 2, 3), (1,), (1.0, 2.0), [[1, 2]], tf.constant(1.0)], ids=repr
)
def test_no_seed(seed):
    with pytest.raises(ValueError, match=r"integer or a pair of integers. Received: seed="):
        as_seed(seed)


def test_none_is_a_new_seed_at_each_call():
    compiled = tf.function(lambda: as_seed(None))
    seeds = np.stack([as_seed(None), as_seed(None), compiled(), compiled()])
    assert seeds.dtype == "int32"
    assert len(np.unique(seeds, axis=0)) == 4
    keras.utils.set_random_seed(5)
    first = as_seed(None)
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(as_seed(None), first)


def test_fold_in_gives_different_seeds():
    seeds = [fold_in(as_seed(seed), data).numpy() for seed in (1, 2) for data in range(5)]
    assert len(np.unique(seeds, axis=0)) == 10
    np.testing.assert_array_equal(fold_in(as_seed(1), 0), seeds[0])


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_standard_normal_noise(jit_compile, dtype):
    function = tf.function(
        lambda seed: standard_normal((NUMBER,), seed, dtype), jit_compile=jit_compile
    )
    noise = function(as_seed(1)).numpy()
    assert noise.dtype == dtype
    # Standard errors of the first four moments: variances 1, 2, 15, 96.
    for power, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs(np.mean(noise**power) - moment) < 5 * np.sqrt(variance / NUMBER)
    np.testing.assert_array_equal(function(as_seed(1)), noise)
    other = function(as_seed(2)).numpy()
    assert abs(np.mean(noise * other)) < 5 / np.sqrt(NUMBER)
    # Neighbours in one draw.
    assert abs(np.mean(noise[1:] * noise[:-1])) < 5 / np.sqrt(NUMBER)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_standard_gumbel_noise(jit_compile, dtype):
    function = tf.function(
        lambda seed: standard_gumbel((NUMBER,), seed, dtype), jit_compile=jit_compile
    )
    noise = function(as_seed(1)).numpy()
    assert noise.dtype == dtype
    assert np.isfinite(noise).all()
    # The distribution function exp(-exp(-g)) within 5 standard errors.
    for value in (-1.5, -0.5, 0.0, 1.0, 3.0, 6.0):
        share = np.exp(-np.exp(-value))
        error = abs(np.mean(noise <= value) - share)
        assert error < 5 * np.sqrt(share * (1 - share) / NUMBER)
    np.testing.assert_array_equal(function(as_seed(1)), noise)
    # Two draws share some of the 2**23 values that the uniform noise has in float32.
    assert np.mean(function(as_seed(2)) == noise) < 0.01


def test_gumbel_noise_from_the_end_of_the_uniform_noise_is_finite(monkeypatch):
    def lowest(shape, seed, minval, maxval, dtype, alg):
        return tf.fill(shape, tf.constant(minval, dtype))

    monkeypatch.setattr(tf.random, "stateless_uniform", lowest)
    for dtype in ("float32", "float64"):
        assert np.isfinite(standard_gumbel((3,), as_seed(1), dtype)).all()


def test_seeds_of_a_layer():
    layer = Noise(seed=1)
    seeds = np.stack([layer(ANY).numpy() for _ in range(10)])
    assert seeds.dtype == "int32"
    assert seeds.shape == (10, 2)
    assert len(np.unique(seeds, axis=0)) == 10
    again = Noise(seed=1)
    np.testing.assert_array_equal(np.stack([again(ANY).numpy() for _ in range(10)]), seeds)
    assert np.any(Noise(seed=2)(ANY) != seeds[0])
    assert np.any(Noise()(ANY) != Noise()(ANY))
    assert Noise(seed=np.int64(3)).seed == 3


def test_replicas_have_seeds_of_their_own(monkeypatch):
    """Simulated: in this process TensorFlow has one CPU, and a second one cannot be added."""
    monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)
    seeds = []
    for replica in range(3):
        context = types.SimpleNamespace(
            num_replicas_in_sync=3, replica_id_in_sync_group=tf.constant(replica)
        )
        seeds.append(Noise(seed=1)._next_seed().numpy())
    assert len(np.unique(seeds, axis=0)) == 3
    context = types.SimpleNamespace(num_replicas_in_sync=1, replica_id_in_sync_group=0)
    np.testing.assert_array_equal(Noise(seed=1)._next_seed(), [1, 0])


def test_weights_saved_without_a_seed_state_can_be_loaded():
    """From a file of another library."""
    layer, store = Noise(seed=1), {}
    keras.layers.Identity().save_own_variables(store)
    layer.load_own_variables(store)
    np.testing.assert_array_equal(layer(ANY), Noise(seed=1)(ANY))


def test_state_round_trip():
    layer, other, store = Noise(seed=1), Noise(seed=2), {}
    layer(ANY)
    layer.save_own_variables(store)
    other.load_own_variables(store)
    for _ in range(3):
        np.testing.assert_array_equal(other(ANY), layer(ANY))
