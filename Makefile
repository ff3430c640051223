# `make` or `make help` lists what there is. Everything runs in .venv, which is made on the first call.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
STAMP := .venv/.environment
PROJECTS := shared/pyproject.toml $(wildcard services/*/pyproject.toml) cli/pyproject.toml deploy/local/pyproject.toml
# Options for pytest, for example: make test PYTEST='-k outbox'
PYTEST ?=
UPGRADE ?=
# No test may hang a run; the slowest fault test takes a good minute.
PYTEST_LIMIT := --timeout=300
# Each worker has a broker and a database of its own; the whole system is started once, with the machine to itself.
BESIDE_EACH_OTHER := --numprocesses=auto --maxprocesses=4 --dist=loadfile
UV_COMPILE := uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-package fourones-shared \
	--no-header --universal --python-version 3.11

.PHONY: help run start stop status demo clean test test-quick faults bench lint format typecheck contracts schemas lock env

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-11s\033[0m %s\n", $$1, $$2}'

run: env ## Run everything on this machine in the foreground; Ctrl-C stops it
	@exec $(BIN)/fourones-local run

start: env ## The same in the background; returns when everything is ready
	@$(BIN)/fourones-local start

stop: env ## Stop what `make start` started; the data stay
	@$(BIN)/fourones-local stop

status: env ## Show what is running
	@$(BIN)/fourones-local status

demo: env ## Add synthetic plans with simulated figures; starts the system if it does not run
	@$(BIN)/fourones-local demo

clean: env ## Delete all data under .local (not Kafka's jars); refuses while the system runs
	@$(BIN)/fourones-local clean

# Cheapest first, so that a slip of the pen is told within seconds.
test: env ## Check everything: lint, types, contracts, catalogue, every test
	@$(MAKE) lint
	@$(MAKE) typecheck
	@$(MAKE) contracts
	@echo "── catalogue"
	@$(BIN)/fourones catalogue check catalogue
	@$(BIN)/fourones-local install-monitoring
	@$(BIN)/fourones-local install-office
	@echo "── tests (lint, types, contracts and catalogue are fine)"
ifeq ($(strip $(PYTEST)),)
	@$(BIN)/python -m pytest $(PYTEST_LIMIT) $(BESIDE_EACH_OTHER) tests/contract tests/fuzz tests/integration tests/unit
	@$(BIN)/python -m pytest $(PYTEST_LIMIT) tests/e2e tests/faults
else
	@$(BIN)/python -m pytest $(PYTEST_LIMIT) $(PYTEST)
endif

test-quick: env ## Only the tests that need neither broker nor database
	@$(BIN)/python -m pytest $(PYTEST_LIMIT) tests/unit tests/contract $(PYTEST)

# One kill takes about five seconds; `SEED=` repeats a run's kills and figures, `KILLS=` makes it shorter.
faults: env ## Kill every process at random, two hundred times under load; SEED= repeats a run
	@FOURONES_KILLS=$(or $(KILLS),200) FOURONES_SEED=$(SEED) \
		$(BIN)/python -m pytest --timeout=3600 --capture=no tests/faults/test_random_kills.py

# For example: make bench PART=latency, make bench PART="million memory" BENCH="--figures 1000000".
bench: env ## Measure on a stack of its own; PART=million|apply|latency|growth|memory, BENCH= takes options
	@PYTHONPATH=tests $(BIN)/python -W ignore::DeprecationWarning -m load $(PART) $(BENCH)

lint: env ## Check style; changes nothing
	@echo "── lint"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: env ## Put style right
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

typecheck: env ## Check types
	@echo "── types"
	@$(BIN)/mypy

contracts: env ## Check who may import whom, and that schemas match the code
	@echo "── contracts"
	@$(BIN)/lint-imports
	@$(BIN)/python -m fourones_shared.contracts.generate --check

schemas: env ## Write the schemas of events and APIs anew
	@$(BIN)/python -m fourones_shared.contracts.generate

lock: $(BIN)/uv ## Write requirements/*.txt anew; UPGRADE=--upgrade takes newer versions
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) requirements/bootstrap.in -o requirements/bootstrap.txt
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) $(PROJECTS) requirements/dev.in -o requirements/dev.txt
	@for service in submission aggregation alerting; do \
		$(BIN)/$(UV_COMPILE) $(UPGRADE) shared/pyproject.toml services/$$service/pyproject.toml \
			-o requirements/$$service.txt; \
	done
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) shared/pyproject.toml cli/pyproject.toml -o requirements/cli.txt
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) requirements/bench.in -o requirements/bench.txt

# Not the whole environment: what it holds now may be what the lock is about to change.
$(BIN)/uv:
	@$(MAKE) env

env: $(STAMP)

$(STAMP): deploy/local/bootstrap.sh requirements/bootstrap.txt requirements/dev.txt $(PROJECTS)
	@bash deploy/local/bootstrap.sh .venv $(STAMP)
