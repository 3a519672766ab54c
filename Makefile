# `make serve` and `make test` are all a newcomer needs; the rest is listed by `make help`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help serve test test-rasa test-faults check bench clean
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "rasa-coexistence needs Python 3.10 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once, about a minute) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e . --group dev
	@touch $@

serve: $(STAMP)  ## install, migrate and serve the actions on port 5055 (loopback, unless a secret is set)
	@$(BIN)/coexist db upgrade
	@$(BIN)/python -m rasa_sdk --actions actions

test: $(STAMP)  ## run the whole test-suite, PostgreSQL included
	@$(BIN)/python -m pytest -m "not rasa and not faults" $(ARGS)

test-rasa: $(STAMP)  ## train and talk to a real Rasa Open Source 3.6
	@$(BIN)/python -m pytest -m rasa $(ARGS)

test-faults: $(STAMP)  ## kill servers, fill disks, damage files, fuzz; ends with a table
	@$(BIN)/python -m pip install -q --disable-pip-version-check --only-binary :all: --group fuzz || \
	  echo "atheris has no wheel for this Python: the test that needs it says so and is skipped"
	@$(BIN)/python -m pytest -m faults tests/faults $(ARGS)

check: $(STAMP)  ## lint, types, architecture, oldest and newest dependencies
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python -m tests.supported

bench: $(STAMP)  ## measure against the bare SDK, in one run
	@$(BIN)/python -m benchmarks

clean:  ## remove the environment and what was built
	rm -rf $(VENV) .venv-oldest .venv-newest .venv-rasa build dist .pytest_cache .mypy_cache .ruff_cache
