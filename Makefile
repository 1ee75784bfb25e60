# `make demo` and `make test` work on a fresh machine with Python 3.11 to 3.13.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A process for each core, of one thread: more threads wait for each other on small images.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadscope \
	--no-loadscope-reorder

.PHONY: help demo test test-slow test-gpu test-wheel lint clean

help:
	@echo "make demo       make pedestrians, train DDAN on them, score it on unseen domains"
	@echo "make test       ruff, mypy, the layers of the package and the tests"
	@echo "make test-slow  the tests that take minutes"
	@echo "make test-gpu   the tests that need an NVIDIA GPU"
	@echo "make test-wheel the wheel, in an empty environment: train, evaluate, extract"
	@echo "make clean      remove the virtual environment and what tools cache"

$(STAMP): setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python tools/demo.py --output runs/demo

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint
	$(PYTEST) -m "not slow and not gpu"

test-slow: $(STAMP)
	$(PYTEST) -m slow

test-gpu: $(STAMP)
	$(BIN)/python -m pytest --numprocesses 4 -m gpu tests/gpu

# As a user gets it: a wheel made from the sdist, and what it asks for, far from the source.
test-wheel: $(STAMP)
	rm -rf build/wheel && mkdir -p build/wheel/empty
	$(BIN)/python setup.py --quiet sdist --dist-dir build/wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel build/wheel/*.tar.gz
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet build/wheel/*.whl
	cd build/wheel/empty && ../venv/bin/python -I $(CURDIR)/tools/wheel_check.py .
	rm -rf build/wheel

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
