import pathlib
from collections.abc import Sequence
from typing import Any, Literal

import keras

from keras_vae._checks import count, flag, items, path
from keras_vae._distribute import wait_for_all
from keras_vae._files import remove_leftovers
from keras_vae._types import Integer, Path
from keras_vae.callbacks import _backup
from keras_vae.callbacks._attempts import Attempts
from keras_vae.callbacks._pass_by import pass_by
from keras_vae.callbacks._state import (
    callback_state,
    history_state,
    random_state,
    restore_callback,
    restore_history,
    restore_random,
)
from keras_vae.callbacks._variables import assign_values, values_of


class BackupAndRestore(keras.callbacks.Callback):
    """Lets a run that was killed go on as if it never had been.

    Give `fit` the same arguments again: it begins at the last backup, and ends with the weights,
    the optimizer, the noise and the history of a run without a break, to the last bit where the
    operations are deterministic. Keras' callback of this name starts the noise of every layer
    anew, the epoch in whose middle it was, and the history. A backup is one file that is complete
    or not there: whenever the process ends, the one before it is whole. One that cannot be
    written is a warning, and training goes on. The order of the data must be the same again:
    call `keras.utils.set_random_seed` first, and see docs/resume.md.

    Args:
        backup_dir: Folder for `backup.npz`. Each run needs one of its own.
        save_freq: "epoch", before every epoch, or an integer >= 1, after so many batches.
            Defaults to "epoch".
        callbacks: List of those other callbacks of this `fit` that must remember: `EarlyStopping`,
            `ReduceLROnPlateau`, `ModelCheckpoint`, `CSVLogger`, `PosteriorCollapse`. Their
            numbers, and the rows of `CSVLogger`, become part of the backup. Defaults to none.
        delete_checkpoint: Whether the backup is deleted when training ends. A backup that stays
            makes a further `fit` go on from there. Defaults to True.

    Raises:
        TypeError: If `save_freq` is of another kind.
        ValueError: If `save_freq` is below 1, or when training begins and the model is not built,
            the backup is damaged or that of another model or other callbacks.

    Reference:
        Section 4.3 of Abadi et al., "TensorFlow: A System for Large-Scale Machine Learning",
        2016 (fault tolerance by checkpoints).

    Example:
        >>> import keras, numpy as np, tempfile
        >>> from keras_vae import VAEModel
        >>> encoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8)])
        >>> model = VAEModel(encoder, decoder, likelihood="bernoulli")
        >>> model.compile()
        >>> backup = BackupAndRestore(tempfile.mkdtemp(), delete_checkpoint=False)
        >>> history = model.fit(np.ones((16, 8)), epochs=2, verbose=0, callbacks=[backup])
        >>> model.fit(np.ones((16, 8)), epochs=3, verbose=0, callbacks=[backup]).epoch
        [0, 1, 2]
    """

    _epoch: int | None

    def __init__(
        self,
        backup_dir: Path,
        save_freq: Integer | Literal["epoch"] = "epoch",
        callbacks: Sequence[keras.callbacks.Callback] = (),
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        self.backup_dir = pathlib.Path(path(backup_dir, "backup_dir", owner))
        at_epochs = isinstance(save_freq, str) and save_freq == "epoch"
        self.save_freq = save_freq if at_epochs else count(save_freq, "save_freq", owner)
        self.callbacks = items(callbacks, "callbacks", owner)
        self.delete_checkpoint = flag(delete_checkpoint, "delete_checkpoint", owner)
        self._path = self.backup_dir / "backup.npz"

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._check_built()
        self._epoch, self._attempts = None, Attempts(self, "backup")
        self._restored, self._batches = None, 0
        self._attempts.succeeds(self._path, lambda: remove_leftovers(self._path))
        if self._path.exists():
            self._restored = _backup.read(self._path)
            self._check_callbacks()
            assign_values(self.model, self._restored["values"])
            # What Keras' own callback sets, and `fit` looks at next.
            self.model._initial_epoch = self._restored["epoch"]
        # Before the first of several processes writes a backup that the others would read.
        wait_for_all(self.model.distribute_strategy)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._executions, self._skipped = epoch, 0, 0
        restored, self._restored = self._restored, None
        if restored is not None:
            self._go_on(restored)
        self._random = random_state()
        if restored is None and self.save_freq == "epoch":
            self._save(epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._executions += 1
        if self.save_freq == "epoch" or self._executions <= self._skipped:
            return
        self._batches += self.model.steps_per_execution
        if self._batches >= self.save_freq:
            self._batches = 0
            self._save(self._epoch, self._executions)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._restored is not None:
            # There was no epoch left.
            self.model._initial_epoch = None
            restore_history(self.model.history, self._restored["history"])
        if self.delete_checkpoint:
            self._attempts.succeeds(self._path, self._delete)
        elif self._epoch is not None:
            self._random = random_state()
            self._save(self._epoch + 1)

    def _go_on(self, restored):
        """Restores what is there only now that every callback has begun."""
        self.model._initial_epoch = None
        # Once more: `fit` has reset the metrics, and other callbacks may have changed variables.
        assign_values(self.model, restored["values"])
        restore_random(restored["random"])
        restore_history(self.model.history, restored["history"])
        for callback, (_, state) in zip(self.callbacks, restored["callbacks"], strict=True):
            restore_callback(callback, state)
        self._skipped = restored["executions"]
        if self._skipped:
            pass_by(self.model, self._skipped, restored["values"])

    def _save(self, epoch, executions=0):
        """Writes a backup at this epoch, so many executions of steps after its beginning."""

        # By every process, since some variables are sums over all of them.
        values = values_of(self.model)

        def write():
            state = {
                "epoch": epoch,
                "executions": executions,
                "values": values,
                # Those of the epoch's beginning: its data is passed by in the same order.
                "random": self._random,
                "history": history_state(self.model.history),
                "callbacks": [(_name(c), callback_state(c)) for c in self.callbacks],
            }
            _backup.write(self._path, state)

        self._attempts.succeeds(self._path, write)

    def _delete(self):
        self._path.unlink(missing_ok=True)
        # Only a folder of our own is empty now.
        if self.backup_dir.exists() and not any(self.backup_dir.iterdir()):
            self.backup_dir.rmdir()

    def _check_built(self):
        model = self.model
        if not all(layer.built for layer in model._flatten_layers()):
            raise ValueError(
                "BackupAndRestore expects a model that is built, with weights to restore. "
                f"Received: the {type(model).__name__} {model.name!r}, which is not. Give its "
                "networks an Input, or call evaluate() on a batch first."
            )
        if not model.optimizer.built:
            with model.distribute_strategy.scope():
                model.optimizer.build(model.trainable_variables)

    def _check_callbacks(self):
        names, saved = map(_name, self.callbacks), self._restored["callbacks"]
        if [*names] != [name for name, _ in saved]:
            raise ValueError(
                "BackupAndRestore expects the callbacks of the run that was interrupted. Received: "
                f"callbacks={self.callbacks!r}, where the backup has {[n for n, _ in saved]}. "
                "Give the same ones, or take another backup_dir."
            )


def _name(callback):
    return type(callback).__name__
