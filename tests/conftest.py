"""What every test shares."""

import os
import time

if "PYTEST_XDIST_WORKER" in os.environ:
    # The processes of pytest share the cores already: threads of TensorFlow would wait for each
    # other, and spin meanwhile. Read when TensorFlow is imported.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import keras
import pytest
from linear_gaussian import LinearGaussian


def pytest_addoption(parser):
    parser.addoption(
        "--stress", action="store_true", help="run the exhaustive tests too, which take an hour"
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "stress: runs with the option --stress alone")


def pytest_collection_modifyitems(config, items):
    """Leaves the exhaustive tests out of an ordinary run."""
    if not config.getoption("--stress"):
        stress = [item for item in items if item.get_closest_marker("stress")]
        config.hook.pytest_deselected(items=stress)
        items[:] = [item for item in items if not item.get_closest_marker("stress")]


@pytest.fixture(scope="session")
def effort(request):
    """A function that returns its first argument in an ordinary run, its second with --stress.

    For a number of repetitions: `effort(5, 20)`.
    """
    return lambda ordinary, stress: stress if request.config.getoption("--stress") else ordinary


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """A function of a name and of what fills a folder: one process of pytest does, for all."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def folder(name, fill):
        path, ends = root / name, [root / f"{name} {end}" for end in ("filled", "failed")]
        try:
            path.mkdir()
        except FileExistsError:
            while not any(end.exists() for end in ends):
                time.sleep(0.5)
        else:
            try:
                fill(path)
                ends[0].touch()
            except BaseException:
                ends[1].touch()
                raise
        if ends[1].exists():
            pytest.fail(f"What fills the folder of {name!r} failed in another process.")
        return path

    return folder


@pytest.fixture(autouse=True)
def seed():
    """The same weights and data in every run of a test."""
    keras.utils.set_random_seed(1)


@pytest.fixture(scope="module")
def linear():
    """A model whose evidence is known in closed form."""
    return LinearGaussian()
