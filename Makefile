# Everything a newcomer needs; each target does its own set-up and can be repeated.
PYTHON ?= python3
BIN := .venv/bin

# Values, engine and vault: all of the package's own modules but the assembly.
CORE = src/keyrelay/[a-z]*.py,src/keyrelay/vault/*

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
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest tests/unit --numprocesses 2 --cov --cov-report=
	$(BIN)/python -m pytest tests/contract tests/e2e tests/faults --cov --cov-append --cov-report=
	$(BIN)/python -m coverage combine --quiet --append || true
	$(BIN)/python -m coverage report --skip-covered --fail-under 95
	@echo "Values, engine and vault must be covered completely:"
	$(BIN)/python -m coverage report --skip-covered --fail-under 100 --include '$(CORE)'

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
