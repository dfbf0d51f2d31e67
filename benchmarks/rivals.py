"""Side by side: keras_vae, pythae, TFP's layers, and what a user would write by hand.

Each contestant is a process in a virtual environment of its own, which the script makes. They
take turns within every round, one at a time, so that the noise of a shared machine hits all
alike; a ratio is the median over the rounds of the ratios within a round. Measured are a training
step of three models (`contestants/_serve.py`), on ready-made batches, and a log-likelihood by
5000 samples an example, with the memory it takes.

    python benchmarks/rivals.py [--rounds 11] [--environments rival_environments]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
import venv

import numpy as np
from _results import RESULTS, save

HERE = pathlib.Path(__file__).parent
PACKAGES = {
    "torch": ("torch==2.13.0", "pythae==0.1.2"),
    "tf_keras": ("tensorflow", "tensorflow-probability[tf]"),
    "keras_vae": ("-e", str(HERE.parent)),
}
# Name: environment, script and task.
CONTESTANTS = {
    "keras_vae": ("keras_vae", "keras_vae_fit", "steps"),
    "keras_vae, XLA, 50 steps": ("keras_vae", "keras_vae_fit", "compiled_steps"),
    "hand-written tf.function": ("keras_vae", "tf_function", "steps"),
    "TFP's layers": ("tf_keras", "tfp_layers", "steps"),
    "hand-written torch": ("torch", "torch_loop", "steps"),
    "pythae": ("torch", "pythae_trainer", "steps"),
    "pythae, its loader": ("torch", "pythae_trainer", "steps_with_its_loader"),
}
MODELS = {"mlp": 50, "table": 300, "conv": 8}  # Steps an epoch.
NUM_EXAMPLES = 64
LOG_LIKELIHOODS = {
    "keras_vae": ("keras_vae", "keras_vae_fit", "log_likelihood", 5000, NUM_EXAMPLES),
    "keras_vae, 50000 samples an example": (
        "keras_vae",
        "keras_vae_fit",
        "log_likelihood",
        50000,
        NUM_EXAMPLES // 8,
    ),
    "the decoder's products": ("keras_vae", "tf_function", "products", 5000, NUM_EXAMPLES),
    "pythae": ("torch", "pythae_trainer", "log_likelihood", 5000, NUM_EXAMPLES),
    "pythae, 1000 a batch": ("torch", "pythae_trainer", "log_likelihood", 5000, NUM_EXAMPLES, 1000),
}


class Worker:
    """A contestant's process, that answers one task at a time."""

    def __init__(self, python, script):
        self._process = subprocess.Popen(
            [python, HERE / "contestants" / f"{script}.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def run(self, *task):
        """Returns the seconds and the peak memory of the process in MiB."""
        print(json.dumps(task), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args} ended at {task}: run it by hand to see why.")
        return json.loads(answer)

    def stop(self):
        self._process.stdin.close()
        self._process.wait()


def environment(folder, name):
    """Returns the Python of a virtual environment with the packages of that name."""
    python = folder / name / "bin" / "python"
    done = folder / name / "installed"
    if not done.exists():
        venv.create(folder / name, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES[name]], check=True)
        done.touch()
    return python


def measure(pythons, contestants, rounds):
    """Returns {name: [answer of each round]} of contestants that are {name: task}.

    Each has a process of its own, so that its memory is its own too.
    """
    workers = {name: Worker(pythons[task[0]], task[1]) for name, task in contestants.items()}
    answers = {name: [] for name in contestants}
    for index in range(rounds):
        for name, task in contestants.items():
            answers[name].append(workers[name].run(*task[2:]))
        print(f"round {index + 1} of {rounds}", file=sys.stderr)
    for worker in workers.values():
        worker.stop()
    return answers


def summary(answers, count, base="keras_vae"):
    """Returns {name: (median seconds of one, ratio to the base, peak memory)}."""
    seconds = {name: np.array([a["seconds"] for a in rounds]) for name, rounds in answers.items()}
    return {
        name: {
            "seconds": float(np.median(values)) / count,
            "ratio": float(np.median(values / seconds[base])),
            "peak_mib": max(answer["peak_mib"] for answer in answers[name]),
        }
        for name, values in seconds.items()
    }


def of_log_likelihoods(answers):
    """Returns the summary of an example each."""
    results = summary(answers, 1)
    for name, figures in results.items():
        num_examples = LOG_LIKELIHOODS[name][4]
        figures["seconds"] /= num_examples
        figures["ratio"] *= NUM_EXAMPLES / num_examples
    return results


def table(results):
    """Returns the rows: milliseconds, and how many times those of `keras_vae`."""
    rows = [("", "mlp", "table", "conv")]
    for name in CONTESTANTS:
        figures = [results[model][name] for model in MODELS]
        cells = [f"{1e3 * f['seconds']:.2f} ms, {f['ratio']:.2f}x" for f in figures]
        rows.append((name, *cells))
    for name, figures in results["log_likelihood"].items():
        time_taken = f"{1e3 * figures['seconds']:.0f} ms an example, {figures['ratio']:.2f}x"
        memory = f"{figures['peak_mib']:.0f} MiB"
        rows.append((f"log-likelihood: {name}", time_taken, memory, ""))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument(
        "--environments", type=pathlib.Path, default=pathlib.Path("rival_environments")
    )
    arguments = parser.parse_args()
    start = time.perf_counter()
    folder = arguments.environments.absolute()
    pythons = {name: environment(folder, name) for name in PACKAGES}
    results, rounds = {}, {}
    for model, num_steps in MODELS.items():
        contestants = {name: (*task, model) for name, task in CONTESTANTS.items()}
        rounds[model] = measure(pythons, contestants, arguments.rounds)
        results[model] = summary(rounds[model], num_steps)
    rounds["log_likelihood"] = measure(pythons, LOG_LIKELIHOODS, max(arguments.rounds // 3, 1))
    results["log_likelihood"] = of_log_likelihoods(rounds["log_likelihood"])
    save(
        RESULTS / "rivals",
        table(results),
        medians=results,
        rounds=rounds,
        seconds=time.perf_counter() - start,
        seed=1,
    )


if __name__ == "__main__":
    main()
