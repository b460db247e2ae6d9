# `make help` lists what can be done here. Only make and Python 3.11 or newer are needed; uv is brought along.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# uv: the one on PATH, else one of our own.
OWN_UV := $(CURDIR)/.local/tools/uv/bin
ifeq ($(shell command -v uv),)
  export PATH := $(OWN_UV):$(PATH)
  UV_READY := $(OWN_UV)/uv
endif
RUN := uv run --frozen

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- try it ---------------------------------------------------------------------------------------------------------
.PHONY: demo up sandbox sam-local faults
demo: $(UV_READY) ## start everything, run one job over HTTP and one by the schedule's rule, stop everything (TIMEOUT=)
	$(RUN) python -m local_aws demo $(if $(TIMEOUT),--timeout $(TIMEOUT))

up: $(UV_READY) ## keep a local stack running until Ctrl-C (OUT=, FINCH_URL= and FINCH_TOKEN= for another Finch)
	@FINCH_URL='$(FINCH_URL)' FINCH_TOKEN='$(FINCH_TOKEN)' $(RUN) python -m local_aws up $(if $(OUT),--out '$(OUT)')

sandbox: $(UV_READY) ## run the local Finch sandbox alone (PORT=)
	$(RUN) python -m finch_sandbox --port $(or $(PORT),0)

sam-local: $(UV_READY) ## with Docker: run every file in events/ through `sam local` (ALLOW_MISSING_DOCKER=1)
	$(RUN) python -m local_aws sam-local $(if $(ALLOW_MISSING_DOCKER),--allow-missing-docker)

faults: $(UV_READY) ## make a local stack fail at every step, and compare what callers, Finch and the records say (TRIGGERS=, SEED=)
	$(RUN) python -m fault_campaign --triggers $(or $(TRIGGERS),2000) --seed $(or $(SEED),1) $(if $(JSON),--json '$(JSON)') $(if $(REPEAT),--repeat '$(REPEAT)')

# --- what it costs --------------------------------------------------------------------------------------------------
.PHONY: bench scale frontier
bench: $(UV_READY) ## measure against floors and goals: one table, and .local/bench.json (COUNTED=1 for what CI holds)
	$(RUN) --group bench python -m benchmarks $(if $(COUNTED),--counted)

scale: $(UV_READY) ## simulate 10 to 100,000 connections on one schedule, against Finch's and AWS's limits
	$(RUN) --group bench python -m benchmarks scale

frontier: $(UV_READY) ## draw docs/polling-frontier.svg: looks at a job against delay, ours and the peers'
	$(RUN) --group bench python -m benchmarks frontier

# --- operate it -----------------------------------------------------------------------------------------------------
.PHONY: token live smoke dashboard
smoke: $(UV_READY) ## try any deployed stack from outside (API_URL=, TOKEN= a caller token, PATIENCE= seconds for its job)
	@test -n '$(API_URL)' -a -n '$(TOKEN)' || { echo 'make smoke API_URL=<output ApiUrl> TOKEN=<caller token>' >&2; exit 2; }
	@API_URL='$(API_URL)' TOKEN='$(TOKEN)' PATIENCE='$(PATIENCE)' $(RUN) pytest -v -p no:cacheprovider tests/end_to_end/test_smoke.py

live: $(UV_READY) ## hold the Finch of FINCH_TOKEN (and FINCH_URL) to the contract; tell what its documents leave open
	@$(RUN) python -m tests.live

dashboard: $(UV_READY) ## draw docs/dashboard.png: the dashboard's panels, from 100 jobs with faults on a local stack
	$(RUN) --group bench python -m dashboard_picture

token: $(UV_READY) ## make a caller token (CONNECTION=, EXPIRES=; STACK= or SECRET_ID= names its secret), or REVOKE=digest
	@$(RUN) finch-sync tokens $(if $(REVOKE),revoke '$(REVOKE)',make \
	  $(if $(CONNECTION),--connection '$(CONNECTION)') $(if $(EXPIRES),--expires '$(EXPIRES)')) \
	  $(if $(STACK),--stack '$(STACK)') $(if $(SECRET_ID),--secret-id '$(SECRET_ID)')

# --- work on it -----------------------------------------------------------------------------------------------------
.PHONY: test lint advisories build lock clean
test: lint ## everything CI checks: lint, types, lock files, template, all tests that need no Docker
	$(RUN) pytest --numprocesses 4 --dist loadgroup

lint: $(UV_READY) ## all of `make test` but the tests
	$(RUN) ruff check
	$(RUN) ruff format --check
	@$(MAKE) --no-print-directory --jobs 2 --output-sync types checks

.PHONY: types checks
types:
	$(RUN) mypy

checks:
	$(RUN) python -m local_aws check

advisories: $(UV_READY) ## keep what is known of all locked packages for a `make lint` offline (DATABASE= a clone of pypa/advisory-database)
	@test -n '$(DATABASE)' || { echo 'make advisories DATABASE=<clone of https://github.com/pypa/advisory-database>' >&2; exit 2; }
	@$(RUN) python -m local_aws advisories '$(DATABASE)'

build: $(UV_READY) ## build the function as `sam deploy` takes it, and its bill of materials, into .aws-sam/build
	$(RUN) python -m local_aws build

lock: $(UV_READY) ## bring uv.lock and all requirements files up to date with pyproject.toml
	uv lock
	uv export --quiet --frozen --no-default-groups --no-emit-project --format requirements.txt -o src/requirements.txt
	for tool in checkov ministack ric sam supply; do \
	  uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	    src/local_aws/requirements/$$tool.in -o src/local_aws/requirements/$$tool.txt || exit; \
	done

clean: ## remove everything that was made here, the tools too
	rm -rf .local .aws-sam .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(OWN_UV)/uv:
	python3 -m pip install --quiet --disable-pip-version-check --target $(dir $(OWN_UV)) uv==0.13.9
