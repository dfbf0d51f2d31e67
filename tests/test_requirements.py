"""What must be there is asked for in one sentence; what need not be is not imported."""

import os
import subprocess
import sys

import pytest


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("backend", ["jax", "torch", "numpy"])
def test_another_backend_is_met_with_one_sentence(backend):
    process = run("import keras_vae", KERAS_BACKEND=backend)
    assert process.returncode == 1
    last = process.stderr.strip().splitlines()[-1]
    assert last == (
        "ImportError: keras_vae expects Keras to run on TensorFlow. "
        f"Received: KERAS_BACKEND='{backend}'. "
        "Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported."
    )
    # Neither package was touched: an absent backend would have failed with a riddle of its own.
    assert "import keras\n" not in process.stderr


def test_a_missing_tf_keras_is_met_with_one_sentence():
    hide = (
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = classmethod(\n"
        "    lambda cls, name, *rest: None if name == 'tf_keras' else find(name, *rest)\n"
        ")\n"
        "import keras_vae\n"
    )
    process = run(hide)
    assert process.returncode == 1
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: keras_vae expects the package tf_keras")
    assert "pip install 'tensorflow-probability[tf]'" in last


@pytest.mark.stress
def test_optional_packages_are_not_imported():
    # What the packages below us load (Keras loads some that it finds) is not ours to change.
    code = (
        "import sys, keras, tensorflow, tensorflow_probability\n"
        "before = set(sys.modules)\n"
        "import keras_vae\n"
        "optional = {'matplotlib', 'PIL', 'sklearn', 'tensorboard'}\n"
        "print('loaded:', sorted(optional & set(sys.modules) - before))\n"
    )
    process = run(code)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == "loaded: []"
