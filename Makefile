# `make quickstart` and `make test` are all a newcomer needs: each makes .venv where it is missing.
PYTHON ?= python3
VENV ?= .venv
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: quickstart test stress check format docs bench

quickstart: $(VENV)/.installed
	$(VENV)/bin/python examples/quickstart.py

test: $(VENV)/.installed
	$(VENV)/bin/python -m pytest -n auto --dist loadgroup

# The exhaustive tests too: an hour.
stress: $(VENV)/.installed
	$(VENV)/bin/python -m pytest -n auto --dist loadgroup --stress

check: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

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

# Installed anew when the metadata changes.
$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --editable ".[dev]"
	touch $@
