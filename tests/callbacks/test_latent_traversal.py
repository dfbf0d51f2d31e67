"""LatentTraversal: files, formats and failures. The numbers are in test_traversal.py."""

import importlib.util
import os
import pathlib
import re
import sys
import types
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vae import LatentTraversal, VAEModel, families
from keras_vae.callbacks import _pictures
from keras_vae.callbacks._traversal import Traversal

X = np.random.default_rng(0).uniform(size=(8, 6)).astype("float32")


def vae():
    encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(6)])
    model = VAEModel(encoder, decoder, seed=1)
    model.compile(optimizer="sgd")
    return model


def fit(traversal, epochs=2, model=None, **arguments):
    model = model or vae()
    model.fit(X, epochs=epochs, batch_size=4, verbose=0, callbacks=[traversal], **arguments)
    return model


def small(directory, **arguments):
    """A callback whose pictures have two cells, since drawing is what costs."""
    return LatentTraversal(directory, X[:1], dims=1, num_steps=2, **arguments)


def is_picture(path, kind="PNG"):
    with Image.open(path) as image:
        image.load()
        return image.format == kind and min(image.size) > 100


def picture_of(event_shape, kl=True, num_panels=2, classes=False):
    shape = (num_panels, 2, 3, *event_shape)
    means = np.random.default_rng(0).uniform(size=shape)
    values = np.array([1.25, 0.5]) if kl else None
    quantiles = None if classes else np.array([0.025, 0.5, 0.975])
    return _pictures.figure_of(Traversal(means, np.array([4, 1]), values, quantiles), "Title")


def test_one_picture_a_call_with_names_that_sort_by_epoch(tmp_path):
    fit(small(tmp_path), epochs=11, initial_epoch=8)
    names = sorted(os.listdir(tmp_path))
    assert names == [f"traversal_epoch_{epoch:04d}.png" for epoch in (9, 10, 11)]
    assert all(is_picture(tmp_path / name) for name in names)


def test_every_so_many_epochs(tmp_path):
    fit(LatentTraversal(tmp_path / "new" / "folder", every=2), epochs=5)
    names = sorted(os.listdir(tmp_path / "new" / "folder"))
    assert names == ["traversal_epoch_0002.png", "traversal_epoch_0004.png"]


def test_names_grow_with_the_number_of_epochs(tmp_path):
    traversal = LatentTraversal(tmp_path, every=12_000)
    fit(traversal, epochs=12_000, initial_epoch=11_999)
    assert os.listdir(tmp_path) == ["traversal_epoch_12000.png"]


@pytest.mark.parametrize("kernel", [True, False])
def test_a_notebook_shows_one_picture_which_later_ones_replace(tmp_path, monkeypatch, kernel):
    shown, updates = [], []
    display = types.SimpleNamespace(
        Image=lambda data: data,
        display=lambda image, display_id: (
            shown.append(image) or types.SimpleNamespace(update=updates.append)
        ),
    )
    shell = types.SimpleNamespace(kernel="a kernel") if kernel else types.SimpleNamespace()
    notebook = types.SimpleNamespace(get_ipython=lambda: shell, display=display)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    fit(small(tmp_path), epochs=3)
    files = [path.read_bytes() for path in sorted(tmp_path.glob("*.png"))]
    assert len(files) == 3
    assert shown + updates == (files if kernel else [])
    assert len(updates) == (2 if kernel else 0)


def test_training_is_the_same_with_and_without(tmp_path):
    models = []
    for callbacks in ([], [small(tmp_path)], [LatentTraversal(tmp_path)]):
        keras.utils.set_random_seed(1)
        models.append(vae())
        models[-1].fit(X, epochs=2, batch_size=4, verbose=0, callbacks=callbacks)
    without, *others = models
    for other in others:
        for a, b in zip(other.variables, without.variables, strict=True):
            np.testing.assert_array_equal(a, b)


def test_gif_has_a_frame_for_each_picture(tmp_path):
    fit(small(tmp_path, formats=("png", "gif")), epochs=3)
    assert is_picture(tmp_path / "traversal.gif", "GIF")
    with Image.open(tmp_path / "traversal.gif") as gif:
        assert gif.n_frames == 3
        assert gif.info["duration"] == 500
    assert len(os.listdir(tmp_path)) == 4


def test_gif_of_a_resumed_run_shows_the_whole_of_it(tmp_path):
    model = fit(small(tmp_path, formats="gif"), epochs=2)
    fit(small(tmp_path, formats="gif"), epochs=4, initial_epoch=2, model=model)
    with Image.open(tmp_path / "traversal.gif") as gif:
        assert gif.n_frames == 4


def test_gif_of_a_new_run_leaves_out_the_pictures_of_another(tmp_path):
    fit(small(tmp_path), epochs=4)
    fit(small(tmp_path, formats="gif"), epochs=2)
    with Image.open(tmp_path / "traversal.gif") as gif:
        assert gif.n_frames == 2


