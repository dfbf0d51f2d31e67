"""Several processes train one model, as one process does on the same batches."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import workers_script

from keras_vae import families

# Two workers alike; with --stress three, and some that die.
ORDINARY, ALL = ("2",), ("2", "3", "whole", "killed", "resumed")
NUMBERS = [2, pytest.param(3, marks=pytest.mark.stress)]


@pytest.fixture(scope="module")
def folder(shared_folder, effort):
    def run(folder):
        process = subprocess.run(
            [sys.executable, workers_script.__file__, str(folder), *effort(ORDINARY, ALL)],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        if process.returncode:
            pytest.fail(f"exit code {process.returncode}\n{process.stderr[-3000:]}")

    return shared_folder("workers", run)


def read(folder, name):
    return json.loads(pathlib.Path(folder, f"{name}.json").read_text())


@pytest.fixture(scope="module")
def alone():
    """What one process makes of the same data, with a posterior that has no noise."""
    x, size = workers_script.X, workers_script.BATCH_SIZE
    model = workers_script.build(families.Deterministic(2))
    return {
        "history": workers_script.fit(model, shuffle=False, validation_data=(x, x)),
        "evaluate": model.evaluate(x, batch_size=size, verbose=0, return_dict=True),
        "predict": model.predict(x, batch_size=size, verbose=0),
        "weights": [weight.numpy() for weight in model.trainable_weights],
    }


@pytest.mark.parametrize("number", NUMBERS)
def test_workers_train_as_one_process_does(number, folder, alone):
    for index in range(number):
        result = read(folder, f"of {number} {index}")
        # The sums over the batches are taken in another order.
        for name, values in alone["history"].items():
            np.testing.assert_allclose(result["history"][name], values, rtol=1e-5, err_msg=name)
        for name, value in alone["evaluate"].items():
            np.testing.assert_allclose(result["evaluate"][name], value, rtol=1e-5, err_msg=name)
        for a, b in zip(result["weights"], alone["weights"], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(result["predict"], alone["predict"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("number", NUMBERS)
def test_workers_have_the_same_weights_and_noise_of_their_own(number, folder):
    results = [read(folder, f"of {number} {index}") for index in range(number)]
    assert all(result["weights"] == results[0]["weights"] for result in results)
    noise = {tuple(np.ravel(result["noise"])) for result in results}
    assert len(noise) == number


@pytest.mark.stress
def test_the_first_worker_writes(folder):
    for run in ("whole run", "killed run"):
        pictures = sorted(path.name for path in pathlib.Path(folder, run).glob("pictures*"))
        assert pictures == ["pictures of 0"]
        assert len(list(pathlib.Path(folder, run, "pictures of 0").glob("*.png"))) == 3


@pytest.mark.stress
def test_a_worker_that_dies_ends_the_others_with_an_error(folder):
    report = read(folder, "killed")
    assert report["statuses"] == [0, -9]
    assert report["backups"] == ["backup.npz"]
    result = read(folder, "killed 0")
    # Ten seconds without a heartbeat, and the time that the run itself takes.
    assert result["seconds"] < read(folder, "whole 0")["seconds"] + 60
    assert "/task:1" in result["error"]
    assert "unhealthy" in result["error"] or "Unavailable" in result["error"]


@pytest.mark.stress
def test_the_cluster_that_is_started_again_ends_as_if_no_worker_had_died(folder):
    assert read(folder, "resumed") == {"statuses": [0, 0], "backups": []}
    whole = read(folder, "whole 0")
    for index in range(2):
        resumed = read(folder, f"resumed {index}")
        assert resumed["weights"] == whole["weights"]
        assert resumed["history"] == whole["history"]
