"""Runs that are interrupted in this process; `integration/test_resume.py` kills real ones."""

import contextlib
import errno
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import (
    KLAnnealing,
    KLDivergenceRegularizer,
    LatentTraversal,
    Sampling,
    VAEModel,
    objectives,
    schedules,
)
from keras_vae.callbacks import BackupAndRestore, PosteriorCollapse

X = np.random.default_rng(0).normal(size=(10, 4)).astype("float32")


class Interrupt(keras.callbacks.Callback):
    """Raises an error at the end of an epoch, or of a batch of it."""

    def __init__(self, epoch, batch=None):
        super().__init__()
        self.epoch, self.batch, self.now = epoch, batch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, self.batch):
            raise InterruptedError

    def on_epoch_end(self, epoch, logs=None):
        if (epoch, self.batch) == (self.epoch, None):
            raise InterruptedError


@pytest.fixture(scope="module")
def model():
    """One model for all tests, since tracing is what costs; `restart` makes a new one of it."""
    encoder = [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(4)]
    decoder = [keras.Input((2,)), keras.layers.Dense(4)]
    model = VAEModel(keras.Sequential(encoder), keras.Sequential(decoder))
    model.compile(keras.optimizers.Adam(0.05))
    model.optimizer.build(model.trainable_variables)
    model.initial = variables(model)
    return model


def restart(model):
    """What a new process begins with.

    Not by `set_random_seed`: TensorFlow would optimise every graph again.
    """
    random.seed(1)
    np.random.seed(1)
    pairs = zip([*model.variables, *model.optimizer.variables], model.initial, strict=True)
    for variable, value in pairs:
        variable.assign(value)
    return model


def plain():
    """A functional model with the layers of this package, and metrics that the data build."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    params = KLDivergenceRegularizer()(keras.layers.Dense(4)(keras.layers.Dropout(0.5)(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(4)(Sampling()(params)))
    model.compile("adam", "mse", metrics=["mae"], steps_per_execution=2)
    model.optimizer.build(model.trainable_variables)
    return model


def variables(model):
    return [v.numpy() for v in [*model.variables, *model.optimizer.variables]]


def assert_same(one, other):
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def check(path, model, interrupts, callbacks=list, save_freq="epoch", data=lambda: X, **fit):
    """Returns the history of a run that was interrupted, once it equals that of a whole one.

    `callbacks` makes those that must remember, `data` the data.
    """
    fit = {"batch_size": 2, "epochs": 4, "verbose": 0, **fit}
    expected = restart(model).fit(data(), callbacks=callbacks(), **fit)
    result = variables(model)
    for interrupt in interrupts:
        remembered = callbacks()
        backup = BackupAndRestore(path / "backup", save_freq, remembered)
        with pytest.raises(InterruptedError):
            restart(model).fit(data(), callbacks=[*remembered, backup, interrupt], **fit)
        assert [path.name for path in backup.backup_dir.iterdir()] == ["backup.npz"]
    remembered = callbacks()
    backup = BackupAndRestore(path / "backup", save_freq, remembered)
    history = restart(model).fit(data(), callbacks=[*remembered, backup], **fit)
    assert not backup.backup_dir.exists()
    assert_same(variables(model), result)
    assert history.epoch == expected.epoch
    assert history.history.keys() == expected.history.keys()
    for name, values in expected.history.items():
        assert_same(history.history[name], values)
    return history


def test_an_epoch_that_is_interrupted_is_trained_again(tmp_path, model):
    check(tmp_path, model, [Interrupt(1), Interrupt(2, 3)], validation_data=(X,))


def test_the_middle_of_an_epoch_is_gone_on_from(tmp_path, model):
    # The backup is that after two batches of the epoch: the last two errors come as these pass by.
    interrupts = [Interrupt(2, 3), Interrupt(2, 0), Interrupt(2, 1)]
    check(tmp_path, model, interrupts, save_freq=3, validation_data=(X,))


def test_a_plain_model_whose_metrics_the_data_build(tmp_path):
    fit = {"x": X, "y": X, "batch_size": 1, "epochs": 2, "verbose": 0}
    whole, resumed = plain(), plain()
    whole.initial = variables(whole)
    history = whole.fit(**fit).history
    expected = variables(whole)
    restart(whole)
    with pytest.raises(InterruptedError):
        whole.fit(**fit, callbacks=[BackupAndRestore(tmp_path, 8), Interrupt(1, 7)])
    assert resumed.fit(**fit, callbacks=[BackupAndRestore(tmp_path, 8)]).history == history
    assert_same(variables(resumed), expected)


# Keras reads weights in a way of which NumPy has a word to say.
@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_callbacks_that_watch_an_epoch_after_the_other_remember(tmp_path, model):
    def callbacks():
        # A loss that must rise is best in the first epoch, and stops the run in the fourth.
        best = {"monitor": "loss", "mode": "max"}
        return [
            keras.callbacks.EarlyStopping(**best, patience=3, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau(**best, patience=2),
            PosteriorCollapse(X, threshold=100.0, patience=3),
        ]

    with pytest.warns(UserWarning, match="Received: 0 for 3 epochs in a row") as record:
        history = check(tmp_path, model, [Interrupt(1)], callbacks, epochs=9)
    # Once in the run that is not interrupted, once in the one that goes on.
    assert len([w for w in record if "PosteriorCollapse" in str(w.message)]) == 2
    assert history.epoch == [0, 1, 2, 3]
    assert history.history["learning_rate"][2:] == pytest.approx([0.05, 0.005])


@pytest.mark.parametrize("append", [False, True])
def test_rows_of_a_log_are_those_of_a_whole_run(tmp_path, model, append):
    path = tmp_path / "log.csv"
    fit = {"x": X, "epochs": 3, "verbose": 0}
    restart(model).fit(**fit, callbacks=[keras.callbacks.CSVLogger(path, append=append)])
    expected = path.read_bytes()
    path.unlink()
    # After the row of an epoch, before the backup that follows it.
    for interrupt in (Interrupt(1), Interrupt(None)):
        log = keras.callbacks.CSVLogger(path, append=append)
        backup = BackupAndRestore(tmp_path / "backup", callbacks=[log])
        with contextlib.suppress(InterruptedError):
            restart(model).fit(**fit, callbacks=[log, backup, interrupt])
        log.csv_file.close()
    assert path.read_bytes() == expected


# Keras' words at the end of data of unknown length.
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_schedule_in_epochs_over_data_of_unknown_length(tmp_path, model):
    def data():
        return tf.data.Dataset.from_tensor_slices(X).batch(2).filter(lambda _: True)

    def callbacks():
        return [KLAnnealing(schedules.linear(0.0, 1.0, duration=3), unit="epoch")]

    history = check(tmp_path, model, [Interrupt(2, 3)], callbacks, 3, data, batch_size=None)
    # Keras finds the end of the data when it asks for a sixth batch.
    assert history.history["kl_weight"][1] == pytest.approx(2 / 3)


class Shuffled(keras.utils.PyDataset):
    """Batches in the order of Python's random numbers, noise of NumPy's on them."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return X[2 * index : 2 * index + 2] + self.noise

    def on_epoch_begin(self):
        self.noise = np.random.normal()
        self.order = random.sample(range(5), 5)

    noise = 0.0


