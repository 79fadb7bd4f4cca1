# Each target sets up what it needs in .venv; the second run reuses it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test lint doctest bench docs clean

train: .venv/ready
	$(BIN)/descend train --data digits --model cnn

test: .venv/ready
	$(BIN)/python -m pytest -q -n auto -m "not slow"

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

doctest: .venv/ready
	$(BIN)/python -m pytest -q --doctest-modules src

bench: .venv-peers/ready
	.venv-peers/bin/python -m benchmarks.eager --write
	.venv-peers/bin/python -m benchmarks.memory --write
	.venv-peers/bin/python -m benchmarks.steps --write
	.venv-peers/bin/python -m benchmarks.science.run --write

docs: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	$(BIN)/python -m sphinx -q docs docs/_build/html

# An environment is complete only when its last step has run.
.venv/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "descend needs Python 3.11 or newer; make PYTHON=python3.12 ... picks one")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

.venv-peers/ready: pyproject.toml
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[peers]'
	touch $@

clean:
	rm -rf .venv .venv-peers build dist .pytest_cache .ruff_cache .hypothesis
