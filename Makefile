# Two commands are all that a newcomer needs: `make run` and `make test`. Both make .venv first.

# The newest Python that is new enough; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
EXAMPLE := examples/greeter.yaml
# What builds and runs images: podman, or docker. The first is podman on a machine of few rights.
CONTAINERS ?= $(firstword $(wildcard $(CURDIR)/../shared/tools/podman) $(shell command -v podman) docker)
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' supervisor/__init__.py)
CASES ?= 10000
EXAMPLES := nginx prometheus postgresql haproxy
# Tests mostly wait, for processes and for time to pass: four at once keep two cores busy.
PYTEST := $(BIN)/python -m pytest -n 4 --dist=worksteal
BUNDLE := dist/bundle/config-supervisor

.DEFAULT_GOAL := help
.PHONY: help run test test-slow test-apps test-all faults fuzz soak bundle test-bundle images test-images audit lint bench bench-init bench-quick clean

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*##/\1 -/p' Makefile

run: .venv/ready  ## run a small app under the supervisor, and reload it when you edit $(EXAMPLE)
	@root=$$(mktemp -d) && trap 'rm -rf "$$root"' EXIT && \
	echo "Edit $(EXAMPLE), save it, and see the greeter reload. Ctrl-C ends it." && \
	$(BIN)/python -m supervisor --manifest=$(EXAMPLE) --configroot="$$root/config" -- \
		$(BIN)/python examples/greeter.py "$$root/config"

test: .venv/ready  ## the default tests: about three minutes
	$(PYTEST) -m "not slow and not apps"

test-slow: .venv/ready  ## what the default tests leave out, but for the faults
	$(PYTEST) -m "slow and not apps" --ignore=tests/faults

faults: .venv/ready  ## every fault that is tried, long ones too, and a table of what happened; with KUBEBUILDER_ASSETS
	$(PYTEST) tests/faults

fuzz: .venv/ready  ## whatever comes in from outside, in so many forms each: CASES=10000
	FUZZ_CASES=$(CASES) $(PYTEST) --timeout=3600 -m fuzz

soak: .venv/ready  ## a bad day in half an hour, or in MINUTES=…: changes, faults, and whether anything grows; as root, with KUBEBUILDER_ASSETS
	$(BIN)/python -m tests.soak $(or $(MINUTES),30)

test-apps: .venv/ready  ## the real apps of tests/apps/packages.txt, one after another, as far as they are installed
	$(BIN)/python -m pytest -m apps

test-all: .venv/ready  ## all tests
	$(PYTEST)

bundle:  ## the program for any Linux image, in one folder: $(BUNDLE), for /opt/config-supervisor
	$(CONTAINERS) build --tag config-supervisor --build-arg VERSION=$(VERSION) --file docker/Dockerfile .
	rm -rf $(BUNDLE) && mkdir -p $(dir $(BUNDLE))
	container=$$($(CONTAINERS) create config-supervisor) && trap "$(CONTAINERS) rm $$container >/dev/null" EXIT && \
	$(CONTAINERS) cp $$container:/opt/config-supervisor $(dir $(BUNDLE))
	tar -C $(dir $(BUNDLE)) --owner=0 --group=0 -czf dist/config-supervisor-$(VERSION)-linux-$$(uname -m).tar.gz config-supervisor
	@du -sm $(BUNDLE) dist/*.tar.gz

test-bundle: .venv/ready  ## the program's behaviour, seen on the bundle; as root, who mounts it where it belongs
	mkdir -p /opt/config-supervisor
	SUPERVISOR=/opt/config-supervisor/bin/config-supervisor unshare --mount sh -c 'mount --bind "$$0" /opt/config-supervisor && exec "$$@"' \
		$(BUNDLE) $(PYTEST) -m "not slow and not apps and not plain" tests/behaviour tests/contract

images: .venv/ready bundle  ## the image with the bundle, and the example images
	CONTAINERS=$(CONTAINERS) $(BIN)/python -m tests.images.bases
	for app in $(EXAMPLES); do $(CONTAINERS) build --tag config-supervisor-example-$$app docker/examples/$$app || exit; done

test-images: .venv/images  ## the bundle in images of every kind, and the examples with their real apps; after make images
	CONTAINERS=$(CONTAINERS) $(BIN)/python -m pytest tests/images

audit:  ## known vulnerabilities of what is locked; with pip-audit (pipx install pip-audit)
	pip-audit --disable-pip --require-hashes $(foreach lock,$(shell git ls-files '*requirements*.lock'),-r $(lock))

lint: .venv/ready  ## formatting, lint and types
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy

bench: .venv/ready  ## how fast and how light, beside the least that does the job; a quarter of an hour, with KUBEBUILDER_ASSETS
	$(BIN)/python -m tests.bench

bench-init: .venv/ready  ## the same for a plain init, beside tini, dumb-init and catatonit; as root
	$(BIN)/python -m tests.bench init

bench-quick: .venv/ready  ## only that every row can be measured
	$(BIN)/python -m tests.bench --quick

clean:  ## remove what the above have made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

.venv/images: .venv/ready tests/images/requirements.lock
	$(BIN)/python -m pip install --quiet --require-hashes -r tests/images/requirements.lock
	@touch $@

# Python's own venv first, because it names what is missing where a distribution has split it off.
.venv/ready: pyproject.toml requirements-dev.lock
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found: install one, or say make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
