"""A file that is not what was saved is an error, never another model."""

import zipfile

import keras
import numpy as np
import pytest

from keras_vae.models import load_model

SPOTS = 40


@pytest.fixture
def model(build):
    return build()


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    return path


def test_it_is_the_model_of_keras(model, path):
    ours, theirs = load_model(path), keras.saving.load_model(path)
    assert ours.get_config() == theirs.get_config()
    for a, b, c in zip(ours.weights, theirs.weights, model.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_a_byte_that_is_flipped_is_an_error_or_changes_nothing(model, path):
    whole = path.read_bytes()
    refused = 0
    for spot in np.linspace(0, len(whole) - 1, SPOTS).astype(int):
        text = bytearray(whole)
        text[spot] ^= 0xFF
        path.write_bytes(text)
        try:
            loaded = load_model(path)
        except ValueError as error:
            assert "Received: path=" in str(error)  # noqa: PT017
            refused += 1
        else:
            for a, b in zip(loaded.weights, model.weights, strict=True):
                np.testing.assert_array_equal(a, b)
    # What does not matter is the dates and the like in the headers of the archive.
    assert refused > 0.8 * SPOTS


def test_zeroed_weights_that_keras_would_load(path):
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo("model.weights.h5")
    text = bytearray(path.read_bytes())
    middle = weights.header_offset + weights.file_size // 2
    text[middle : middle + 1024] = bytes(1024)
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 fails its checksum\. Take it from"):
        load_model(path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (lambda whole: whole[: len(whole) // 2], "cannot be read"),
        (lambda whole: b"", "cannot be read"),
        (lambda whole: b"no model" * 100, "cannot be read"),
        (None, "No such file"),
    ],
    ids=["truncated", "empty", "foreign", "missing"],
)
@pytest.mark.parametrize("load", [load_model, keras.saving.load_model])
def test_no_model_at_all(path, text, fault, load):
    if text is None:
        path.unlink()
    else:
        path.write_bytes(text(path.read_bytes()))
    fault = fault if load is load_model else "accessible `.keras` zip file"
    with pytest.raises(ValueError, match=rf"model\.keras.*{fault}"):
        load(path)


def test_an_archive_of_something_else(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("report.txt", "no model")
    with pytest.raises(ValueError, match=r"an archive without config\.json"):
        load_model(path)


def test_code_in_a_file_is_not_run(tmp_path):
    inputs = keras.Input((3,))
    outputs = keras.layers.Lambda(lambda x: 2.0 * x)(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "code.keras")
    with pytest.raises(ValueError, match="unsafe"):
        load_model(tmp_path / "code.keras")


def test_what_is_not_registered_is_given(tmp_path):
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return 2.0 * inputs

    inputs = keras.Input((3,))
    keras.Model(inputs, Doubled()(inputs)).save(tmp_path / "own.keras")
    with pytest.raises(TypeError, match="Could not locate class 'Doubled'"):
        load_model(tmp_path / "own.keras")
    loaded = load_model(str(tmp_path / "own.keras"), custom_objects={"Doubled": Doubled})
    np.testing.assert_array_equal(loaded(np.ones((1, 3))), [[2.0, 2.0, 2.0]])


@pytest.mark.parametrize(("name", "value"), [("path", 3), ("custom_objects", [1])])
def test_arguments_of_another_kind(path, name, value):
    arguments = {"path": path, name: value}
    with pytest.raises(TypeError, match=rf"load_model expects .*Received: {name}="):
        load_model(**arguments)
