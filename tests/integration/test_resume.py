"""Runs whose process is killed end as the one that was not, to the last bit."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

# How many runs, and how often each is killed.
ORDINARY, ALL = (1, 2), (4, 5)


@pytest.fixture(scope="module")
def folder(shared_folder, effort):
    script = pathlib.Path(__file__).with_name("resume_script.py")

    def run(folder):
        process = subprocess.run(
            [sys.executable, str(script), str(folder), *map(str, effort(ORDINARY, ALL))],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            pytest.fail(f"exit code {process.returncode}\n{process.stderr[-3000:]}")

    return shared_folder("resume", run)


@pytest.fixture(scope="module")
def report(folder):
    return json.loads((folder / "report.json").read_text())


def test_every_kill_was_one(report, effort):
    runs, kills = effort(ORDINARY, ALL)
    assert len(report["kills"]) == runs * kills
    assert {status for _, status, _ in report["kills"]} == {-9}
    # One in the middle of a file leaves half of it, beside the backup before it.
    halves = [files for _, _, files in report["kills"][1::kills]]
    assert all(len(files) == 2 and files[1] == "backup.npz" for files in halves)


def test_a_run_that_is_started_again_ends(report):
    for status, files in [report["whole"], *report["ends"]]:
        assert status == 0
        assert files == []


def test_weights_noise_and_history_are_those_of_the_run_that_was_not_killed(folder, report):
    whole = np.load(folder / "whole" / "result.npz")
    assert len(whole["epochs"]) == len(whole["history loss"]) == 5
    for number in range(len(report["ends"])):
        killed = np.load(folder / f"killed {number}" / "result.npz")
        assert killed.files == whole.files
        for name in whole.files:
            np.testing.assert_array_equal(killed[name], whole[name], err_msg=name)


def test_the_log_is_that_of_the_run_that_was_not_killed(folder, report):
    expected = (folder / "whole" / "log.csv").read_bytes()
    for number in range(len(report["ends"])):
        assert (folder / f"killed {number}" / "log.csv").read_bytes() == expected
