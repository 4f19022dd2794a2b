# Two commands are all that a newcomer needs: `make run` and `make test`. Both make .venv first.

# The newest Python that is new enough; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
EXAMPLE := examples/greeter.yaml

.DEFAULT_GOAL := help
.PHONY: help run test test-all lint bench bench-init bench-quick clean

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*##/\1 -/p' Makefile

run: .venv/ready  ## run a small app under the supervisor, and reload it when you edit $(EXAMPLE)
	@root=$$(mktemp -d) && trap 'rm -rf "$$root"' EXIT && \
	echo "Edit $(EXAMPLE), save it, and see the greeter reload. Ctrl-C ends it." && \
	$(BIN)/config-supervisor --manifest=$(EXAMPLE) --configroot="$$root/config" -- \
		$(BIN)/python examples/greeter.py "$$root/config"

test: .venv/ready  ## the default tests: under three minutes
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/ready  ## all tests, with the long faults
	$(BIN)/python -m pytest

lint: .venv/ready  ## formatting, lint and types
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy

bench: .venv/ready  ## how fast and how light, beside the least that does the job; half an hour, with KUBEBUILDER_ASSETS
	$(BIN)/python -m tests.bench

bench-init: .venv/ready  ## the same for a plain init, beside tini, dumb-init and catatonit; as root
	$(BIN)/python -m tests.bench init

bench-quick: .venv/ready  ## only that every row can be measured
	$(BIN)/python -m tests.bench --quick

clean:  ## remove what the above have made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

# Python's own venv first, because it names what is missing where a distribution has split it off.
.venv/ready: pyproject.toml requirements-dev.lock
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found: install one, or say make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@
