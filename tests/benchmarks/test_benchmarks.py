"""What the benchmarks are made of; their figures are no matter of tests."""

import json
import pathlib

import keras
import numpy as np
import pytest

from keras_vae import VAEModel

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_every_sprite_is_another_picture_and_within_its_frame():
    from _sprites import FACTORS, SIZE, sprites

    pictures, factors = sprites()
    sizes = factors.max(axis=0) + 1
    assert len(sizes) == len(FACTORS)
    assert len(pictures) == len(factors) == np.prod(sizes)
    assert len(np.unique(factors, axis=0)) == len(factors)
    assert len(np.unique(pictures, axis=0)) == len(pictures)
    frame = np.pad(np.zeros((SIZE - 2, SIZE - 2), bool), 1, constant_values=True).ravel()
    assert not pictures[:, frame].any()


def test_binarised_pixels_are_one_as_often_as_they_are_bright():
    from _data import binarised

    intensities = np.repeat([[0.0, 0.25, 1.0]], 10_000, axis=0).astype("float32")
    pixels = binarised(intensities, seed=1)
    assert set(np.unique(pixels)) == {0.0, 1.0}
    share = pixels.mean(axis=0)
    np.testing.assert_array_equal(share[[0, 2]], [0.0, 1.0])
    assert abs(share[1] - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 10_000)


def build():
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = VAEModel(encoder, decoder, likelihood="bernoulli", seed=1)
    rate = keras.optimizers.schedules.CosineDecay(0.1, 6)
    model.compile(keras.optimizers.Adam(rate))
    return model


def epoch_data(epoch):
    return np.random.default_rng(epoch).integers(0, 2, size=(8, 4)).astype("float32")


def test_a_long_run_that_is_killed_ends_as_one_that_is_not(tmp_path):
    from _long_runs import train

    def stopping(epoch):
        if epoch == 1:
            raise KeyboardInterrupt
        return epoch_data(epoch)

    whole, _ = train(tmp_path / "whole.keras", build, epoch_data, epochs=3, batch_size=4)
    path = tmp_path / "killed.keras"
    with pytest.raises(KeyboardInterrupt):
        train(path, build, stopping, epochs=3, batch_size=4)
    killed, _ = train(path, build, epoch_data, epochs=3, batch_size=4)
    for a, b in zip(whole.get_weights(), killed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(killed.optimizer.iterations.numpy()) == 6


def test_a_result_tells_what_it_was_measured_with(tmp_path):
    from _results import save

    save(tmp_path / "result", [("a", "b"), (1, 2.5)], figure=3, seed=1, seconds=2.0)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["figure"] == 3
    assert {"versions", "machine", "date", "seed", "seconds"} < set(result)
    assert (tmp_path / "result.md").read_text() == "| a | b |\n| --- | --- |\n| 1 | 2.5 |\n"
