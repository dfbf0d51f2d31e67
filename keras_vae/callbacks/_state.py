"""The state of a run beside the model's: of other callbacks, of the history and of random numbers.

What is returned can be written by `_backup`, and is read as it was, tuples as lists.
"""

import inspect
import random

import keras
import numpy as np

from keras_vae.callbacks._backup import is_plain
from keras_vae.callbacks._clock import Clock

# What Keras gives a callback for each `fit`.
_OF_THE_RUN = ("params", "_model", "_params")


def callback_state(callback):
    """Returns what a callback has noted while training: numbers, texts and arrays.

    Arguments of its constructor are no state, nor are functions and other objects.
    """
    arguments = inspect.signature(type(callback).__init__).parameters
    state = {}
    for name, value in vars(callback).items():
        value = callback_state(value) if isinstance(value, Clock) else value
        if name not in arguments and name not in _OF_THE_RUN and is_plain(value):
            state[name] = value
    if isinstance(callback, keras.callbacks.CSVLogger):
        with open(callback.filename, newline="") as file:
            state["_rows"] = file.read()
    return state


def restore_callback(callback, state):
    """Gives a callback, whose training has begun, the state that another one had."""
    for name, value in state.items():
        current = getattr(callback, name, None)
        if isinstance(current, Clock):
            restore_callback(current, value)
        elif name != "_rows":
            setattr(callback, name, value)
    if isinstance(callback, keras.callbacks.CSVLogger):
        # Rows that were written after the backup are of epochs that are trained again.
        callback.csv_file.seek(0)
        callback.csv_file.truncate()
        callback.csv_file.write(state["_rows"])
        callback.csv_file.flush()
        callback.append_header = not state["_rows"]


def history_state(history):
    """Returns what a `keras.callbacks.History` has of the epochs so far."""
    logs = {name: values for name, values in history.history.items() if is_plain(values)}
    return {"logs": logs, "epochs": history.epoch}


def restore_history(history, state):
    """Puts the epochs of an earlier run before those of this one."""
    history.history = state["logs"]
    history.epoch = state["epochs"]


def random_state():
    """Returns the state of the random numbers of Python and NumPy that have no owner."""
    name, *numpy_state = np.random.get_state()
    return {"python": random.getstate(), "numpy": [name, *numpy_state]}


def restore_random(state):
    """Sets the random numbers of Python and NumPy."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(tuple(state["numpy"]))
