# The daily commands; each makes .venv first where it has to. `make` alone lists them.
python := .venv/bin/python
ARGS ?=

.PHONY: help install run test lint check coverage bench replicas connections checks agents detection keys crash faults soak fuzz compat parity docs protos lock

help: ## list these commands
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

install: ## make .venv with everything in it; quick when nothing changed
	@scripts/install

run: install ## start the registry on :8500; ARGS="--http-port 9500" goes to `registry serve`
	@exec $(python) -m registry serve $(ARGS)

test: install ## style, types and tests; ARGS goes to pytest
	scripts/test $(ARGS)

lint: install ## rewrite the tree as the style wants it
	scripts/lint

check: install ## style and types only
	scripts/check

coverage: install ## the tests with the lines they leave out
	scripts/coverage $(ARGS)

bench: install ## compare with a real Consul (CONSUL_BIN)
	$(python) -m bench.compare $(ARGS)

replicas: install ## measure replicas over Redis, and workers on one machine
	$(python) -m bench.replicas $(ARGS)

connections: install ## 10,000 waiting connections: memory, wake-up, end
	$(python) -m bench.connections $(ARGS)

checks: install ## 5,000 HTTP checks and 20,000 beats a second
	$(python) -m bench.checks $(ARGS)

agents: install ## 1,000 agents over REST: beats, registrations, lists
	$(python) -m bench.agents $(ARGS)

detection: install ## kill 20 processes; how soon a reader knows
	$(python) -m bench.detection $(ARGS)

keys: install ## 1,000,000 keys: memory, start, p99 of reads
	$(python) -m bench.keys $(ARGS)

crash: install ## kill the server at random moments, 50 rounds
	CRASH_ROUNDS=$${CRASH_ROUNDS:-50} $(python) -m pytest tests/crash $(ARGS)

faults: install ## every fault of Redis and of replicas, 30 rounds each
	FAULT_ROUNDS=$${FAULT_ROUNDS:-30} $(python) -m pytest tests/replicas $(ARGS)

soak: install ## everything at once for 10 minutes: errors, memory, leaks
	SOAK_SECONDS=$${SOAK_SECONDS:-600} $(python) -m pytest tests/soak $(ARGS)

fuzz: install ## 20,000 random and mutated requests
	FUZZ_REQUESTS=$${FUZZ_REQUESTS:-20000} $(python) -m pytest tests/fuzz $(ARGS)

compat: install ## the clients of others, fetched from their package registries
	COMPAT=1 $(python) -m pytest tests/clients tests/client/test_script.py tests/ops $(ARGS)

parity: install ## the recorded answers of a real Consul; ARGS names some of the files
	scripts/parity $(ARGS)

docs: install ## write docs/configuration.md from the table of settings
	$(python) -m registry settings --markdown > docs/configuration.md.new
	mv docs/configuration.md.new docs/configuration.md

protos: install ## write the Python of the protocol files anew
	scripts/protos

lock: install ## write requirements.lock anew within the ranges of setup.cfg
	scripts/lock
