# Everything runs in .venv, which is set up by itself from the locked requirements; nothing else is touched.
BIN := .venv/bin
# In the environment, and not in the commands' text: a folder's name may hold anything.
export IMAGES ?=
export PORT ?=
export ORIGIN ?=

.DEFAULT_GOAL := help
.PHONY: help demo up test lint format package lock clean setup

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup ## Run the main job and show it (IMAGES=folder for your own images)
	@exec $(BIN)/labelwatch demo $${IMAGES:+--images "$$IMAGES"}

up: setup ## Start the embedded cloud and follow it until Ctrl-C (IMAGES=folder, PORT=number, ORIGIN=page)
	@exec $(BIN)/labelwatch local up $${IMAGES:+--images "$$IMAGES"} $${PORT:+--port "$$PORT"} $${ORIGIN:+--origin "$$ORIGIN"}

test: setup ## Run every test: unit, integration, end to end
	@$(BIN)/pytest tests/unit --cov --cov-report=term --cov-fail-under=95 -q
	@$(BIN)/pytest tests/integration tests/e2e -q

lint: setup ## Run ruff, mypy and, on the merged template, cfn-lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/labelwatch package
	@$(BIN)/cfn-lint build/template.json infra/resources.yaml

format: setup ## Let ruff format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

package: setup ## Make build/template.json and build/deployment.zip
	@$(BIN)/labelwatch package

lock: setup ## Pin again what requirements-dev.in asks for
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile -q --universal --upgrade --python-version 3.12 --no-header --no-annotate requirements-dev.in -o requirements-dev.txt

clean: ## Take away what was built, and the environment
	@rm -rf build .labelwatch .venv *.egg-info

setup: .venv/ready

.venv/ready: requirements-dev.txt scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup
	@touch $@
