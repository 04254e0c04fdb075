# Everything here needs Python 3.11 or newer and make; the rest is installed into .venv with pinned hashes.

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup up test check fmt bench chaos lock

help: ## say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

up: setup ## start everything here, with demo data, until Ctrl-C
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

setup: $(STAMP)

$(STAMP): requirements-dev.txt pyproject.toml
	@python=""; \
	for name in python3 python3.13 python3.12 python3.11 python; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "Summit needs Python 3.11 or newer, and none was found." >&2; exit 1; fi; \
	if [ ! -x $(PY) ]; then echo "Creating $(VENV) with $$($$python --version)"; $$python -m venv $(VENV); fi
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
