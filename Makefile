# Needs make and Python 3.11 or newer, nothing else. Everything is installed into .venv, once.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# Any interpreter that is new enough and can make a virtual environment; make PYTHON=... names another.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	"$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo "$$name"; break; }; done)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
RUN := .venv/installed-run
DEV := .venv/installed-dev

WORKERS ?= 2

.PHONY: help demo test truth check bench lock clean

help:
	@echo 'make demo    everything on a synthetic sample of known truth, in ./leadml-demo'
	@echo 'make test    the tests, with the coverage that must be kept'
	@echo 'make truth   the simulation study: what must hold in worlds whose truth is known, into docs/truth.md'
	@echo 'make check   style, types, directions of import, docstrings'
	@echo 'make bench   every figure of speed against its peer, into benchmarks/RESULTS.md (BENCH="--rows 50000": quickly)'
	@echo 'make lock    write requirements/*.txt again after a change of pyproject.toml (UPGRADE=1: newest releases)'
	@echo 'make clean   remove what the other targets made'

demo: $(RUN)
	$(BIN)/leadml demo

# One thread a worker: the workers already take every core. An idle worker takes over what another has not begun.
test: $(DEV)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --durations 10 --cov --cov-report=
	$(BIN)/python tests/coverage_gate.py

truth: $(DEV)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.truth.study --out docs/truth.md

check: $(DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture

# Peers are installed into .venv-peers, in the first run.
bench: $(DEV)
	$(BIN)/python benchmarks/run.py $(BENCH)

# The small list is cut from the large one, so that both hold the same releases.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-header pyproject.toml requirements/build.in

lock: $(DEV)
	$(LOCK) $(if $(UPGRADE),--upgrade) --extra test --extra check -o requirements/dev.txt
	$(LOCK) --extra excel --constraint requirements/dev.txt -o requirements/run.txt

clean:
	rm -rf .venv leadml-demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'leadml needs Python 3.11 or newer with its venv module; found none on the PATH. Name one: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(RUN): requirements/run.txt pyproject.toml | $(BIN)/python
	@echo 'Installing into .venv what leadml runs on: once, for a minute or two' >&2
	$(PIP) install --no-deps --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements/dev.txt | $(RUN)
	@echo 'Installing into .venv what tests and checks need: once' >&2
	$(PIP) install --no-deps --require-hashes -r requirements/dev.txt
	@touch $@
