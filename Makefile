# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
BENCH  := .venv-bench
ORACLE := .venv-oracles
FASTSIM := .venv-fastsim
ORACLES := fastsim,blast,physics
PIP    := $(BIN)/python -m pip --disable-pip-version-check
export OMP_NUM_THREADS := 1
export PYTHONWARNINGS :=

SOURCES := pyproject.toml hatch_build.py constraints.txt $(shell find src web -type f \
	-not -path '*/node_modules/*' -not -path '*/__pycache__/*' -not -path 'src/evitals/dashboard/static/*')

.PHONY: demo test lint oracles bench soak clean

## demo: install, simulate a small fleet, start the service, print its address
demo: $(VENV)/installed
	$(BIN)/evitals demo

## test: lint, type-check and run every test against the built wheel
test: $(VENV)/tested lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

lint: $(VENV)/tested
	$(BIN)/ruff check src tests benchmarks docs hatch_build.py web/npm.py
	$(BIN)/ruff format --check src tests benchmarks docs hatch_build.py web/npm.py
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python web/npm.py ci --ignore-scripts
	$(BIN)/python web/npm.py run check
	$(BIN)/python web/npm.py run lint

## oracles: recompute the twin's frozen values with FASTSim and its kind
oracles: $(ORACLE)/installed
	$(ORACLE)/bin/python -m pytest -m oracle tests/twin $(PYTEST_ARGS)

## bench: measure the pace beside the reference's way (minutes; BENCH_ARGS="--quick --only predict")
bench: $(BENCH)/installed $(FASTSIM)/installed
	$(BENCH)/bin/python -m benchmarks $(BENCH_ARGS)

## soak: 15 minutes of everything at once, with kills
soak: $(BENCH)/installed
	$(BENCH)/bin/python -m benchmarks.soak $(SOAK_ARGS)

clean:
	rm -rf $(VENV) $(BENCH) $(ORACLE) $(FASTSIM) dist build artifacts demo

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

dist/wheel: $(SOURCES) | $(BIN)/python
	rm -rf dist && mkdir dist
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .
	touch $@

$(VENV)/installed: dist/wheel
	$(PIP) install --quiet --constraint constraints.txt dist/*.whl
	$(PIP) install --quiet --no-deps --force-reinstall dist/*.whl
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(PIP) install --quiet --constraint constraints.txt "$$(echo dist/*.whl)[test,lint]"
	touch $@

$(BENCH)/installed: dist/wheel
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --constraint constraints.txt "$$(echo dist/*.whl)[bench]"
	$(BENCH)/bin/python -m pip install --quiet --no-deps --force-reinstall dist/*.whl
	touch $@

# FASTSim pins polars 1: beside our own versions it does not resolve.
$(FASTSIM)/installed:
	$(PYTHON) -m venv $(FASTSIM)
	$(FASTSIM)/bin/python -m pip install --quiet "fastsim>=3.1,<4"
	touch $@

$(ORACLE)/installed: dist/wheel
	$(PYTHON) -m venv $(ORACLE)
	$(ORACLE)/bin/python -m pip install --quiet "$$(echo dist/*.whl)[test,$(ORACLES)]"
	touch $@
