# The two commands of a fresh machine are `make serve` and `make test`; both begin with `make setup`.
PYTHON ?= python3
BIN := .venv/bin

# Otherwise each process that the tests start would compile the plugin again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup serve test fuzz unit wheel lowest check bench smoke soak conformance rehearse docs contracts doctor tables deploy destroy disconnect package lock clean

help:  ## lists the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready  ## .venv with all dependencies and the command

.venv/.ready: pyproject.toml requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo 'Setting up .venv, once: about 120 packages, 600 MB, one to three minutes.'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python install.py -r requirements-dev.txt
	@touch $@

serve: setup  ## runs the app, HTTP and WebSocket on loopback; OPTIONS='--http-port 8080 --frames'
	@exec $(BIN)/sessionplugin serve . $(OPTIONS)

test: setup  ## all tests except those of the wheel, the site and a deployed stage, one process per core
	$(BIN)/python -m pytest -n auto --sessionplugin-contract-complete --ignore tests/packaging --ignore tests/site \
		$(addprefix --ignore ,$(OF_A_STAGE))

fuzz: setup  ## requests, frames and sequences of them that nobody thought of, held to contracts/: EXAMPLES=5000
	FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/service/test_http_fuzzed.py tests/service/test_frames_fuzzed.py \
	  tests/service/test_presence_fuzzed.py tests/service/test_client_any_order.py tests/service/test_client_behind_gateway.py

EXAMPLES ?= 5000

unit: setup  ## the fast tests of each room, without AWS, sockets or processes
	@$(MAKE) --no-print-directory --jobs --output-sync $(addprefix unit-,service contracts deployment $(ROOMS))

unit-%:
	@echo "tests/$*"; $(BIN)/python -m pytest --quiet -m "not process and not sockets and not emulator and not slow" tests/$*

ROOMS := account app aws children contract gateway harness lambdas serving tokens

wheel: setup  ## builds the wheel, installs it, and tests another team's project with it
	$(BIN)/python -m pytest tests/packaging

lowest: .venv-lowest/.ready  ## the tests of the plugin that use libraries, with the lowest supported versions
	.venv-lowest/bin/python -m pytest -n auto -m 'not process' $(addprefix tests/,$(ROOMS)) --ignore tests/aws/dynamodb
	.venv-lowest/bin/python -m pytest -n auto -m process tests/harness

.venv-lowest/.ready: pyproject.toml requirements-lowest.txt
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -c requirements-lowest.txt \
		-e .[sockets,clock,contracts] aiohttp flask flask-cors httpx hypothesis joserfc pytest-cov pytest-xdist
	@touch $@

check: setup  ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: setup .venv-docs/.ready  ## renders docs/ to build/docs, and fails on a dead link or an outside request
	@rm -rf build/docs
	.venv-docs/bin/zensical build --strict --clean
	$(BIN)/python -m pytest --quiet tests/site/test_site.py

contracts: setup  ## lints contracts/, renders both to build/contracts, and tries them in Chromium
	$(BIN)/python contracts/pages.py
	$(BIN)/python -m pytest --quiet tests/site/test_contracts.py tests/site/test_tickets.py

.venv-docs/.ready: requirements-docs.txt
	$(PYTHON) -m venv --clear .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch $@

.venv-ministack/.ready: requirements-ministack.txt
	$(PYTHON) -m venv --clear .venv-ministack
	.venv-ministack/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-ministack.txt
	@touch $@

STAGE ?= dev
OF_A_STAGE := tests/rehearsal

doctor: setup  ## checks a stage before it is deployed: STAGE=dev; ACCOUNT=1 also asks AWS
	@exec $(BIN)/python -m deployment doctor --stage '$(STAGE)' $(if $(ACCOUNT),--account) $(OPTIONS)

tables: setup  ## creates or updates the tables and the signing key of a stage alone: STAGE=dev
	@exec $(BIN)/python -m deployment tables --stage '$(STAGE)' $(OPTIONS)

deploy: setup  ## shows what would change in a stage, and changes it after a yes: STAGE=dev; VERSION= a kept version
	@exec $(BIN)/python -m deployment deploy --stage '$(STAGE)' $(if $(VERSION),--version '$(VERSION)') $(OPTIONS)

destroy: setup  ## deletes a stage: STAGE=dev; CONFIRM=dev deletes its tables and its key as well
	@exec $(BIN)/python -m deployment destroy --stage '$(STAGE)' $(if $(CONFIRM),--confirm '$(CONFIRM)') $(OPTIONS)

disconnect: setup  ## closes all open sockets of a stage, as after a leaked key: STAGE=dev
	@exec $(BIN)/python -m deployment disconnect --stage '$(STAGE)' $(OPTIONS)

package: setup  ## writes a stage as one CloudFormation template and its zip to build/STAGE, asking AWS nothing: STAGE=dev
	@exec $(BIN)/python -m deployment package --stage '$(STAGE)' --out 'build/$(STAGE)' $(OPTIONS)

lock: setup  ## locks the newest versions that requirements.in allows, for every platform and Python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) --upgrade --generate-hashes --output-file requirements.lock requirements.in
	$(LOCK) --constraint requirements.lock --no-annotate --output-file requirements.txt requirements.in

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock'

bench: setup  ## measures everything beside its rivals, and fails if a target is missed
	$(BIN)/python -m bench

smoke: setup  ## one short round of each benchmark, to see that it still runs
	$(BIN)/python -m bench --smoke

conformance: setup $(if $(filter ministack,$(GATEWAY)),.venv-ministack/.ready)  ## tests API Gateway's behaviour, fact by fact; GATEWAY= names another implementation
	$(BIN)/python -m pytest tests/conformance --facts $(if $(GATEWAY),--gateway $(GATEWAY)) $(OPTIONS)

rehearse: setup .venv-ministack/.ready  ## deploys, tests, changes, rolls back and destroys a stage on an emulator
	$(BIN)/python -m pytest -n 2 --dist loadfile $(OF_A_STAGE)

soak: setup  ## ten minutes of load of every kind on a server, then looks for leaks
	@exec $(BIN)/python -m bench.soak

clean:  ## removes the virtual environments
	rm -rf .venv .venv-docs .venv-lowest .venv-ministack build/docs build/contracts contracts/node_modules
