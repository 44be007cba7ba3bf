# Every target builds .venv by itself when it is missing or the requirements changed.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/ready
EXTRAS := $(VENV)/extras

.DEFAULT_GOAL := help
.PHONY: help run test lab emoji-sets

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  more commands: $(PY) -m emoji_lib --help"

run: $(READY)  ## train the layered GAN on emoji faces and say where its pictures are (NAME=… for another experiment)
	$(PY) -m emoji_lib run $(or $(NAME),08-quick)

test: $(EXTRAS)  ## style, tests, and every notebook at smoke size
	$(PY) -m ruff check . && $(PY) -m ruff format --check .
	$(PY) -m emoji_lib table --check
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2

lab: $(READY)  ## open the notebooks in JupyterLab
	$(PY) -m jupyter lab notebooks

emoji-sets: $(READY)  ## fetch several vendors' designs for the multi-set experiments (needs npm)
	$(PY) -m emoji_lib sets

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13))' || \
		{ echo "error: $(PYTHON) is not Python 3.11 to 3.13; try make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .
	@touch $@

$(EXTRAS): $(READY) requirements-extras.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-extras.txt
	@touch $@
