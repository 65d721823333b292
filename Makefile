# Every command that people use, and the same ones that CI uses.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup grade test test-all lint bench bench-class validate mutants reproduce clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready  ## create the virtual environment with the pinned versions

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,dask]'
	@touch $@

grade: setup  ## grade everything in submissions/ on real MNIST and print the table
	$(BIN)/backcheck grade submissions $(ARGS)

test: setup  ## run the tests that take minutes at most
	$(BIN)/pytest tests -n 2 -m "not slow" $(ARGS)

test-all: setup  ## run every test, the slow ones included
	$(BIN)/pytest tests -n 2 $(ARGS)

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup  ## measure speed beside what people would use instead
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]' \
		|| echo "JAX does not install here: it is left out of the comparison" >&2
	$(BIN)/python -m benchmarks $(ARGS)

bench-class: setup  ## grade a generated class of 200: throughput, overhead, memory, grading again
	$(BIN)/python -m benchmarks.bench_class $(ARGS)

validate: setup  ## measure the error rates of the harness on known-right and known-wrong submissions
	$(BIN)/python -m tests.validate $(ARGS)

mutants: setup  ## break the checks in small ways, and count the breaks that the tests notice
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[mutants]'
	$(BIN)/python -m tests.mutants $(ARGS)

reproduce: setup  ## answer for the report: every accuracy and claim, and its figures redrawn
	$(BIN)/backcheck reproduce $(ARGS)

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
