"""Training that takes hours, and goes on where it was killed."""

import json
import os
import time
import zipfile

import keras
import numpy as np

# An archive may hold more than Keras reads: so the model and its epochs cannot disagree.
_CLOCK = "seconds.json"


def train(path, build, epoch_data, epochs, **fit_arguments):
    """Returns a model after this many epochs, and the seconds they took.

    The model is saved after every epoch. A run that is killed and started again ends as if it
    had not been: the data are shuffled by the number of the epoch, and the optimizer and the
    noise of the model are saved with it.

    Args:
        path: Path of the saved model, which ends in ".keras".
        build: Function without arguments that gives the compiled model.
        epoch_data: Function of the number of an epoch, which gives its examples.
        epochs: Integer, how many to train in all.
        **fit_arguments: For `fit`: `batch_size` and the like.
    """
    model, seconds = _load(path) if path.exists() else (build(), [])
    for epoch in range(len(seconds), epochs):
        start = time.perf_counter()
        x = epoch_data(epoch)
        x = x[np.random.default_rng(epoch).permutation(len(x))]
        logs = model.fit(x, shuffle=False, verbose=0, **fit_arguments).history
        seconds.append(time.perf_counter() - start)
        _save(path, model, seconds)
        figures = ", ".join(f"{name} {values[-1]:.2f}" for name, values in logs.items())
        print(f"{path.stem}, epoch {epoch + 1} of {epochs}, {seconds[-1]:.0f} s: {figures}")
    return model, sum(seconds)


def _load(path):
    with zipfile.ZipFile(path) as archive:
        seconds = json.loads(archive.read(_CLOCK))
    return keras.saving.load_model(path), seconds


def _save(path, model, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"unfinished-{path.name}")
    model.save(temporary)
    with zipfile.ZipFile(temporary, "a") as archive:
        archive.writestr(_CLOCK, json.dumps(seconds))
    os.replace(temporary, path)
