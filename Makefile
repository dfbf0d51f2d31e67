# `make quickstart` and `make test` are all a newcomer needs: each makes .venv where it is missing.
PYTHON ?= python3
VENV ?= .venv
OLDEST ?= .venv-oldest
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: quickstart test test-oldest stress check format docs bench

quickstart: $(VENV)/.installed
	$(VENV)/bin/python examples/quickstart.py

test: $(VENV)/.installed
	$(VENV)/bin/python -m pytest -n auto

# What meets Keras and TensorFlow the most, on the oldest versions that setup.cfg allows.
FAST = $(addprefix tests/, conformance/test_every_layer.py conformance/test_every_prior.py \
	layers/test_sampling.py models/test_vae_model_data.py models/test_vae_model_saving.py \
	test_losses.py test_random.py)

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest -n auto $(FAST)

# The exhaustive tests too: an hour.
stress: $(VENV)/.installed
	$(VENV)/bin/python -m pytest -n auto --stress

check: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy keras_vae

format: $(VENV)/.installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.installed
	$(VENV)/bin/python benchmarks/step_time.py
	$(VENV)/bin/python benchmarks/import_time.py

# Read from the sources: nothing of the package is imported.
docs: $(VENV)/.installed
	$(VENV)/bin/python -m pip install --quiet --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

$(OLDEST)/.installed: setup.cfg pyproject.toml tests/oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade pip
	$(OLDEST)/bin/python -m pip install --quiet --constraint tests/oldest.txt --editable ".[test]"
	touch $@

# Installed anew when the metadata changes.
$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable ".[dev]"
	touch $@
