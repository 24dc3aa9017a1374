# `make` alone lists the targets.
SHELL := /bin/bash
CARGO_HOME ?= $(HOME)/.cargo
export PATH := $(CURDIR)/target/tools/bin:$(CARGO_HOME)/bin:$(PATH)

# As `make test` builds them, so that nothing is built twice: which features a dependency has follows from all that is built.
BUILD := cargo build --workspace --bins --examples

.PHONY: help app deb demo ui test check pictures fuzz audit bench performance clean

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

app: ## Build the app with its window and start it
	@scripts/setup app
	npm --prefix ui run --silent build
	$(BUILD)
	target/debug/drawbridge-app

deb: ## Build the Debian package: the app, and the command beside it
	@scripts/setup deb
	scripts/deb

demo: ## See it work: a demo server, a sign-in, a tool call (ARGS go to the demo; --auto needs no display)
	@scripts/setup demo
	@if [[ -n "$${WAYLAND_DISPLAY-}$${DISPLAY-}" && "$(ARGS)" != *--auto* ]]; then \
		scripts/setup app && npm --prefix ui run --silent build && $(BUILD) --quiet; \
	else cargo build --quiet --bin drawbridge --example demo; fi
	@target/debug/examples/demo $(ARGS)

ui: ## Build the pages of the window
	@scripts/setup ui
	npm --prefix ui run --silent build

test: ## Build everything and run every test
	@scripts/setup test
	npm --prefix ui run --silent build
	cargo build --workspace --all-targets
	set -o pipefail; scripts/with-keyring cargo test --workspace --no-fail-fast | scripts/tally
	npm --prefix ui run --silent test
	npm --prefix ui run --silent e2e

check: ## Format, lints, docs, licences, unused dependencies; needs no network once set up
	@scripts/setup check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	cargo deny --workspace check --hide-inclusion-graph bans licenses sources
	cargo machete
	npm --prefix ui run --silent check

pictures: ## Make the pictures of the window in docs/screenshots anew
	@scripts/setup pictures
	npm --prefix ui run --silent build
	$(BUILD) --quiet
	npm --prefix ui run --silent pictures
	cargo test --quiet --workspace --test desktop -- --ignored pictures

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

performance: ## Build the package and measure the app: the table of docs/performance.md
	@scripts/setup performance
	package=$$(scripts/deb) && scripts/performance target/release/drawbridge-app "$$package"

clean: ## Remove what was built and installed in this folder
	cargo clean
	rm -rf tests/peers/node_modules tests/peers/node/node_modules ui/node_modules ui/dist
