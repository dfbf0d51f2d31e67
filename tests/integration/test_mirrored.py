"""Two replicas train like one."""

import itertools
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def results(shared_folder, effort):
    wanted = effort(ORDINARY, CASES)
    folder = shared_folder("mirrored", lambda folder: run(folder, wanted))
    return json.loads((folder / "results.json").read_text())


def run(folder, cases):
    """Runs the script on these cases, and those that it always has; it writes `results.json`."""
    script = pathlib.Path(__file__).with_name("mirrored_script.py")

    def attempt():
        return subprocess.run(
            [sys.executable, str(script), str(folder / "results.json"), *cases],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )

    process = attempt()
    if process.returncode < 0:
        # Killed by a signal. The script once ended without a traceback on a busy machine, and its
        # exit code was not recorded; an error of Python's own is never tried again.
        process = attempt()
    if process.returncode:
        pytest.fail(f"exit code {process.returncode}\n{process.stderr[-3000:]}")


CASES = [
    "even",
    "uneven",
    "one example",
    "last of one",
    "weighted",
    "learned scale",
    "optimal scale",
    "metrics",
    "regularizer",
    "quantizer",
    "quantizer, one example",
    "quantizer with a loss",
    "quantizers in a plain model",
    "constrained",
    "skipped",
]


# A case is two models, each with a step to trace, and another one for a smaller last batch.
ORDINARY = ("regularizer", "quantizer", "skipped")
every_case = pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=() if case in ORDINARY else pytest.mark.stress) for case in CASES],
)


@every_case
def test_two_replicas_train_like_one(results, case):
    one, two = results[case]
    for name in ("weights", "optimizer"):
        assert len(one[name]) == len(two[name])
        for left, right in zip(one[name], two[name], strict=True):
            # Float32 sums in another order, through Adam's division by the gradient's size.
            np.testing.assert_allclose(right, left, rtol=1e-3, atol=1e-5)


@every_case
def test_two_replicas_log_like_one(results, case):
    one, two = (result["logs"] for result in results[case])
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-4, err_msg=name)


def test_a_step_that_is_bad_on_one_replica_is_skipped_on_both(results):
    for result in results["skipped"]:
        assert result["logs"]["skipped_steps"] == [1, 1]
        assert np.isfinite(result["logs"]["loss"]).all()


@pytest.mark.parametrize("half", [False, True])
def test_faults_in_a_row_on_the_second_replica_stop_both(results, half):
    result = results[f"fault, half={half}"]
    assert "non-finite reconstruction term in 3 steps in a row" in result["error"]
    assert result["unchanged"]


def test_the_noise_of_every_replica_and_step_is_its_own(results):
    assert len(results["noise"]) == 4
    for a, b in itertools.combinations(results["noise"], 2):
        assert not np.isin(a, b).any()


def test_restarted_codes_are_vectors_of_all_replicas_and_the_same_on_each(results):
    first, second = results["restart, both"]
    assert first == second
    # One or two codes are in use and move by the averages; the replicas take turns for the others.
    assert sum(code == [1.0, 2.0] for code in first[::2]) >= 2
    assert sum(code == [3.0, 4.0] for code in first[1::2]) >= 2
    assert sum(code in ([1.0, 2.0], [3.0, 4.0]) for code in first) >= 6
    first, second = results["restart, second"]
    assert first == second
    # A replica without vectors has none to give: its codes wait.
    assert all(code == [3.0, 4.0] for code in first[1::2])
    assert sum(code != [3.0, 4.0] for code in first[::2]) >= 3


def test_the_replicas_keep_the_same_weights(results):
    for first, second in results["copies"]:
        assert first == second


def test_predictions_are_those_of_one_device(results):
    predicted, called = results["predicted"]
    np.testing.assert_allclose(predicted, called, rtol=1e-5, atol=1e-6)
