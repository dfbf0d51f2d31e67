"""Trains, is killed, trains on, and writes what came out. Run by `test_resume.py`.

TensorFlow is imported once; each run is a fork of this process, which then is killed by SIGKILL:
soon after a random event of `fit`, or by itself in the middle of a file.
"""

import json
import os
import pathlib
import random
import signal
import sys
import time
import traceback

import keras
import numpy as np
import tensorflow as tf

from keras_vae import KLAnnealing, VAEModel, callbacks, layers, objectives, priors, schedules

EPOCHS, BATCHES = 5, 6
# The beginnings and ends of epochs and batches.
EVENTS = EPOCHS * (2 + 2 * BATCHES)
X = np.random.default_rng(0).normal(size=(4 * BATCHES - 1, 4)).astype("float32")


class Progress(keras.callbacks.Callback):
    """Writes the number of every event of `fit` to a pipe."""

    def __init__(self, pipe):
        super().__init__()
        self.pipe = pipe

    def on_epoch_begin(self, epoch, logs=None):
        self.event = epoch * EVENTS // EPOCHS
        self.count()

    def count(self, *args, logs=None):
        os.write(self.pipe, f"{self.event}\n".encode())
        self.event += 1

    on_epoch_end = on_train_batch_begin = on_train_batch_end = count


def train(folder, save_freq, pipe):
    """A run of everything that has a state."""
    folder.mkdir(exist_ok=True)
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_inter_op_parallelism_threads(1)
    encoder = [
        keras.Input((4,)),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(4),
        layers.VectorQuantizer(3, decay=0.8, restart_after=2),
        keras.layers.Dense(4),
    ]
    decoder = [keras.Input((2,)), keras.layers.GaussianNoise(0.1), keras.layers.Dense(4)]
    model = VAEModel(
        keras.Sequential(encoder), keras.Sequential(decoder), prior=priors.VampPrior(4, 3)
    )
    model.compile("adam", objectives.GECO(3.0, rate=0.02))
    log = keras.callbacks.CSVLogger(folder / "log.csv")
    stopping = keras.callbacks.EarlyStopping("loss", patience=EPOCHS)
    learning_rate = callbacks.Annealing(
        model.optimizer.learning_rate, schedules.cosine(0.1, 0.01, EPOCHS * BATCHES)
    )
    history = model.fit(
        X,
        batch_size=4,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[
            KLAnnealing(schedules.linear(0.0, 1.0, duration=1.0), unit="run"),
            callbacks.BackupAndRestore(folder / "backup", save_freq, callbacks=[stopping, log]),
            learning_rate,
            stopping,
            log,
            Progress(pipe),
        ],
    )
    variables = [*model.variables, *model.optimizer.variables]
    np.savez(
        folder / "result.npz",
        *[variable.numpy() for variable in variables],
        stopping=[stopping.best, stopping.wait, stopping.best_epoch],
        epochs=history.epoch,
        **{f"history {name}": values for name, values in history.history.items()},
    )


def die_in_a_file():
    """Kills this process in the middle of its first backup."""
    savez = np.savez

    def half(file, *args):
        savez(file, *args)
        file.truncate(file.tell() // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    np.savez = half


def run(folder, save_freq, last_event=EVENTS, in_a_file=False):
    """Trains in a child process that may be killed. Returns its status and the backup's files.

    Args:
        folder: Folder of the run.
        save_freq: Argument of `BackupAndRestore`.
        last_event: Number of the event that it is killed after. Defaults to none.
        in_a_file: Whether it kills itself in the middle of a file. Defaults to False.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            if in_a_file:
                die_in_a_file()
            train(folder, save_freq, writer)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    with open(reader) as progress:
        for event in progress:
            if int(event) == last_event:
                # Between this event and the next one.
                time.sleep(random.uniform(0.0, 0.02))
                os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, sorted(path.name for path in (folder / "backup").glob("*"))


def main(folder, num_runs, kills_of_a_run):
    folder = pathlib.Path(folder)
    random.seed(3)
    report = {"whole": run(folder / "whole", "epoch"), "kills": [], "ends": []}
    for number in range(num_runs):
        killed = folder / f"killed {number}"
        for kill, event in enumerate(sorted(random.sample(range(EVENTS - 1), kills_of_a_run))):
            # A backup may be read by a run that writes it at other times.
            save_freq = ("epoch", 4)[kill % 2]
            moment = {"in_a_file": True} if kill == 1 else {"last_event": event}
            report["kills"].append([event, *run(killed, save_freq, **moment)])
        report["ends"].append(run(killed, "epoch"))
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