def test_tensorboard_has_an_image_for_each_epoch(tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    fit(
        small(tmp_path, formats=("png", "tensorboard")),
        epochs=3,
    )
    (path,) = tmp_path.glob("events.out.tfevents.*")
    events = [event for event in EventFileLoader(str(path)).Load() if event.summary.value]
    assert [event.step for event in events] == [1, 2, 3]
    assert {event.summary.value[0].tag for event in events} == {"latent_traversal"}


@pytest.mark.parametrize(
    "formats", [pytest.param("png", marks=pytest.mark.stress), ("png", "gif", "tensorboard")]
)
def test_a_folder_that_is_a_file_is_one_warning(tmp_path, formats):
    (tmp_path / "file").write_text("kept")
    message = f"LatentTraversal expects to write {tmp_path / 'file'}"
    with pytest.warns(UserWarning, match=re.escape(message)) as record:
        model = fit(small(tmp_path / "file", formats=formats), epochs=3)
    assert len(record) == 1
    assert re.search(r"Received: .*(exists|Not a directory)", str(record[0].message))
    assert "Take a directory that can be written." in str(record[0].message)
    assert int(model.optimizer.iterations) == 6
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_that_is_read_only_is_one_warning(tmp_path, monkeypatch):
    # Not by chmod, which does not bind the user root.
    def refuse(path, data):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "write_bytes", refuse)
    with pytest.warns(UserWarning, match="Permission denied") as record:
        fit(small(tmp_path, formats="gif"), epochs=3)
    assert len(record) == 1
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_full_only_for_tensorboard_is_one_warning(tmp_path, monkeypatch):
    def refuse(path):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.summary, "create_file_writer", refuse)
    with pytest.warns(UserWarning, match="No space left on device") as record:
        fit(small(tmp_path, formats="tensorboard"), epochs=3)
    assert len(record) == 1
    assert len(os.listdir(tmp_path)) == 3


def test_half_a_picture_of_a_run_that_was_killed_is_deleted(tmp_path):
    (tmp_path / f".traversal_epoch_0001-{'0a' * 16}.png").write_text("half")
    fit(small(tmp_path), epochs=1)
    assert os.listdir(tmp_path) == ["traversal_epoch_0001.png"]


def test_a_disk_that_is_full_when_training_ends_is_one_warning(tmp_path, monkeypatch):
    create = tf.summary.create_file_writer

    def create_and_refuse_to_close(path):
        writer = create(path)

        def refuse():
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

        monkeypatch.setattr(writer, "close", refuse)
        return writer

    monkeypatch.setattr(tf.summary, "create_file_writer", create_and_refuse_to_close)
    with pytest.warns(UserWarning, match="No space left on device"):
        fit(small(tmp_path, formats="tensorboard"))


def test_it_writes_again_once_it_can(tmp_path, monkeypatch):
    replace, calls = os.replace, []

    def refuse_once(*paths):
        calls.append(paths)
        if len(calls) == 1:
            raise OSError("The share is away.")
        replace(*paths)

    monkeypatch.setattr(os, "replace", refuse_once)
    with pytest.warns(UserWarning, match="The share is away"):
        fit(small(tmp_path), epochs=3)
    names = ["traversal_epoch_0002.png", "traversal_epoch_0003.png"]
    assert sorted(os.listdir(tmp_path)) == names


def test_images_are_a_grid_with_gaps_and_labels():
    figure = picture_of((6, 4, 1))
    assert [axis.get_title() for axis in figure.axes] == [
        "starting from example 1",
        "starting from example 2",
    ]
    axis = figure.axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["latent 4\nKL 1.25 nats", "latent 1\nKL 0.50 nats"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["2.5%", "50%", "97.5%"]
    picture = np.asarray(axis.images[0].get_array())
    # 2 rows of 6 and 3 columns of 4 pixels, with a pixel around each.
    assert picture.shape == (2 * 7 + 1, 3 * 5 + 1, 3)
    assert np.all(picture[[0, 7, 14]] == 0.8)
    assert np.all(picture[:, [0, 5, 10, 15]] == 0.8)
    assert np.asarray(axis.get_yticks()) == pytest.approx([3.5, 10.5])


@pytest.mark.parametrize("event_shape", [(6, 8), (6, 4, 1), (6, 4, 2), (6, 4, 3), (6, 4, 4)])
def test_images_may_have_any_number_of_channels(event_shape):
    figure = picture_of(event_shape, kl=False, num_panels=1)
    assert figure.axes[0].get_title() == "starting from the mean of the prior"
    assert figure.axes[0].get_yticklabels()[0].get_text() == "latent 4"
    assert len(figure.axes[0].images) == 1


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0]),
        # What a linear decoder overshoots is cut off, and the rest keeps its brightness.
        ([-0.05, 0.5, 1.05], [0.0, 0.5, 1.0]),
        ([-1.0, 0.0, 1.0], [0.0, 0.5, 1.0]),
        ([np.nan, 0.5, 1.0], [0.0, 0.5, 1.0]),
    ],
)
def test_brightness(means, expected):
    assert _pictures._to_unit(np.array(means)) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("event_shape", "lines"), [((6,), 3), ((20, 1), 3), ((20, 4), 12)])
