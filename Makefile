PYTHON ?= python3
PHOTO ?=
INFERENCE ?= triton
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps

MINUTES ?= 5
SECONDS ?= 60
SEED ?= 1
PROCESSES ?= 2
LOCK := --universal --generate-hashes --no-emit-index-url --no-header

.PHONY: help demo up test test-fast test-containers clients examples docs build wheel release screenshots test-export bench fuzz soak audit check format lock clean
.DEFAULT_GOAL := help

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/installed  ## process one photo with the real system; PHOTO=path for one of your own
	exec $(BIN)/irisvue demo $(if $(PHOTO),"$(PHOTO)") --inference $(INFERENCE)

# Only what is set on make's own command line: shells export variables with these names.
option = $(if $(filter command,$(origin $1)),--$2 "$($1)")

up: .venv/installed  ## run everything on this machine until Ctrl-C; PORT=8080 HOST=192.168.1.20 HTTPS=1
	exec $(BIN)/irisvue up --inference $(INFERENCE) $(call option,PORT,port) $(call option,HOST,host) $(if $(filter command,$(origin HTTPS)),--https)

test: .venv/installed-dev  ## run every test, against the real servers, in PROCESSES side by side (2)
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadgroup --no-loadscope-reorder

test-fast: .venv/installed-dev  ## run the unit and property tests, in under two minutes
	$(BIN)/python -m pytest tests/unit tests/property

clients: clients/typescript/node_modules/.installed  ## build the TypeScript client and the page's copy of it (needs Node.js)
	npm --prefix clients/typescript run --silent schema
	npm --prefix clients/typescript run --silent build

clients/typescript/node_modules/.installed: clients/typescript/package-lock.json clients/typescript/test/package-lock.json
	npm --prefix clients/typescript ci --silent --no-audit --no-fund
	npm --prefix clients/typescript/test ci --silent --no-audit --no-fund
	@touch $@

examples: clients clients/example-web/node_modules/.installed $(if $(EXAMPLES),clients/example-expo/node_modules/.installed)  ## install what the example apps need (Node.js); EXAMPLES=1: Expo's too

clients/example-web/node_modules/.installed: clients/example-web/package-lock.json
	npm --prefix clients/example-web ci --silent --no-audit --no-fund
	@touch $@

clients/example-expo/node_modules/.installed: clients/example-expo/package-lock.json
	npm --prefix clients/example-expo ci --silent --no-audit --no-fund
	@touch $@

docs: .venv/installed-dev  ## write the generated pages, and build the site into site/
	$(BIN)/python -m docs.generate
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

screenshots: .venv/installed-dev  ## take the screenshots for the docs (needs Chromium)
	$(BIN)/python -m tests.browser.screenshots

test-containers: .venv/installed-dev  ## build and run docker-compose.yml with Docker or podman (under ten minutes)
	CONTAINERS=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/containers --durations=5

test-export: .venv/installed-export  ## run the tests of training and export; installs torch
	$(BIN)/python -m pytest tests/export

bench: .venv/installed-dev  ## measure what the design promises; writes docs/performance.md
	$(BIN)/python -m benchmarks $(MEASURE)

fuzz: .venv/installed-dev  ## fuzz image reading, settings, config.pbtxt and Last-Event-ID, each for SECONDS
	$(BIN)/python -m tests.fuzz $(FUZZ) --seconds $(SECONDS)

soak: .venv/installed-dev  ## cause random faults for MINUTES, then check that nothing is lost
	$(BIN)/python -m tests.fault.soak --minutes $(MINUTES) --seed $(SEED)

audit: .venv/installed-dev  ## look for known vulnerabilities in the locked packages
	$(BIN)/python -m tests.audit

check: audit  ## check format, lint, types, import directions and spelling; audit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: .venv/installed-dev  ## fix format and lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## resolve the lock files again: one machine, development, images (needs uv)
	uv pip compile pyproject.toml --extra embedded $(LOCK) -o requirements.lock
	uv pip compile pyproject.toml --extra dev $(LOCK) -c requirements.lock -o requirements-dev.lock
	uv pip compile pyproject.toml --extra server $(LOCK) -c requirements.lock -o requirements-server.lock
	uv pip compile pyproject.toml --extra api $(LOCK) -c requirements.lock -o requirements-api.lock
	printf 'numpy\nopencv-python-headless\n' | uv pip compile - $(LOCK) -c requirements-server.lock -o deploy/triton/requirements.lock
	echo "setuptools>=77" | uv pip compile - $(LOCK) -c requirements-dev.lock -o deploy/image/build.lock

build: wheel clients/typescript/node_modules/.installed  ## build a wheel and an npm tarball into dist/ (a minute the first time)
	@echo "dist/$$(cd clients/typescript && npm pack --silent --pack-destination "$(CURDIR)/dist")"

wheel: .venv/installed-dev
	@said=$$($(BIN)/python -m build --wheel --no-isolation --outdir dist . 2>&1) || { echo "$$said"; exit 1; }
	@rm -rf build
	@ls dist/irisvue-*.whl

release: .venv/installed-dev clients/typescript/node_modules/.installed  ## make a release on this machine, ready to push; VERSION=X.Y.Z
	$(BIN)/python -m release prepare "$(VERSION)"
	rm -rf dist
	$(MAKE) build
	$(BIN)/python -m release finish "$(VERSION)"

.venv/created:
	@echo "Installing into .venv. This happens once and takes about a minute with a good network."
	@$(PYTHON) -c 'import sys; sys.exit("Irisvue needs Python 3.11 or 3.12; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 demo" if sys.version_info[:2] not in ((3, 11), (3, 12)) else 0)'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: requirements.lock pyproject.toml | .venv/created
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation -e .
	@touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

.venv/installed-export: .venv/installed-dev
	$(BIN)/python -m pip --disable-pip-version-check install --quiet torch==2.13.0
	@touch $@

clean:  ## remove what was installed or built; the data of `make up` stays
	rm -rf .venv demo-output irisvue-output .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
