"""How a contestant talks to `rivals.py`: a task a line in, its seconds and its memory out."""

import json
import os
import resource
import sys
import time

import numpy as np

# Inputs, hidden units, latents, batch size and steps an epoch. The pictures of `conv` pass two
# convolutions of 32 and 64 channels, kernel 3, stride 2.
MODELS = {
    "mlp": {"inputs": 784, "hidden": (512, 256), "latents": 20, "batch": 128, "steps": 50},
    "table": {"inputs": 13, "hidden": (32,), "latents": 4, "batch": 32, "steps": 300},
    "conv": {"inputs": (28, 28, 1), "hidden": (), "latents": 20, "batch": 128, "steps": 8},
}


def data(name):
    """Returns the examples of an epoch: uniform pixels, or normal columns of the table."""
    model, rng = MODELS[name], np.random.default_rng(1)
    shape = (model["steps"] * model["batch"], *np.atleast_1d(model["inputs"]))
    x = rng.normal(size=shape) if name == "table" else rng.uniform(size=shape)
    return x.astype("float32")


def batches(name):
    """Returns ready-made batches: what is measured is the step, not the input pipeline."""
    x = data(name)
    return x.reshape(MODELS[name]["steps"], -1, *x.shape[1:])


def serve(makers):
    """Answers tasks until the input ends. Each is made and run once before it is measured.

    Args:
        makers: {task: function of the task's arguments that gives a function to be timed}.
    """
    answers, made = os.fdopen(os.dup(1), "w"), {}
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Progress bars and notices of the libraries.
    for line in sys.stdin:
        task, *arguments = json.loads(line)
        if line not in made:
            made[line] = makers[task](*arguments)
            made[line]()
        start = time.perf_counter()
        made[line]()
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "peak_mib": memory}), file=answers, flush=True)
