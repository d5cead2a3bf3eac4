# Each target sets up what it needs, in .venv; set-up is repeated only when pyproject.toml or constraints.txt change.

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -n 2 --lstm-own-cores --lstm-published .published
SUITE := --lstm-documented README.md
EXAMPLES := conformance/languages/examples

.DEFAULT_GOAL := help
.PHONY: help conformance check fixtures test bench scoreboard docs lint fuzz mutants clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

conformance: .venv/ready published ## compare the reference with live PyTorch and Keras, which it installs: the main job
	$(PYTEST) -q conformance/suite --ignore=conformance/suite/hostile $(SUITE)

check: .venv/minimal ## put one implementation on trial with NumPy alone: make check CANDIDATE=my_lstm.py:lstm
	@test -n "$(CANDIDATE)" || { echo "make check needs CANDIDATE=path/to/file.py:NAME, or ref" >&2; exit 2; }
	@$(BIN)/lstm-conformance check "$(CANDIDATE)" $(OPTIONS)

fixtures: .venv/ready ## make the golden vectors anew and prove every number of them; installs the same
	$(BIN)/lstm-conformance fixtures generate
	$(BIN)/lstm-conformance fixtures verify --certify

bench: .venv/ready ## time the reference beside PyTorch, Keras and others, which it installs: OPTIONS="--grid full --threads both"
	@$(BIN)/lstm-conformance bench $(OPTIONS)

scoreboard: .venv/minimal ## install other people's LSTMs, each in an environment of its own, and put them on trial: OPTIONS="ENGINE ..."
	@$(BIN)/lstm-conformance scoreboard $(OPTIONS)

test: .venv/ready lint published $(EXAMPLES)/node_modules/.package-lock.json ## everything that CI runs: lint, types, import arrows, unit tests, conformance; installs the same
	$(PYTEST) -q $(SUITE)

docs: .venv/ready ## do again what the READMEs show, the slow commands too: OPTIONS="--write" writes it
	$(BIN)/python -m conformance.report.documentation --slow $(OPTIONS)

lint: .venv/ready ## style, types and import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

.PHONY: published
published: .venv/ready
	@$(BIN)/python -m conformance.suite.published .published

$(EXAMPLES)/node_modules/.package-lock.json: $(EXAMPLES)/package-lock.json
	@npm ci --prefix $(EXAMPLES) --ignore-scripts --no-audit --no-fund --silent && touch $@ || \
		echo "npm did not fetch TensorFlow.js, so its example will not run" >&2

# tf-keras (Keras 2, for its older files) asks for the whole of tensorflow; tensorflow-cpu is the same code.
.venv/ready: pyproject.toml constraints.txt
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps tf-keras
	@touch .venv/minimal $@

# What `check` needs and no more; `.venv/ready` has it too.
.venv/minimal: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

fuzz: .venv/ready ## damage 100,000 files that the frameworks wrote, and read them: OPTIONS="--seed 1"
	$(BIN)/python -m conformance.suite.fuzz --files 98000 --slow-files 2000 $(OPTIONS)

mutants: .venv/ready ## edit the judging code in every way and print which edits no test notices; hours: OPTIONS="MODULE ..."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[mutants]'
	$(BIN)/python -m conformance.suite.mutants $(OPTIONS)

clean: ## remove what the targets above made
	rm -rf .venv .engines .published $(EXAMPLES)/node_modules .mypy_cache .ruff_cache
