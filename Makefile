# The commands of a working day. `make help` lists them.

# Where cargo builds; yours, if you have set one.
CARGO_TARGET_DIR ?= target
RONDO = $(CARGO_TARGET_DIR)/release/rondo

.DEFAULT_GOAL := help
.PHONY: help up observe test manifests model proof simulate newman bench overload chaos fmt build

help: ## list these commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-9s %s\n", $$1, $$2 }'

up: build ## everything on this machine, until Ctrl-C: http://127.0.0.1:8080 (ARGS="--help" lists what can be given)
	@exec $(RONDO) up $(ARGS)

observe: ## a private Prometheus beside `make up`, with alerts; says how the dashboards come into Grafana (INTERNAL_URL, PROMETHEUS_ADDR)
	@exec scripts/observe.sh

test: ## all checks and tests, at most 20 minutes; what a change has to pass
	@exec scripts/test.sh

manifests: ## whether the manifests of k8s/ and the Dockerfile are well; part of `make test`
	@scripts/install-servers.sh manifests
	@exec scripts/check-manifests.sh

model: ## everything that can happen to two sagas, gone through exhaustively; prints how much it was (a few minutes)
	@cargo test --locked -p model -- --include-ignored --nocapture --test-threads=1

proof: ## the long crash and race runs, at most 45 minutes; before a release
	@exec scripts/proof.sh $(ARGS)

simulate: build ## every workflow through everything that can go wrong, in memory (ARGS="--seed 7 --sagas 100000"; "--help" lists what can be given)
	@exec $(RONDO) simulate $(ARGS)

newman: ## both collections, the eight steps and the scenarios, against a running `make up` (BASE_URL, INTERNAL_URL)
	@exec scripts/newman.sh $(BASE_URL) $(INTERNAL_URL)

bench: build ## what is promised and what this machine reaches, about ten minutes (ARGS="--help" lists what else can be measured)
	@exec $(RONDO) bench $(or $(ARGS),--targets)

overload: build ## twice the load that this machine carries, for a minute; fails when it does not bear it
	@exec $(RONDO) bench --overload $(ARGS)

chaos: build ## five minutes of killed, frozen and cut off processes and lost stores (ARGS="--seconds 900 --seed 1")
	@exec $(RONDO) chaos $(ARGS)

fmt: ## bring the source into its format
	cargo fmt --all

build:
	@scripts/install-servers.sh
	cargo build --release --locked -p rondo
