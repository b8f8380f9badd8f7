# Originmark. `make help` lists what there is.
SHELL := bash
VENV ?= .venv
PYTHON ?= python3
PY := $(VENV)/bin/python
PORT ?= 8000
export ORIGINMARK_DATA ?= var
# Without bytecode each process compiles the project anew: half a second, of the five that a second start may take.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types contracts vectors js scan fuzz bench hammer cluster spark clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/.run: requirements.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

# Runs in any folder, and takes its modules from nowhere but here.
LAUNCHER := \#!/bin/sh\nPYTHONPATH="%s" exec "%s" -P -m api "$$@"\n
$(VENV)/bin/originmark: Makefile $(VENV)/.run
	@printf '$(LAUNCHER)' "$(CURDIR)" "$(abspath $(PY))" >$@
	@chmod +x $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run | $(VENV)/bin/originmark
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

$(VENV)/.peers: tests/peers/requirements.txt $(VENV)/.dev
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --ignore-requires-python \
		--upgrade --target $(VENV)/peers -r tests/peers/requirements.txt
	@touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.dev
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@touch $@

demo: $(VENV)/bin/originmark  ## play a season of signed records and serve it on http://localhost:8000
	@$(PY) -m api demo --port $(PORT)

node_modules_ok := contracts/node_modules/.package-lock.json tests/js/node_modules/.package-lock.json
%/node_modules/.package-lock.json: %/package-lock.json $(VENV)/.dev
	@PATH="$$($(PY) -m tests.support.node):$$PATH" npm ci --silent --no-audit --no-fund --ignore-scripts --prefix $*
	@touch $@

test: $(VENV)/.dev $(VENV)/.peers $(node_modules_ok)  ## everything: Python, JavaScript, contract, browser
	@$(MAKE) --no-print-directory check
	@PATH="$$($(PY) -m tests.support.node):$$PATH" node --test tests/js/*.mjs
	@PATH="$$($(PY) -m tests.support.node):$$PATH" $(PY) -m pytest -n 2 --dist loadgroup --max-worker-restart 0

check: lint types  ## lint and types

lint: $(VENV)/.dev  ## ruff
	@$(VENV)/bin/ruff check .

types: $(VENV)/.dev  ## mypy --strict
	@$(VENV)/bin/mypy

contracts: $(VENV)/.dev $(node_modules_ok)  ## recompile the contract and compare it with the committed bytes
	@PATH="$$($(PY) -m tests.support.node):$$PATH" npm run -s --prefix contracts check

vectors: $(VENV)/.dev  ## write the shared vectors anew
	@$(PY) -m tests.verify.make_core_vectors
	@$(PY) -m tests.verify.make_gallery

js: $(VENV)/.dev $(node_modules_ok)  ## the JavaScript tests alone
	@PATH="$$($(PY) -m tests.support.node):$$PATH" node --test tests/js/*.mjs

scan: $(VENV)/.dev $(node_modules_ok)  ## what a scan costs a shopper: bytes, requests, time to the verdict on a slow phone
	@PATH="$$($(PY) -m tests.support.node):$$PATH" $(PY) -m tests.e2e.measure

FUZZ_KILLS ?= 50
FUZZ_FLIPS ?= 1000
FUZZ_POINTS ?= 0
FUZZ_SECONDS ?= 300
fuzz: $(VENV)/.dev  ## every fault, system call (strace) and 1,000 changed bytes; kill -9 on both engines; hostile input (40 minutes)
	@FAULTS=all FLIPS=$(FUZZ_FLIPS) $(PY) -m pytest -n 2 --timeout 3000 tests/ledger/faults tests/ledger/test_flips.py
	@$(PY) -m tests.e2e.syscalls --points $(FUZZ_POINTS)
	@$(PY) -m tests.e2e.kill9 --rounds $(FUZZ_KILLS) --engine sqlite
	@$(PY) -m tests.e2e.kill9 --rounds $(FUZZ_KILLS) --engine postgresql
	@$(PY) -m tests.e2e.fuzz --seconds $(FUZZ_SECONDS) --examples 200

bench: $(VENV)/.bench  ## measure, beside bare verification and a peer (10 minutes; NAMES="growth peer" for some)
	@$(PY) -m tests.bench $(NAMES) --json build/bench.json

hammer: $(VENV)/.dev  ## load a fresh log for 20 seconds, verify all it answers, audit it
	@$(PY) -m tests.bench.hammer

cluster: $(VENV)/.dev  ## a whole cluster on this machine (Debian), killed in parts under the hammer, audited (6 minutes)
	@$(PY) -m tests.cluster $(if $(PATRONI),--patroni $(PATRONI))

build/spark/.run: tests/bench/requirements-spark.txt
	@test -d build/spark || $(PYTHON) -m venv build/spark
	@build/spark/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/bench/requirements-spark.txt
	@touch $@

spark: $(VENV)/.dev build/spark/.run  ## audit exported logs with Spark, and agree with our own audit (10 minutes; needs Java 17)
	@$(PY) -m tests.bench.spark_run --json build/spark.json

clean:  ## remove what can be made again (not the demo's data)
	@rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache contracts/node_modules tests/js/node_modules
