# One word for each job. `make help` lists them; .ci/run runs what a change must pass.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements/dev.txt
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url $(ARGS)
SOURCES := daemon/governd clients/python/governd_client protos tests $(wildcard bench demo)
CLIENT_TESTS := $(wildcard clients/python/tests)

# Where make test draws the line: what opens no socket, and the rest.
UNIT := $(wildcard tests/unit tests/fuzz tests/architecture) $(CLIENT_TESTS)
REST := tests $(foreach path,$(filter tests/%,$(UNIT)) tests/e2e,--ignore=$(path))

export KEEP

.PHONY: help demo test conformance e2e fuzz lint format generate requirements bench soak lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## See agents governed by a real MCP server; KEEP=1 stays up
	@$(BIN)/python -m demo.run

test: $(STAMP) ## Run unit, integration and conformance tests and the coverage gate
	$(BIN)/pytest -n auto --cov --cov-report=term $(UNIT)
	$(BIN)/pytest $(REST)

conformance: $(STAMP) ## Run the vectors that every implementation must answer alike
	$(BIN)/pytest tests/conformance $(ARGS)

e2e: $(STAMP) ## Run governd on a real Kubernetes of two nodes; as root, on Debian 12
	$(BIN)/python -m tests.e2e.cluster build
	$(BIN)/pytest $(or $(ARGS),tests/e2e)

fuzz: $(STAMP) ## Run property tests with 10,000 cases each; ARGS=path takes some
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -n auto $(or $(ARGS),tests/fuzz)

lint: $(STAMP) ## Check style, types and the floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(if $(CLIENT_TESTS),$(BIN)/mypy $(CLIENT_TESTS))
	$(BIN)/lint-imports

format: $(STAMP) ## Format the code and repair what can be repaired
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

generate: $(STAMP) ## Write the generated files anew: stubs, docs/metrics.md
	$(BIN)/python protos/generate.py
	$(BIN)/python -m governd.observability.page > docs/metrics.md

requirements: $(STAMP) ## Show what is proven: one line for each requirement
	@$(BIN)/python tests/requirements_table.py $(ARGS)

bench: $(STAMP) ## Measure, and write bench/results.json
	$(BIN)/python -m bench

soak: $(STAMP) ## Rotate identities under load for long; ARGS="--identities 1000 --minutes 30"
	$(BIN)/python -m tests.soak $(ARGS)

lock: $(STAMP) ## Resolve the dependencies, with hashes; ARGS=--upgrade takes newer ones
	$(UV_COMPILE) pyproject.toml -o requirements/runtime.txt
	$(UV_COMPILE) pyproject.toml clients/python/pyproject.toml --all-extras --group dev \
		-c requirements/runtime.txt -o $(LOCK)

clean: ## Remove what these targets made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .demo

# An environment with exactly what the lock says, and the two distributions of this checkout.
$(STAMP): $(LOCK) pyproject.toml clients/python/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r $(LOCK)
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --no-deps --no-build-isolation -e . -e clients/python
	touch $@
