# `make` alone lists what there is. Only Python 3.11 or later and make are needed; everything goes into .venv (or, to
# try another Python beside it: make test VENV=.venv-3.13 PYTHON=python3.13).

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint lock clean simulate coverage hooks full

VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes
# The Pythons to try, best first; `make setup PYTHON=/path/to/python` tries that one only.
PYTHON ?= python3.14 python3.13 python3.12 python3.11 python3
# Arguments for the demo and for pytest: make demo ARGS="--port 8001", make test ARGS="-k merge"
ARGS ?=
PYTEST := $(PY) -m pytest -n auto --maxprocesses 4
# The databases of `make test`: make test ON=sqlite
ON ?= sqlite postgres
# These touch no database of the application: they run with SQLite only.
WITHOUT_DATABASE := --ignore=tests/salesforce --ignore=tests/sandbox
# What `make test` looks for; TEST_DATABASE_URL and TEST_REDIS_URL name others, which then have to answer.
LOCAL_POSTGRES := postgres://postgres@127.0.0.1:5432/test
LOCAL_REDIS := redis://127.0.0.1:6379/15
PIP_COMPILE := $(VENV)/bin/pip-compile --quiet --allow-unsafe --generate-hashes --strip-extras \
	--no-emit-find-links --no-emit-index-url --no-emit-trusted-host

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## Build .venv, write .env with new keys, create the database
	@$(PY) -m marketo.dotenv
	@umask 077; $(PY) manage.py migrate --verbosity 0 # a new SQLite file is for this user only
	@$(PY) manage.py collectstatic --noinput --verbosity 0
	@echo "Ready. Next: $(PY) manage.py createsuperuser, then add_sync_user (see README.md)."

demo: $(VENV)/.installed ## Try it: a sandbox Salesforce, a first sync and the admin, on this machine only
	@$(PY) -m marketo.dotenv --demo .demo
	@exec env ENV_FILE=.demo/env $(PY) manage.py demo $(ARGS)

test: $(VENV)/.installed-dev ## Check the style and run all tests, on SQLite and on PostgreSQL with Redis if they answer
	@$(PY) -m ruff check .
ifneq ($(filter sqlite,$(ON)),)
	@echo "Tests on SQLite, with $$($(PY) --version)"
	@env -u TEST_DATABASE_URL -u TEST_REDIS_URL $(PYTEST) $(ARGS)
endif
ifneq ($(filter postgres,$(ON)),)
	@url="$${TEST_DATABASE_URL:-$(LOCAL_POSTGRES)}"; redis="$${TEST_REDIS_URL:-$(LOCAL_REDIS)}"; \
	if ! reason=$$($(PY) -m tests.project.redis_answers "$$redis"); then \
		if [ -n "$${TEST_REDIS_URL:-}" ]; then echo "TEST_REDIS_URL cannot be used: $$reason" >&2; exit 1; fi; \
		echo "Skipped Redis: $$reason The queue is in the database. Set TEST_REDIS_URL to use one."; \
		redis=; \
	fi; \
	if reason=$$($(PY) -m tests.postgres "$$url"); then \
		echo "Tests on PostgreSQL$${redis:+ with Redis}, with $$($(PY) --version)"; \
		TEST_DATABASE_URL="$$url" TEST_REDIS_URL="$$redis" $(PYTEST) $(WITHOUT_DATABASE) $(ARGS); \
	elif [ -n "$${TEST_DATABASE_URL:-}" ]; then \
		echo "TEST_DATABASE_URL cannot be used: $$reason" >&2; exit 1; \
	else \
		echo "Skipped the tests on PostgreSQL$${redis:+ with Redis}: $$reason Set TEST_DATABASE_URL to run them."; \
	fi
endif

SEEDS ?= 1-200
simulate: $(VENV)/.installed-dev ## Simulate histories of edits, faults and crashes: make simulate SEEDS=1-1000
	@env -u TEST_DATABASE_URL SEEDS="$(SEEDS)" $(PYTEST) tests/simulation/test_simulation.py $(ARGS)

coverage: $(VENV)/.installed-dev ## Show which branches the tests take, on SQLite: make coverage ARGS=tests/sync
	@env -u TEST_DATABASE_URL -u TEST_REDIS_URL $(PYTEST) --cov --cov-report=term:skip-covered --cov-report=html $(ARGS)
	@echo "Line by line: build/coverage/index.html"

# What CI has no time for: the Pythons between the oldest and the newest, and many histories.
full: $(VENV)/.installed-dev ## Run what CI has no time for, about half an hour, and write docs/full-run.md
	@$(PY) -m tests.full

hooks: $(VENV)/.installed-dev ## Check style and types before each commit
	@$(PY) -m pre_commit install

lint: $(VENV)/.installed-dev ## Check style, layout and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

lock: $(VENV)/.installed-dev ## Write both lock files anew from pyproject.toml
	@$(PIP_COMPILE) --extra=postgres --extra=redis --output-file=requirements.txt pyproject.toml
	@$(PIP_COMPILE) --extra=dev --extra=postgres --extra=redis --output-file=requirements-dev.txt pyproject.toml

clean: ## Remove what was built and cached; keeps .env, the databases and the demo's data
	@rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis build staticfiles *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp per lock file: installing is skipped until the lock changes. A virtual environment that a failed attempt
# left half-built has no working pip and is built anew.
$(VENV)/.installed: requirements.txt
	@if ! $(PY) -m pip --version >/dev/null 2>&1; then \
		for python in $(PYTHON); do \
			"$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
			echo "Building $(VENV) with $$("$$python" --version)"; \
			"$$python" -m venv --clear $(VENV) && break; \
		done; \
		$(PY) -m pip --version >/dev/null 2>&1 || { \
			echo "Python 3.11 or later with its venv module is needed (Debian: apt install python3-venv);" \
				"tried: $(PYTHON)." >&2; exit 1; }; \
	fi
	@echo "Installing the packages of requirements.txt"
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@echo "Installing the packages of requirements-dev.txt"
	@$(PIP) -r requirements-dev.txt
	@touch $@
