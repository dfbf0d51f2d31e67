"""What `import keras_vae` adds to importing TensorFlow, Keras and TFP.

Every import is a process of its own; the two kinds alternate. As after an installation, Python's
compiled files are there: a round that is not counted writes them. Run:

    python benchmarks/import_time.py [--rounds 7]
"""

import argparse
import os
import subprocess
import sys

import numpy as np

_TIMED = """
import time
import tensorflow, tensorflow_probability
{before}
start = time.perf_counter()
import keras_vae
print(time.perf_counter() - start)
"""
# TFP loads its modules when they are first used; a program that uses distributions has loaded them.
KINDS = {
    "after `import tensorflow, tensorflow_probability`": "",
    "after their distributions are loaded as well": "tensorflow_probability.distributions.Normal",
}


def seconds(before):
    """Returns the seconds that `import keras_vae` takes in a new process."""
    command = [sys.executable, "-W", "ignore", "-c", _TIMED.format(before=before)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(result.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    times = {kind: [] for kind in KINDS}
    seconds("")
    for _ in range(rounds):
        for kind, before in KINDS.items():
            times[kind].append(seconds(before))
    for kind, values in times.items():
        print(
            f"{kind}: median {np.median(values):.3f} s, from {min(values):.3f} to {max(values):.3f}"
        )


if __name__ == "__main__":
    main()
