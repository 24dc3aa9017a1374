# `make` alone lists the targets.
SHELL := /bin/bash
CARGO_HOME ?= $(HOME)/.cargo
export PATH := $(CURDIR)/target/tools/bin:$(CARGO_HOME)/bin:$(PATH)

.PHONY: help app demo test check fuzz audit bench clean

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

app: ## Build the app with its window and start it
	@scripts/setup app
	cargo build --package drawbridge --package drawbridge-app
	target/debug/drawbridge-app

demo: ## See it work: a demo server, a sign-in, a tool call (ARGS go to the demo)
	@scripts/setup demo
	@cargo build --quiet --bin drawbridge
	@cargo run --quiet --example demo -- $(ARGS)

test: ## Build everything and run every test
	@scripts/setup test
	cargo build --workspace --all-targets
	set -o pipefail; scripts/with-keyring cargo test --workspace --no-fail-fast | scripts/tally

check: ## Format, lints, docs, licences, unused dependencies; needs no network once set up
	@scripts/setup check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	cargo deny --workspace check --hide-inclusion-graph bans licenses sources
	cargo machete

fuzz: ## Feed the parsers random bytes, each for SECONDS (30); needs a nightly toolchain
	@scripts/fuzz $(or $(SECONDS),30)

audit: ## Look for known vulnerabilities in what we depend on
	@scripts/setup check
	@cargo deny --log-level off fetch db 2>/dev/null \
		|| { echo "Skipped: the advisory database cannot be reached from here."; exit 0; }; \
	cargo deny --workspace check --disable-fetch advisories

bench: ## Run the benchmarks
	@scripts/setup test
	cargo bench --bench bridge --bench paths

clean: ## Remove what was built and installed in this folder
	cargo clean
	rm -rf tests/peers/node_modules tests/peers/node/node_modules
