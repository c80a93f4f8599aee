# `make demo` and `make test` work on a fresh clone: they need Python 3.11 or newer, a C++ compiler and make.
PYTHON ?= python3
VENV := .venv
# What is installed beside the core; `cluster` (Ray, the databases' drivers) is large and left to those who want it.
EXTRAS ?= dev,board,dashboard
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test test-all lint clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	PYNQ_REMOTE=1 $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/fracdse search
	$(BIN)/fracdse report --pareto --plot results/digits-pareto.png
	$(BIN)/fracdse deploy best --target sim --target yosys --target board --board sim

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -m "not slow" -n 2

test-all: lint
	$(BIN)/pytest -n 2

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
