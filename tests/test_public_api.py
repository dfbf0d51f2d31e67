"""The names that users import."""

import importlib
import importlib.metadata
import pkgutil

import pytest

import keras_vae

FOLDERS = [
    module.name for module in pkgutil.iter_modules(keras_vae.__path__) if module.name[0] != "_"
]


def test_the_table_of_contents():
    assert set(FOLDERS) < set(keras_vae.__all__)
    for name in ("Sampling", "KLDivergenceRegularizer", "VAEModel", "KLAnnealing"):
        assert name in keras_vae.__all__
    assert "LatentTraversal" in keras_vae.__all__
    assert keras_vae.__all__ == sorted(keras_vae.__all__)
    for name in keras_vae.__all__:
        assert getattr(keras_vae, name) is not None


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_name_of_a_folder_is_there(folder):
    module = importlib.import_module(f"keras_vae.{folder}")
    public = getattr(module, "__all__", None)
    assert public, f"keras_vae.{folder} has no __all__"
    assert len(set(public)) == len(public)
    for name in public:
        assert getattr(module, name).__doc__, f"keras_vae.{folder}.{name} has no docstring"


def test_there_is_one_import_path_for_each_name():
    paths = {}
    for folder in FOLDERS:
        module = importlib.import_module(f"keras_vae.{folder}")
        for name in module.__all__:
            if callable(getattr(module, name)) and name != "get":
                paths.setdefault(name, []).append(folder)
    assert {name: where for name, where in paths.items() if len(where) > 1} == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_modules_inside_a_folder_are_private(folder):
    module = importlib.import_module(f"keras_vae.{folder}")
    inside = [found.name for found in pkgutil.iter_modules(getattr(module, "__path__", []))]
    assert [name for name in inside if not name.startswith("_")] == []


def test_the_version_is_that_of_the_installed_package():
    assert keras_vae.__version__ == importlib.metadata.version("keras-vae")


def test_every_class_is_saved_under_the_name_of_this_package():
    import keras

    for folder in ("families", "priors", "objectives", "layers", "models"):
        module = importlib.import_module(f"keras_vae.{folder}")
        for name in module.__all__:
            cls = getattr(module, name)
            abstract = getattr(cls, "__abstractmethods__", None)
            if isinstance(cls, type) and hasattr(cls, "get_config") and not abstract:
                assert keras.saving.get_registered_name(cls) == f"keras_vae>{name}"
