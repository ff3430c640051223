# `make` or `make help` lists what there is. Everything runs in .venv, which is made on the first call.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Where it is set, every start of a process compiles thousands of modules: seconds, and tests start processes by the
# hundred.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
STAMP := .venv/.environment
# grafana-client's HTTP library replaces urllib3 for every program beside it, so it is beside nothing else.
PUSHING := .local/boards
PROJECTS := shared/pyproject.toml $(wildcard services/*/pyproject.toml) cli/pyproject.toml grafana/pyproject.toml \
	deploy/local/pyproject.toml
# Options for pytest, for example: make test PYTEST='-k outbox'
PYTEST ?=
UPGRADE ?=
# No test may hang a run. What makes a run long is told at its end.
PYTEST_TOLD := --durations=25 --durations-min=5
PYTEST_LIMIT := --timeout=300 $(PYTEST_TOLD)
# Those of the whole system take a minute or two on a machine of their own, and several times that on a busy one.
PYTEST_WHOLE := --timeout=900 $(PYTEST_TOLD)
# The first fixture builds all images: minutes, on a machine that has none yet.
PYTEST_CONTAINERS := --timeout=1200 $(PYTEST_TOLD)
# Each worker has a broker and a database of its own, and waits half of its time, so that there may be more of them than
# cores; the whole system is started once, with the machine to itself. Files in the order of their names: by itself the
# longest test, which is alone in its file, would come last and run on alone.
BESIDE_EACH_OTHER := --numprocesses=4 --dist=loadfile --no-loadscope-reorder
UV_COMPILE := uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-package fourones-shared \
	--no-header --universal --python-version 3.11

.PHONY: help run start stop status demo images images-offline images-save images-report up down clean test \
	test-quick test-thorough test-containers test-cluster faults bench load lint format typecheck contracts schemas \
	boards boards-sheet boards-push lock env k8s k8s-generate

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}'

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

images: ## Build the images; BASE_IMAGE=, FOURONES_IMAGES=, PIP_INDEX_URL= as in deploy/images/docker.sh
	@deploy/images/docker.sh images

images-offline: env ## The same without a registry, and stand-ins for Kafka, PostgreSQL, Prometheus, Alertmanager
	@deploy/images/docker.sh offline

images-save: ## Put all images into one archive, for machines without a network; TO=fourones-images.tar.gz
	@deploy/images/docker.sh save $(or $(TO),fourones-images.tar.gz)

images-report: env ## Sizes of the images; start times and memory of the containers that `make up` started
	@$(BIN)/python deploy/images/report.py

up: ## Run everything in containers; OFFLINE=1 takes the stand-ins, DEMO=1 adds synthetic plans, BOARDS=1 Grafana
	@OFFLINE=$(OFFLINE) DEMO=$(DEMO) BOARDS=$(BOARDS) deploy/compose/up.sh

down: ## Stop the containers; the data stay, unless DATA=delete
	@OFFLINE=$(OFFLINE) DATA=$(DATA) deploy/compose/down.sh

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
	@$(BIN)/python -m pytest $(PYTEST_WHOLE) -m "not thorough" tests/e2e tests/faults
	@$(BIN)/python -m pytest $(PYTEST_CONTAINERS) -m "not thorough" tests/containers
else
	@$(BIN)/python -m pytest $(PYTEST_LIMIT) $(PYTEST)
endif

test-quick: env ## Only the tests that need neither broker nor database
	@$(BIN)/python -m pytest $(PYTEST_LIMIT) tests/unit tests/contract $(PYTEST)

test-thorough: env ## What `make test` leaves out: rolling restart of every role, brokers with TLS and the manifests' users
	@$(BIN)/python -m pytest $(PYTEST_WHOLE) -m thorough tests/e2e tests/faults $(PYTEST)

test-containers: env ## All tests of the containers: the end-to-end tests, kills and a rolling update against Compose
	@$(BIN)/python -m pytest $(PYTEST_CONTAINERS) tests/containers $(PYTEST)

# The first call compiles Kubernetes: eight minutes on two cores.
test-cluster: env ## Apply the manifests to a real Kubernetes of one node, which is compiled; needs root, Docker and Go
	@$(BIN)/python -m pytest --timeout=2400 $(PYTEST_TOLD) tests/cluster $(PYTEST)

# One kill takes about five seconds; `SEED=` repeats a run's kills and figures, `KILLS=` makes it shorter.
faults: env ## Kill every process at random, two hundred times under load; SEED= repeats a run
	@FOURONES_KILLS=$(or $(KILLS),200) FOURONES_SEED=$(SEED) \
		$(BIN)/python -m pytest --timeout=3600 --capture=no tests/faults/test_random_kills.py

# For example: make bench PART=latency, make bench PART="million memory" BENCH="--figures 1000000".
bench: env ## Measure on a stack of its own; PART=million|apply|latency|growth|memory|tracing BENCH=
	@PYTHONPATH=tests $(BIN)/python -W ignore::DeprecationWarning -m load $(PART) $(BENCH)

# For example: make load RATE=50 SECONDS=60, make load COURSE=month-end, make load SOAK=1 SECONDS=28800.
load: env ## Let county systems call at month-end, on a stack of its own; RATE=200 SECONDS=600 COURSE= SOAK=1
	@PYTHONPATH=tests $(BIN)/python -W ignore::DeprecationWarning -m load.month_end --rate $(or $(RATE),200) \
		--seconds $(or $(SECONDS),$(if $(SOAK),14400,600)) --course $(or $(COURSE),constant) $(if $(SOAK),--soak)

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

contracts: env ## Check who may import whom, and that schemas and boards match the code
	@echo "── contracts"
	@$(BIN)/lint-imports
	@$(BIN)/python -m fourones_shared.contracts.generate --check
	@$(BIN)/fourones-grafana check

schemas: env ## Write the schemas of events and APIs anew
	@$(BIN)/python -m fourones_shared.contracts.generate

boards: env ## Write Grafana's boards anew
	@$(BIN)/fourones-grafana generate

boards-sheet: env ## Write docs/boards.md anew, with samples from the running system (`make demo`)
	@$(BIN)/fourones-grafana sheet

# GRAFANA_TOKEN, the token of a service account, comes from the environment; HOME_BOARD=1 makes the first board home.
boards-push: $(PUSHING)/locked ## Bring the boards into a running Grafana: GRAFANA_URL=
	@PYTHONPATH=grafana/src $(PUSHING)/bin/python -m fourones_grafana push --url "$(GRAFANA_URL)" $(if $(HOME_BOARD),--home)

$(PUSHING)/locked: requirements/boards.txt | env
	@$(BIN)/uv venv -q --clear --python $(BIN)/python $(PUSHING)
	@$(BIN)/uv pip sync -q --require-hashes --python $(PUSHING)/bin/python requirements/boards.txt
	@cp requirements/boards.txt $@

k8s: env ## Render every overlay of deploy/k8s into .local/k8s and check them; needs no cluster
	@mkdir -p .local/k8s
	@for overlay in deploy/k8s/overlays/*/; do \
		$(BIN)/kubectl kustomize $$overlay >.local/k8s/$$(basename $$overlay).yaml; \
	done
	@$(BIN)/python -m pytest $(PYTEST_LIMIT) tests/contract/k8s

k8s-generate: env ## Write anew what the manifests repeat of rules and catalogue
	@$(BIN)/python deploy/k8s/generate.py

lock: $(BIN)/uv ## Write requirements/*.txt anew; UPGRADE=--upgrade takes newer versions
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) requirements/bootstrap.in -o requirements/bootstrap.txt
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) $(PROJECTS) requirements/dev.in -o requirements/dev.txt
	@for service in submission aggregation alerting; do \
		$(BIN)/$(UV_COMPILE) $(UPGRADE) shared/pyproject.toml services/$$service/pyproject.toml \
			-o requirements/$$service.txt; \
	done
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) shared/pyproject.toml cli/pyproject.toml -o requirements/cli.txt
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) -c requirements/dev.txt requirements/build.in -o requirements/build.txt
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) -c requirements/dev.txt --extra push grafana/pyproject.toml -o requirements/boards.txt
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) requirements/bench.in -o requirements/bench.txt
	@$(BIN)/$(UV_COMPILE) $(UPGRADE) -c requirements/dev.txt requirements/locust.in -o requirements/locust.txt

# Not the whole environment: what it holds now may be what the lock is about to change.
$(BIN)/uv:
	@$(MAKE) env

env: $(STAMP)

$(STAMP): deploy/local/bootstrap.sh requirements/bootstrap.txt requirements/dev.txt $(PROJECTS)
	@bash deploy/local/bootstrap.sh .venv $(STAMP)
