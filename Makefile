# `make setup` makes everything in .venv from the locks; every other target builds on it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: setup lock openapi lint unit infra integration e2e whole test bench chaos

setup: $(STAMP) infra/node_modules/.package-lock.json

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Museway needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Name one with: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

infra/node_modules/.package-lock.json: infra/package.json infra/package-lock.json | $(STAMP)
	$(BIN)/npm ci --prefix infra --silent --no-audit --no-fund
	@touch $@

# Resolve again after a change of pyproject.toml; the Lambda locks are cuts of the one lock.
lock:
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra cli \
	  --group lambda --group media --group tools --group dev pyproject.toml -o requirements.lock
	for group in lambda:vendor media:media; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --group $${group%%:*} -c requirements.lock -o layers/$${group##*:}/requirements.lock || exit 1; \
	done

# The API's description, drawn from the handlers; a test fails when it is older than they are.
openapi: setup
	POWERTOOLS_SERVICE_NAME=build $(BIN)/python -m infra.openapi

# Everything, quickest first; each suite is a target of its own.
test: lint unit infra integration e2e

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

unit: setup
	$(BIN)/pytest -q -n 2 tests/unit

infra: setup
	$(BIN)/pytest -q tests/infra

integration: setup
	$(BIN)/pytest -q -n 2 --dist worksteal tests/integration

e2e: setup
	$(BIN)/pytest -q tests/e2e

# All of what `make test` asks a part of: the seeds' statements and every offer over the running system, every model by
# both doors, every fault at every provider, a video as large as the memory.
whole: setup
	$(BIN)/pytest -q -n 2 --dist worksteal tests/integration/test_every_model.py tests/integration/test_two_offers.py \
	  tests/integration/test_large_outputs.py --whole
	$(BIN)/pytest -q tests/e2e/test_seed_table.py tests/e2e/test_offers.py --whole

# What the performance budget comes to on this machine; writes tests/bench/RESULTS.md. No part of `make test`.
bench: setup
	@$(BIN)/python -m tests.bench

# The proof: every path with a crash, an error, a conflict or a rival around each of its calls, and the state machine by
# many seeds; writes tests/RELIABILITY.md. `make test` runs a part of it.
POINTS ?= 20000
RUNS ?= 500
SEED ?= 1
chaos: setup
	@$(BIN)/python -m tests.chaos --points $(POINTS) --runs $(RUNS) --seed $(SEED)

.PHONY: up down demo

# The whole system on this machine: `make up` until Ctrl-C, `make up ARGS="--detach"`, `make down`.
up: setup
	@$(BIN)/museway up $(ARGS)

down: setup
	@$(BIN)/museway down

# An image, a video made of it and a spoken sentence, with the exact bill; starts and stops its own system.
demo: setup
	@$(BIN)/python -m infra.local.demo
