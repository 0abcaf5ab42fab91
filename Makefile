# Everything a newcomer needs, on a machine with Python 3.11+ and make.
# Each target sets up what it uses and says what it is doing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV)/bin/uv
STATIC := src/replayport/static/player.js
WEB_SOURCES := $(shell find web -path '*/node_modules' -prune -o -type f -print 2>/dev/null) hatch_build.py

.DEFAULT_GOAL := help
.PHONY: help setup web browser demo test lint types web-check unit torture bench gen serve record-demo clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## create .venv from the lock file

$(VENV)/.ready: pyproject.toml uv.lock
	@echo "==> setting up $(VENV) from uv.lock"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	@# --inexact: uv itself lives in the same environment
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --frozen --quiet --all-extras --inexact
	@touch $@

web: $(STATIC) ## build the web player into src/replayport/static

$(STATIC): $(VENV)/.ready $(WEB_SOURCES)
	@echo "==> building the web player"
	@$(BIN)/python hatch_build.py
	@touch $@

browser: $(VENV)/.ready ## find or install a Chromium
	@$(BIN)/python dev/browser.py

demo: $(STATIC) ## a shop that records you, a small PostHog to pull from, both playing in your browser
	@if [ -n "$(ONCE)" ]; then $(BIN)/python dev/browser.py && exec $(BIN)/replayport demo --once; \
	 else exec $(BIN)/replayport demo; fi

test: lint types web-check unit ## everything CI checks

lint: $(VENV)/.ready
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.ready
	@echo "==> mypy --strict"
	@$(BIN)/mypy

web-check: $(STATIC)
	@echo "==> tsc, eslint, vitest"
	@$(BIN)/python hatch_build.py -- typecheck
	@$(BIN)/python hatch_build.py -- lint
	@$(BIN)/python hatch_build.py -- test

unit: $(STATIC) browser
	@echo "==> pytest"
	@$(BIN)/python -m pytest -q -n 2 --dist loadgroup --durations 15 tests

torture: $(STATIC) ## kill the capture server 200 times under load, count what was lost; then 20,000 sessions
	@$(BIN)/python dev/torture.py --kills 200

bench: $(STATIC) ## honest timings against named baselines; raw results in bench/results
	@$(BIN)/python bench/run.py

gen: $(VENV)/.ready ## write the generated reference pages
	@$(BIN)/python dev/gen_docs.py

serve: $(STATIC) ## serve ./replays on localhost
	@exec $(BIN)/replayport serve

record-demo: $(STATIC) browser ## record the demo shop again with posthog-js from npm
	@$(BIN)/python -m replayport.demo.record .cache/posthog-js src/replayport/demo/recordings

clean: ## remove what the other targets made
	rm -rf $(VENV) web/node_modules src/replayport/static dist .pytest_cache .mypy_cache .ruff_cache