def test_the_order_of_a_py_dataset(tmp_path, model):
    check(tmp_path, model, [Interrupt(2, 3)], list, 2, Shuffled, batch_size=None)


def test_an_order_that_is_a_function_of_the_clock(tmp_path, model):
    # The recipe of docs/resume.md.
    steps = 5

    def order(_):
        epoch = tf.cast(model.optimizer.iterations // steps, tf.int32)
        return tf.random.experimental.stateless_shuffle(tf.range(len(X)), seed=[1, epoch])

    def data():
        indices = tf.data.Dataset.range(1).map(order).unbatch()
        return indices.map(lambda index: tf.gather(X, index)).batch(2)

    def order_now():
        return np.concatenate(list(data().as_numpy_iterator()))

    restart(model)
    first = order_now()
    assert_same([order_now()], [first])
    check(tmp_path, model, [Interrupt(2, 3)], list, 2, data, batch_size=None)
    assert int(model.optimizer.iterations) == 4 * steps
    assert not np.array_equal(order_now(), first)


def test_an_animation_has_the_pictures_of_all_epochs(tmp_path, model):
    from PIL import Image

    for interrupt in (Interrupt(1), Interrupt(None)):
        traversal = LatentTraversal(tmp_path / "pictures", dims=1, num_steps=2, formats="gif")
        backup = BackupAndRestore(tmp_path / "backup", callbacks=[traversal])
        with contextlib.suppress(InterruptedError):
            restart(model).fit(X, epochs=3, verbose=0, callbacks=[traversal, backup, interrupt])
    with Image.open(tmp_path / "pictures" / "traversal.gif") as gif:
        assert gif.n_frames == 3


def test_a_backup_that_stays_is_trained_on_from(tmp_path, model):
    backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
    history = restart(model).fit(X, epochs=2, verbose=0, callbacks=[backup]).history
    trained = variables(model)
    # Nothing is left to do.
    again = restart(model).fit(X, epochs=2, verbose=0, callbacks=[backup])
    assert_same(variables(model), trained)
    assert (again.epoch, again.history) == ([0, 1], history)
    longer = model.fit(X, epochs=3, verbose=0, callbacks=[backup])
    assert longer.epoch == [0, 1, 2]
    assert longer.history["loss"][:2] == history["loss"]
    # Without the callback, a fit of the same model begins at the beginning.
    assert model.fit(X, verbose=0).epoch == [0]


def test_a_full_disk_is_one_warning_and_leaves_the_backup_before(tmp_path, model, monkeypatch):
    savez, calls = np.savez, []

    def refuse(file, *args):
        calls.append(file)
        if len(calls) > 2:
            file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        savez(file, *args)

    monkeypatch.setattr(np, "savez", refuse)
    backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
    message = "BackupAndRestore expects to write .* No space left on device. Training goes on"
    with pytest.warns(UserWarning, match=message) as record:
        restart(model).fit(X, epochs=5, verbose=0, callbacks=[backup])
    assert len(record) == 1
    assert int(model.optimizer.iterations) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["backup.npz"]
    monkeypatch.undo()
    # The last one that was whole is that of the second epoch.
    assert restart(model).fit(X, epochs=2, verbose=0, callbacks=[backup]).epoch == [0, 1]
    assert int(model.optimizer.iterations) == 2


def test_a_folder_that_is_a_file_is_one_warning(tmp_path, model):
    (tmp_path / "file").write_text("kept")
    with pytest.warns(UserWarning, match="BackupAndRestore expects to write") as record:
        restart(model).fit(X, epochs=2, verbose=0, callbacks=[BackupAndRestore(tmp_path / "file")])
    assert len(record) == 1
    assert (tmp_path / "file").read_text() == "kept"


def test_what_a_killed_writer_left_is_deleted_and_other_files_are_not(tmp_path, model):
    (tmp_path / f".backup-{'0a' * 16}.npz").write_text("half")
    (tmp_path / "thesis.txt").write_text("precious")
    restart(model).fit(X, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty"])
def test_a_damaged_backup_is_an_error(tmp_path, model, damage):
    path = tmp_path / "backup.npz"
    backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
    restart(model).fit(X, verbose=0, callbacks=[backup])
    if damage == "foreign":
        np.savez(path, np.ones(3))
    else:
        path.write_bytes(path.read_bytes()[: 1000 * (damage == "truncated")])
    with pytest.raises(ValueError, match=r"expects a whole backup of its own. Received: .*backup"):
        restart(model).fit(X, verbose=0, callbacks=[backup])


def test_a_backup_of_something_else_is_an_error(tmp_path, model):
    backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
    restart(model).fit(X, verbose=0, callbacks=[backup])
    encoder = [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(6)]
    decoder = [keras.Input((3,)), keras.layers.Dense(4)]
    wide = VAEModel(keras.Sequential(encoder), keras.Sequential(decoder))
    wide.compile()
    wide.optimizer.build(wide.trainable_variables)
    before = variables(wide)
    with pytest.raises(ValueError, match=r"a backup with shape \(4, 4\), where '.*' has the shape"):
        wide.fit(X, verbose=0, callbacks=[backup])
    wide.compile("sgd")
    with pytest.raises(ValueError, match=r"a backup with \d+ variables, where the model has \d+"):
        wide.fit(X, verbose=0, callbacks=[backup])
    wide.compile(objective=objectives.GECO(1.0))
    with pytest.raises(ValueError, match=r"a backup with . metrics, where the model has"):
        wide.fit(X, verbose=0, callbacks=[backup])
    # Nothing is half restored.
    assert_same(variables(wide)[: len(wide.weights)], before[: len(wide.weights)])
    stopping = keras.callbacks.EarlyStopping("loss")
    backup = BackupAndRestore(tmp_path, callbacks=[stopping])
    with pytest.raises(ValueError, match=r"where the backup has \[\]. Give the same ones"):
        restart(model).fit(X, verbose=0, callbacks=[backup, stopping])


def test_arguments_and_the_model_are_checked(tmp_path):
    with pytest.raises(ValueError, match="BackupAndRestore expects save_freq to be"):
        BackupAndRestore(tmp_path, save_freq=0)
    with pytest.raises(TypeError, match="BackupAndRestore expects save_freq to be"):
        BackupAndRestore(tmp_path, save_freq="batch")
    model = keras.Sequential([keras.layers.Dense(4)])
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="expects a model that is built, with weights to restore"):
        model.fit(X, X, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
