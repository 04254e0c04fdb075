# Everything here needs Python 3.11 or newer and make; the rest is installed into .venv with pinned hashes.

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
RUN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --no-compile

.DEFAULT_GOAL := help
.PHONY: help setup up test check fmt bench chaos lock

help: ## say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

up: $(RUN) ## start everything here, with demo data, until Ctrl-C
	$(PY) -m cli.main up

test: setup ## run the whole test suite on servers of its own
	$(PY) -m pytest

check: setup ## format, lint, types, import contracts and the fast tests: under a minute
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) -m pytest -q -m "not stack" --no-header

fmt: setup ## format the sources and mend what the linter can
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: setup ## measure the API beside the bare engine
	$(PY) -m benchmarks

chaos: setup ## kill everything at random under load, again and again, and compare what is left
	$(PY) -m tests.chaos

lock: ## compile the hashed requirements from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra install --universal --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.txt
	uv pip compile pyproject.toml --extra install --extra dev --universal --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements-dev.txt

setup: $(DEV)

$(PY):
	@for name in python3 python3.13 python3.12 python3.11 python; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Creating $(VENV) with $$($$name --version)"; exec $$name -m venv $(VENV); fi; \
	done; echo "Summit needs Python 3.11 or newer, and none was found." >&2; exit 1

# Without compiling: imports do that as they go, and a first `make up` needs half of the packages only.
$(RUN): requirements.txt pyproject.toml | $(PY)
	$(PIP) --require-hashes -r requirements.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.txt $(RUN)
	$(PIP) --require-hashes -r requirements-dev.txt
	@touch $@
