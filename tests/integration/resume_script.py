"""Trains, is killed, trains on, and writes what came out. Run by `test_resume.py`.

TensorFlow is imported once; each run is a fork of this process, which then is killed by SIGKILL:
where a random line of its progress has been read, or by itself in the middle of a file.
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
# Together they are not longer than the run.
KILLS_OF_A_RUN = 3
X = np.random.default_rng(0).normal(size=(4 * BATCHES - 1, 4)).astype("float32")


class Progress(keras.callbacks.Callback):
    """Writes a line to a pipe at every event of `fit`."""

    def __init__(self, pipe):
        super().__init__()
        for event in ("epoch_begin", "epoch_end", "train_batch_begin", "train_batch_end"):
            setattr(self, f"on_{event}", lambda *_, **__: os.write(pipe, b".\n"))


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
    model.compile("adam", objectives.GECO(3.0, rate=0.1))
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


def die_in_the_next_file():
    """Kills this process in the middle of its first backup."""
    savez = np.savez

    def half(file, *args):
        savez(file, *args)
        file.truncate(file.tell() // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    np.savez = half


def run(folder, save_freq, last_line=None, in_a_file=False):
    """Trains in a child process that may be killed. Returns its lines, its status and its files.

    Args:
        folder: Folder of the run.
        save_freq: Argument of `BackupAndRestore`.
        last_line: Number of the line of progress after which it is killed. Defaults to None.
        in_a_file: Whether it kills itself in the middle of a file. Defaults to False.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            if in_a_file:
                die_in_the_next_file()
            train(folder, save_freq, writer)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    lines = 0
    with open(reader) as progress:
        for _ in progress:
            lines += 1
            if lines == last_line:
                # Between this event and the next one.
                time.sleep(random.uniform(0.0, 0.02))
                os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    files = sorted(path.name for path in (folder / "backup").glob("*"))
    return lines, status, files


def main(folder, num_kills):
    folder = pathlib.Path(folder)
    random.seed(3)
    report = {"whole": run(folder / "whole", "epoch"), "kills": [], "ends": []}
    lines = report["whole"][0]
    while len(report["kills"]) < num_kills:
        chain = len(report["ends"])
        save_freq = ("epoch", 4)[chain % 2]
        for kill in range(min(KILLS_OF_A_RUN, num_kills - len(report["kills"]))):
            last_line = random.randint(1, lines // KILLS_OF_A_RUN)
            moment = {"in_a_file": True} if kill == 1 else {"last_line": last_line}
            report["kills"].append(run(folder / f"killed {chain}", save_freq, **moment))
        report["ends"].append(run(folder / f"killed {chain}", save_freq))
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
