# `make serve` and `make test` are all a newcomer needs; the rest is listed by `make help`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# Nothing is installed but what requirements/ pins, each file checked by its hash.
PIP    := $(BIN)/python -m pip --disable-pip-version-check install -q
LOCKED := $(PIP) --require-hashes -r requirements
SERVER := encryption,jwt,metrics,mysql,postgres
PINS   := $(wildcard requirements/*.txt)
PYTHONS := $(shell sed -n 's/.*Python :: \(3\.[0-9]*\)".*/\1/p' pyproject.toml)
PLATFORMS := x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu aarch64-apple-darwin x86_64-pc-windows-msvc
COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.10 --generate-hashes \
          --no-header --no-annotate --no-emit-package rasa-coexistence

.PHONY: help serve test test-rasa test-faults test-deployment check audit lock bench clean
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

$(STAMP): pyproject.toml $(PINS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "rasa-coexistence needs Python 3.10 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once, about a minute) ..."
	@$(LOCKED)/development.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

serve: $(STAMP)  ## install, migrate and serve the actions on port 5055 (loopback, unless a secret is set)
	@$(BIN)/coexist db upgrade
	@$(BIN)/python -m rasa_sdk --actions actions

test: $(STAMP)  ## run the whole test-suite, PostgreSQL included
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "not rasa and not faults and not deployment" $(ARGS)

test-rasa: $(STAMP)  ## train and talk to a real Rasa Open Source 3.6
	@$(BIN)/python -m pytest -m rasa $(ARGS)

test-faults: $(STAMP)  ## kill servers, fill disks, damage files, fuzz; ends with a table
	@$(LOCKED)/fuzz.txt --only-binary :all: || \
	  echo "atheris has no wheel for this Python: the test that needs it says so and is skipped"
	@$(BIN)/python -m pytest -m faults tests/faults $(ARGS)

test-deployment: $(STAMP)  ## build the container image and run it, validate the Kubernetes example
	@$(LOCKED)/tools.txt
	@$(BIN)/python -m pytest -m deployment tests/deployment $(ARGS)

check: $(STAMP) audit  ## lint, types, architecture, vulnerabilities, oldest and newest dependencies
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python -m tests.supported

audit: $(STAMP)  ## look for known vulnerabilities in what is pinned (AUDIT=required: fail where nobody can be asked)
	@$(LOCKED)/tools.txt
	@$(BIN)/python -m tests.advisories

lock:  ## pin what pyproject.toml asks for anew; ARGS=--upgrade: in the newest versions
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(LOCKED)/tools.txt
	@echo "-e ." | $(COMPILE) $(ARGS) --group dev --group build - -o requirements/development.txt
	@echo "-e .[$(SERVER)]" | $(COMPILE) -c requirements/development.txt - -o requirements/server.txt
	@for group in build fuzz tools; do \
	  $(COMPILE) $(ARGS) -c requirements/development.txt --group $$group -o requirements/$$group.txt || exit; done
	@echo "Looking for wheels of all of it, for every Python and platform ..."
	@for python in $(PYTHONS); do for platform in $(PLATFORMS); do \
	  $(BIN)/uv pip install -q --dry-run --python-version $$python --python-platform $$platform \
	    --target $(VENV)/none --only-binary :all: --require-hashes \
	    -r requirements/development.txt -r requirements/tools.txt || exit; done; done

bench: $(STAMP)  ## measure against the bare SDK, in one run
	@$(BIN)/python -m benchmarks

clean:  ## remove the environment and what was built
	rm -rf $(VENV) .venv-oldest .venv-newest .venv-rasa build dist .pytest_cache .mypy_cache .ruff_cache
