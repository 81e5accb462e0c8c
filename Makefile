# One command for each thing a person does here; `make` alone lists them.
PY := .venv/bin/python
ARGS ?=
SEED ?= $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help up demo test chaos check lint bench lock clean setup setup-dev

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: setup ## Set up and start the whole product; Ctrl-C stops it (PORT, HOST, WORKERS, DEMO=0, …)
	@exec $(PY) manage.py up

demo: setup ## Start a demo run against the running product and follow it to its end
	@exec $(PY) manage.py start_run site-research --input '{"ask_first": false}' --follow

test: setup-dev ## Set up and run the tests, in browsers too where a Chromium is found (ARGS="-k name")
	@$(PY) -m pytest -n 4 --dist worksteal --reruns 1 $(ARGS)

chaos: setup-dev ## Break every part of the product under load, at length (SEED=7, ARGS="-k redis")
	@echo "seed: $(SEED)"
	@CHAOS=long CHAOS_SEED=$(SEED) $(PY) -m pytest -n 2 --timeout 1200 tests/crash $(ARGS)

check: lint test ## What CI runs: lint, format, types, import contracts, migrations, tests

lint: setup-dev ## The part of `check` that needs no test
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@DJANGO_SETTINGS_MODULE=tests.settings $(PY) manage.py makemigrations --check --dry-run

bench: setup-dev ## Run the benchmarks beside the peers (ARGS="w1 --repeat 1", --product-only, --save)
	@$(PY) -m benchmarks $(ARGS)

bench-peers: ## Install the peers of the benchmarks into an environment of their own
	@$(PY) -m venv benchmarks/peers/.venv
	@benchmarks/peers/.venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes --no-deps -r benchmarks/peers/requirements.txt

lock: setup-dev ## Choose package versions anew and write requirements/*.txt, with hashes and without addresses
	@sh tools/lock

clean: ## Remove what can be made again: .venv and caches; never data
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup:
	@sh tools/bootstrap base

setup-dev:
	@sh tools/bootstrap dev
