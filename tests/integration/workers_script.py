"""Trains one model in several processes, and writes what each made of it. Run by `test_workers.py`.

TensorFlow is imported once: every worker is a fork of this process.
"""

import json
import os
import pathlib
import signal
import socket
import sys
import time
import traceback

import keras
import numpy as np
import tensorflow as tf

from keras_vae import LatentTraversal, VAEModel, callbacks, families, layers

EPOCHS, BATCH_SIZE = 3, 6
X = np.random.default_rng(0).normal(size=(4 * BATCH_SIZE - 1, 4)).astype("float32")


def build(posterior):
    """Returns a compiled model; in the scope of a strategy, one of all workers."""
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(posterior.params_size)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4)])
    model = VAEModel(encoder, decoder, posterior, families.Normal(4), seed=1)
    model.compile(keras.optimizers.Adam(0.05))
    return model


class DieAfter(keras.callbacks.Callback):
    """Kills its process at the end of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)


def fit(model, **kwargs):
    return model.fit(X, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=0, **kwargs).history


def results(strategy):
    """Returns what can be compared with one process: a posterior without noise."""
    with strategy.scope():
        model = build(families.Deterministic(2))
        sampling = layers.Sampling(seed=1)
    history = fit(model, shuffle=False, validation_data=(X, X))
    zeros = tf.zeros([1, 3])
    noise = strategy.run(lambda: sampling([zeros, zeros]))
    return {
        "history": history,
        "evaluate": model.evaluate(X, batch_size=BATCH_SIZE, verbose=0, return_dict=True),
        "predict": model.predict(X, batch_size=BATCH_SIZE, verbose=0).tolist(),
        "weights": [weight.numpy().tolist() for weight in model.trainable_weights],
        "noise": noise.numpy().tolist(),
    }


def resumable(strategy, folder, index, death=None):
    """Returns the end of a run with noise, pictures and backups, during which a worker may die."""
    with strategy.scope():
        model = build(families.MultivariateNormalDiag(2))
    extras = [
        callbacks.BackupAndRestore(folder / "backup"),
        LatentTraversal(folder / f"pictures of {index}", x=X[:2]),
    ]
    if death == index:
        extras.append(DieAfter(1))
    history = fit(model, shuffle=False, callbacks=extras)
    weights = [weight.numpy().tolist() for weight in model.trainable_weights]
    return {"history": history, "weights": weights}


def work(index, ports, task, path):
    """What a worker does: it writes the result of a task, or the error that ended it."""
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": cluster, "task": {"type": "worker", "index": index}}
    )
    start = time.monotonic()
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        result = task(strategy, index)
    except Exception as error:
        traceback.print_exc()
        result = {"error": f"{type(error).__name__}: {error}"}
    result["seconds"] = time.monotonic() - start
    path.write_text(json.dumps(result))


def free_ports(number):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(number)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def cluster(folder, name, num_workers, task):
    """Runs a task in so many processes at once. Returns their exit statuses."""
    ports, children = free_ports(num_workers), []
    for index in range(num_workers):
        child = os.fork()
        if not child:
            try:
                work(index, ports, task, folder / f"{name} {index}.json")
            finally:
                # Without a word to the others at exit: they may be dead.
                os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main(folder, *tasks):
    """Runs tasks: a number of workers, or the name of a run with backups."""
    folder = pathlib.Path(folder)
    for number in map(int, filter(str.isdigit, tasks)):
        cluster(folder, f"of {number}", number, lambda strategy, index: results(strategy))
    for name, part, death in (
        ("whole", folder / "whole run", None),
        ("killed", folder / "killed run", 1),
        ("resumed", folder / "killed run", None),
    ):
        if name not in tasks:
            continue

        def task(strategy, index, part=part, death=death):
            return resumable(strategy, part, index, death)

        statuses = cluster(folder, name, 2, task)
        backups = sorted(path.name for path in (part / "backup").glob("*"))
        report = {"statuses": statuses, "backups": backups}
        (folder / f"{name}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
