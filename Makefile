# make test    install, lint, check types, run the tests
# make demo    install, train a small network, score it, fill a photograph; see demo/
# make clean   remove what these made
#
# Everything happens in .venv, made with PYTHON, or in an environment of yours: make VENV=... test

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
PINNED := setup.cfg pyproject.toml constraints.txt

.PHONY: test demo clean

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

demo: $(VENV)/.installed
	$(BIN)/python examples/demo.py demo

clean:
	rm -rf .venv demo build dist *.egg-info
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find inpaint_tf neuralgym_lite benchmarks examples scripts tests tools -name __pycache__ -exec rm -rf {} +

$(VENV)/.installed: $(PINNED) | $(BIN)/python
	$(BIN)/python -m pip install -q -e . -c constraints.txt
	touch $@

$(VENV)/.installed-test: $(PINNED) | $(BIN)/python
	$(BIN)/python -m pip install -q -e '.[test,jax,onnx,serving,studio]' -c constraints.txt
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
