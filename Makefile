# make demo    a planned failover on two simulated nodes, halted, resumed, done; a second one rolled back
# make test    tests, layers, ruff, mypy; the search of every procedure with one fault, on a small pair
# make verify  the same search on the whole pair, and with two faults, one after the other: two hours
#
# Both set up what they need in .venv first; python3 (3.11 or newer, with venv) and make are all that must be there.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test verify lint format types layers docs bench bench-lab clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

# A new pyproject.toml means new packages. pip installs dependency groups since 25.1.
$(VENV)/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hamn-flow needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

demo: $(VENV)/ready
	$(BIN)/hamn-flow demo

test: lint types
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadgroup

verify: $(VENV)/ready
	$(BIN)/hamn-flow verify --jobs $(JOBS)
	$(BIN)/hamn-flow verify --small --faults 2 --jobs $(JOBS)

lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(VENV)/ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/ready
	$(BIN)/mypy

layers: $(VENV)/ready
	$(BIN)/lint-imports

docs: $(VENV)/ready
	$(BIN)/python -m tools.coverage_table
	$(BIN)/python -m tools.readme

bench: $(VENV)/ready
	$(BIN)/python -m bench

bench-lab: $(VENV)/ready
	$(BIN)/python -m bench.lab

clean:
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find hamn_flow workflows state tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