def test_vectors_and_series_are_lines(event_shape, lines):
    figure = picture_of(event_shape)
    assert len(figure.axes) == 4
    assert all(len(axis.lines) == lines for axis in figure.axes)
    assert figure.axes[0].get_ylabel() == "latent 4\nKL 1.25 nats"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["2.5%", "50%", "97.5%"]


def test_columns_of_one_hot_latents_are_classes():
    lines = picture_of((6,), kl=False, classes=True)
    (legend,) = lines.legends
    assert [text.get_text() for text in legend.get_texts()] == ["class 0", "class 1", "class 2"]
    assert legend.get_title().get_text() == "class that the\nlatent is set to"
    assert lines.axes[0].get_title() == "starting from the prior's\nmost probable classes"
    image = picture_of((6, 6), classes=True)
    labels = [label.get_text() for label in image.axes[0].get_xticklabels()]
    assert labels == ["class 0", "class 1", "class 2"]
    assert image.get_supxlabel() == "class that the latent is set to"


def test_more_axes_than_an_image_has_are_an_error_before_training(tmp_path):
    encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    decoder = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(6), keras.layers.Reshape((1, 1, 6, 1))]
    )
    model = VAEModel(encoder, decoder, likelihood=families.Normal((1, 1, 6, 1)))
    model.compile()
    message = (
        "LatentTraversal expects data points with 1 to 3 axes: vectors, series or images. "
        "Received: a likelihood with event_shape=(1, 1, 6, 1). Leave the callback out."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        model.fit(X, X.reshape(8, 1, 1, 6, 1), verbose=0, callbacks=[LatentTraversal(tmp_path)])
    assert int(model.optimizer.iterations) == 0


def test_latents_that_are_not_there_are_an_error_before_training(tmp_path):
    model = vae()
    with pytest.raises(ValueError, match="expects dims below the number of latents"):
        fit(LatentTraversal(tmp_path, dims=[3], every=100), model=model)
    assert int(model.optimizer.iterations) == 0


def test_no_examples_are_an_error_before_training(tmp_path):
    message = (
        "LatentTraversal expects at least one example. Received: x of length 0. Leave x out to "
        "start from the mean of the prior."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(LatentTraversal(tmp_path, X[:0]))


def test_a_model_that_cannot_decode_is_an_error(tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    model.compile(loss="mse")
    message = (
        "LatentTraversal expects a VAEModel, which can encode and decode. Received: a model of "
        "class Sequential. Build a VAEModel from its encoder and decoder."
    )
    with pytest.raises(TypeError, match=re.escape(message)):
        model.fit(X, X, verbose=0, callbacks=[LatentTraversal(tmp_path)])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dims": 0}, ValueError, "LatentTraversal expects dims to be an integer of at least 1."),
        ({"dims": "all"}, TypeError, "Received: dims='all'. Give a Python or NumPy integer."),
        ({"dims": [1, -1]}, ValueError, "expects dims to be an integer of at least 0. Received: "),
        ({"dims": [0.5]}, TypeError, "Received: dims=0.5. Give a Python or NumPy integer."),
        (
            {"dims": []},
            ValueError,
            "LatentTraversal expects at least one latent. Received: dims=[]. Give dims=None for "
            "all of them.",
        ),
        ({"num_steps": 1}, ValueError, "expects num_steps to be an integer of at least 2."),
        ({"every": 0}, ValueError, "LatentTraversal expects every to be an integer of at least 1"),
        (
            {"quantiles": (0.9, 0.1)},
            ValueError,
            "LatentTraversal expects two increasing quantiles between 0 and 1. Received: "
            "quantiles=(0.9, 0.1). For example (0.02, 0.98).",
        ),
        ({"quantiles": (0.0, 1.0)}, ValueError, "Received: quantiles=(0.0, 1.0)."),
        ({"quantiles": 0.5}, ValueError, "Received: quantiles=0.5. For example"),
        (
            {"formats": "jpeg"},
            ValueError,
            "LatentTraversal expects formats among 'png', 'gif', 'tensorboard'. Received: "
            "formats='jpeg'. Change the value.",
        ),
    ],
)
def test_errors_of_the_constructor(tmp_path, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        LatentTraversal(tmp_path, **arguments)


@pytest.mark.parametrize(
    "dims",
    [
        *(None, np.int64(3), range(2)),
        *(
            pytest.param(dims, marks=pytest.mark.stress)
            for dims in (3, [0, 2], (0, 2), np.array([1]))
        ),
    ],
)
def test_dims_may_be_anything_that_names_latents(tmp_path, dims):
    fit(LatentTraversal(tmp_path, dims=dims), epochs=1)
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize(("module", "package"), [("matplotlib", "matplotlib"), ("PIL", "pillow")])
def test_a_missing_package_is_told_at_once(tmp_path, monkeypatch, module, package):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == module else find(name),
    )
    message = (
        f"LatentTraversal expects the package {package} for formats=('png',). Received: no "
        f"{package} in this environment. Install it with `pip install {package}`."
    )
    with pytest.raises(ImportError, match=re.escape(message)):
        LatentTraversal(tmp_path)


def test_drawing_needs_no_window_and_gives_no_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(LatentTraversal(tmp_path, X, num_steps=2), epochs=1)
