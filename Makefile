# What one runs here. Each target sets up what it needs and can be repeated.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin

# Modules are compiled when they are first imported, and then kept: to compile all
# that is installed takes longer, and to compile it for each process longer still.
export PYTHONDONTWRITEBYTECODE :=
INSTALL := $(PYTHON) -m pip --python $(BIN)/python install \
  --disable-pip-version-check --no-compile --progress-bar off

# Values, engine and vault are covered completely; the assembly and the edges mostly.
CORE := src/keyrelay/ports.py,src/keyrelay/concurrency/*,src/keyrelay/network/*
CORE := $(CORE),src/keyrelay/model/*,src/keyrelay/engine/*,src/keyrelay/vault/*
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile
COVERED := --cov --cov-append --cov-report=

# No header and no index: neither paths nor hosts of this machine are written.
PIN := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
  --generate-hashes --no-header --no-annotate

.PHONY: help demo test faults faces screenshots ledgers requests plans check bench setup services schema vendored requirements

help: ## Show this
	@sed -nE 's/^([a-z]+):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 22

demo: .venv/demo ## Show it all on this machine: mails, messages, a kill, nothing lost
	@$(BIN)/keyrelay demo

test: services ## Run what one runs while working: unit, contract and end-to-end tests
	$(BIN)/coverage erase
	$(PYTEST) $(COVERED) tests/unit
	$(PYTEST) $(COVERED) tests/contract tests/e2e tests/sdk
	$(BIN)/coverage report --skip-covered --fail-under 95
	@echo "Values, engine and vault, which must be covered completely:"
	$(BIN)/coverage report --skip-covered --fail-under 100 --include '$(CORE)'

faults: services ## Run what takes longer: kills, outages, full disks, thousands of triggers
	$(PYTEST) tests/faults

faces: services ## Run TagoIO's own clients on Kafka and PostgreSQL, and look at every page
	KEYRELAY_TEST_MANY_MACHINES=1 $(PYTEST) tests/sdk
	$(PYTEST) tests/faces

screenshots: services ## Take pictures of every page, into build/screenshots
	$(BIN)/python -m tests.faces.screenshots build/screenshots

ledgers: services ## Run the ledgers of kills in full: 200 each, an hour or so
	KEYRELAY_TEST_LEDGERS=full $(PYTEST) tests/faults/test_kills.py tests/faults/test_many_kills.py \
	  tests/faults/test_killed_api.py tests/faults/test_killed_external.py \
	  tests/faults/test_many_killed_runs.py

requests: services ## Send the API twenty thousand requests, generated out of its document
	KEYRELAY_TEST_LEDGERS=full $(PYTEST) tests/e2e/api/test_generated_requests.py

plans: services ## Read the plans of all lists with a million definitions of each kind
	KEYRELAY_TEST_ROWS=1000000 $(PYTEST) tests/contract/stores/test_list_plans.py

check: setup ## Lint, check the format and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lowest: ## Run the demo with the lowest versions that pyproject.toml allows
	$(PYTHON) -m tests.lowest

bench: setup ## Measure, beside what else does the same
	$(BIN)/python -m tests.bench

setup: .venv/dev ## Install Keyrelay and the development tools into .venv

services: setup ## Fetch the real services that tests need
	$(BIN)/python -m tests.services

schema: setup ## Write the settings' JSON Schema anew
	$(BIN)/python -c 'import json; from keyrelay.app.settings import Settings; \
	  print(json.dumps(Settings.model_json_schema(), indent=2))' \
	  > config/keyrelay.schema.json

refused: setup ## Write docs/refused.md anew, from the sentences in the source
	$(BIN)/python -m tests.refused

vendored: setup ## Fetch anew, by npm, what the console loads of others
	$(BIN)/python -m tests.vendored

requirements: setup ## Pin anew, with hashes, what the image is built from
	@$(INSTALL) --quiet 'uv>=0.9'
	$(PIN) pyproject.toml --output-file deploy/requirements.txt
	echo 'hatchling>=1.27' | $(PIN) - --output-file deploy/requirements-build.txt

# One environment; each stamp says what it is complete for. What tests can demo.
.venv/demo: pyproject.toml | $(BIN)/python
	@echo "Installing Keyrelay and what its demo needs; the first time this takes a minute."
	@$(INSTALL) --editable '.[demo]' | .ci/progress
	@touch $@

.venv/dev: pyproject.toml | $(BIN)/python
	@echo "Installing Keyrelay and the development tools; the first time this takes a minute."
	@$(INSTALL) --editable '.[dev]' | .ci/progress
	@touch .venv/demo $@

# Without pip, which takes longer than all the rest of it; the one outside installs.
$(BIN)/python:
	@echo "Making .venv."
	@$(PYTHON) -m venv --without-pip .venv
