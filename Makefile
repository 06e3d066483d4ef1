# Each target installs what it needs; this is done once.
#   make run     the demonstration on http://127.0.0.1:8442/ and https://127.0.0.1:8443/ (etc/router.ini); WORKERS=2: with two workers
#   make unit    the tests that need no database, browser or other program, in less than 4 minutes
#   make test    all tests, in one process per core; installs the Debian packages that they need, if permitted
#   make style   ruff: rules and format          make types   mypy, strict
#   make bench   the benchmarks, once, in less than 15 minutes; PEERS, SCEN and REPS select (bench/README.md)
#   make bench-full    five repetitions, and two workers, in about 40 minutes; make bench-guard: whether the bounds + 15 % are met
#   make tabs    what 2,000 and 10,000 open pages of Oro's cost, with TLS and behind nginx (docs/performance.md); TABS="--tabs 500 --secs 10"
#   make bench-rules   the cost of topic rules for each PUBLISH (docs/topics.md)
#   make storm   5,000 tickets within 2 s; STORM="--wrong 256" for invalid ones; make timing: the timing of refusals (docs/storms.md)
#   make attack  the effect of floods on other clients (docs/floods.md); ATTACK="--kinds ping" selects
#   make places  the memory of 10,000 connections that have not joined (docs/storms.md); PLACES="--connections 2000"
#   make deployments   every deployment of docs/deployments.md, with each application; DEPLOYMENTS="--applications crm" selects
#   make nodes   the tests of the product over one process, two workers and three nodes with Redis; NODES="--spread redis test_clients" selects
#   make faults  kill -9, SIGSTOP, failover and partition of nodes during traffic, also part of make nodes; FAULTS="node-killed" selects
#   make fuzz    the property tests, for much longer than in `make test`
#   make bare    `make run` and `make test` in minimal systems of Debian 12 and 13, as root; BARE="bookworm --only run" (tools/bare.py)
#   make units   the systemd units of etc/ under systemd in a minimal Debian 12, as root (tools/units.py)
#   make clean   removes everything that was created here, including the environment

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
RUNNABLE := $(VENV)/.runnable
WORKERS ?=
BARE ?=
UNITS ?=
NODES ?=
FAULTS ?=
TESTS ?= tests
REPS ?=
RECORDED = $(if $(PEERS),--peers "$(PEERS)") $(if $(SCEN),--scenarios "$(SCEN)")

.PHONY: run unit test style types bench bench-full bench-guard tabs bench-rules storm attack places timing deployments nodes faults fuzz bare units clean

run: $(RUNNABLE)
	@tools/demonstration.sh $(VENV) $(WORKERS)

# What needs PHP, Node, a database, a browser, another router, systemd or a compiler; `make unit` runs the rest.
PROGRAMS := tests/product/% tests/identity/php/% tests/identity/sessions/test_files.py tests/identity/sessions/test_pdo.py \
    tests/identity/sessions/test_redis% tests/backplane/test_redis% tests/test_redis_connection.py tests/identity/directories/test_dsn.py \
    tests/identity/directories/test_pool.py tests/identity/directories/test_sql_mysql.py \
    tests/identity/directories/test_sql_postgresql.py tests/support/test_crossbar.py tests/test_bench.py \
    tests/identity/test_factory_stores.py tests/demo/test_endpoints_static_files.py tests/test_instructions.py \
    tests/test_alerts.py tests/test_packaging.py tests/test_units.py tests/js/%

unit: $(INSTALLED)
	$(BIN)/python tools/run_tests.py $(filter-out $(PROGRAMS),$(shell find tests -name 'test_*.py' -not -path '*/node_modules/*' | sort))

test: $(INSTALLED) .cache/test-tools
	$(BIN)/python tools/run_tests.py $(TESTS)

style: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

storm: $(INSTALLED) .cache/test-tools
	$(BIN)/python bench/storm.py $(STORM)

attack: $(INSTALLED) .cache/test-tools bench/flood
	$(BIN)/python bench/attack.py $(ATTACK)

bench/flood: bench/flood.c
	tools/debian.sh gcc:gcc /usr/include/stdio.h:libc6-dev /usr/include/openssl/ssl.h:libssl-dev openssl:openssl
	gcc -O2 -Wall -Wextra -Werror -o $@ $< -lssl -lcrypto

tabs: $(INSTALLED) bench/wampload
	tools/debian.sh nginx:nginx-light
	$(BIN)/python bench/tabs.py $(TABS)

bench-rules: $(INSTALLED)
	$(BIN)/python bench/rules.py

places: $(INSTALLED)
	$(BIN)/python bench/places.py $(PLACES)

timing: $(INSTALLED)
	$(BIN)/python bench/timing.py

deployments: $(INSTALLED) .cache/test-tools
	tools/debian.sh apache2:apache2-bin
	$(BIN)/python -m tests.deployments $(DEPLOYMENTS)

nodes: $(INSTALLED) .cache/test-tools
	$(BIN)/python tools/nodes.py $(NODES)
	$(if $(NODES),,$(MAKE) faults)

faults: $(INSTALLED) .cache/test-tools
	$(BIN)/python -m tests.faults $(FAULTS)

bench: $(INSTALLED) bench/wampload
	$(BIN)/python bench/record.py --reps $(or $(REPS),1) $(RECORDED)

bench-full: $(INSTALLED) bench/wampload
	$(BIN)/python bench/record.py --reps $(or $(REPS),5) $(RECORDED); recorded=$$?; $(BIN)/python bench/workers.py && exit $$recorded

bench-guard: $(INSTALLED) bench/wampload
	$(BIN)/python bench/record.py --reps $(or $(REPS),3) --slack 0.15 $(RECORDED)

bench/wampload: bench/wampload.c
	tools/debian.sh gcc:gcc /usr/include/stdio.h:libc6-dev /usr/include/openssl/ssl.h:libssl-dev openssl:openssl
	gcc -O2 -o $@ $< -lssl -lcrypto -lm

fuzz: $(INSTALLED)
	HYPOTHESIS_PROFILE=long $(BIN)/python -m twisted.trial $$(grep -rl --include='test_*.py' 'from hypothesis' tests)

clean:
	rm -rf $(VENV) .cache _trial_temp* build dist *.egg-info .mypy_cache .ruff_cache .hypothesis tests/js/node_modules
	rm -f bench/wampload bench/flood bench/floor bench/*.log bench/results.jsonl orosync/identity/*.so orosync/transport/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

bare: $(RUNNABLE)
	$(BIN)/python tools/bare.py $(BARE)

units: $(RUNNABLE)
	$(BIN)/python tools/units.py $(UNITS)

$(RUNNABLE): setup.cfg pyproject.toml setup.py native/rounds.c native/transport.c tools/environment.sh
	@tools/environment.sh $(VENV) $(@F) .

$(INSTALLED): setup.cfg pyproject.toml setup.py native/rounds.c native/transport.c tools/environment.sh
	@tools/environment.sh $(VENV) $(@F) '.[test]'
	@touch $(RUNNABLE)

.cache/test-tools: tests/setup.sh tools/debian.sh tools/environment.sh setup.cfg tests/js/package.json tests/js/package-lock.json
	tests/setup.sh
	mkdir -p .cache && touch $@
