# One entry point. `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help up test sim demo check format lock fuzz drill linkage crash laws machines bench mutants cometbft tools clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(STAMP)

ENGINE ?= embedded
TOOLS = $(if $(filter cometbft,$(ENGINE)),tools)

up: $(STAMP) $(TOOLS) ## a town with sample data, its API on 127.0.0.1:8000; Ctrl-C stops it, state stays in .beffroi/; ENGINE=cometbft
	$(BIN)/beffroi up --engine $(ENGINE)

test: $(STAMP) ## the whole fast test suite
	$(BIN)/python -m pytest -n 2 --dist worksteal

SEEDS ?= 200
sim: $(STAMP) ## SEEDS=2000: so many seeds of the consensus core, a tenth as many of the whole node, one report
	$(BIN)/python -m tests.sim --seeds $(SEEDS)

mutants: $(STAMP) ## plant every bug of tests/mutants/mutants.toml, one at a time: the tests must notice each
	$(BIN)/python -m tests.mutants

demo: $(STAMP) $(TOOLS) ## a scripted day through the public API; exits 0 only if every step was checked; ENGINE=cometbft
	$(BIN)/beffroi demo --engine $(ENGINE)

cometbft: $(STAMP) tools ## the long tests against real CometBFT: light client, kills, migration
	$(BIN)/python -m pytest -p no:xdist tests/cometbft/long_*.py

tools: ## CometBFT and its tools at the pinned tag, built by Go into .tools/bin
	$(PYTHON) tests/cometbft/install.py

check: $(STAMP) ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

crash: $(STAMP) ## every crash point of a three-height workload on faulty disks; EVERY=1 plays each cut byte with four validators too
	$(BIN)/python -m tests.durability $(if $(EVERY),--every-cut)

fuzz: $(STAMP) ## schemathesis against every route: EXAMPLES=200 of each, from a seed of the moment unless SEED=
	FUZZ_EXAMPLES=$(or $(EXAMPLES),200) FUZZ_SEED=$(or $(SEED),$(shell date +%s)) \
		$(BIN)/python -m pytest -q -p no:xdist tests/api/core/test_fuzz.py

laws: $(STAMP) ## every law of shared energy over CASES=10000 generated cases: keys, market, money, time, files, credits, rosters, publications
	BEFFROI_LAW_CASES=$(or $(CASES),10000) $(BIN)/python -m pytest -q -p no:xdist tests/town/energy/test_laws.py tests/town/energy/test_ledger_laws.py

machines: $(STAMP) ## points, energy days and credits against naive books: 400 random histories of 60 steps, RUNS=4000 for more
	BEFFROI_MACHINE_RUNS=$(or $(RUNS),400) $(BIN)/python -m pytest -q -p no:xdist tests/town/loyalty/test_ledger_machine.py tests/town/energy/test_machine.py

linkage: $(STAMP) ## who cast which ballot? the attacker of docs/votes.md over STATIONS=1000 simulated stations of 200
	$(BIN)/python -m tests.votes.linkage --stations $(or $(STATIONS),1000)

drill: $(STAMP) ## crashes, partitions, lies and elections on real processes; NAME="kill-one …" for some, QUICK=1 for the short form, GROUP=Ed25519 for NAME=election
	$(BIN)/python -m tests.drills $(NAME) $(if $(QUICK),--quick)

bench: $(STAMP) ## NAME=town: measure one family, table on screen and bench/results/NAME.json
	$(BIN)/python -m bench.$(NAME)

lock: $(STAMP) ## refresh requirements.lock from pyproject.toml
	$(BIN)/python -m pip install --quiet pip-tools==7.6.2
	$(BIN)/python -m piptools compile -q --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --extra dev -o requirements.lock pyproject.toml

clean: ## forget the environment and the town's state
	rm -rf $(VENV) .beffroi
