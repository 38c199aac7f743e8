# Everything a newcomer needs; each target does its own set-up and can be repeated.
PYTHON ?= python3
BIN := .venv/bin

# Values, engine and vault are covered completely; the assembly and the edges mostly.
CORE := src/keyrelay/ports.py,src/keyrelay/{concurrency,network,model,engine,vault}/*
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile
COVERED := --cov --cov-append --cov-report=

.PHONY: demo test check bench schema setup

setup: .venv/ready

.venv/ready: pyproject.toml
	@echo "Setting up .venv; the first time this takes about a minute."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/keyrelay demo

test: setup
	$(BIN)/python -m tests.services
	$(BIN)/coverage erase
	$(PYTEST) $(COVERED) tests/unit
	$(PYTEST) $(COVERED) tests/contract tests/e2e
	$(PYTEST) tests/faults
	$(BIN)/coverage report --skip-covered --fail-under 95
	@echo "Values, engine and vault, which must be covered completely:"
	$(BIN)/coverage report --skip-covered --fail-under 100 --include '$(CORE)'

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m tests.bench

schema: setup
	$(BIN)/python -c 'import json; from keyrelay.settings import Settings; \
	  print(json.dumps(Settings.model_json_schema(), indent=2))' \
	  > config/keyrelay.schema.json
