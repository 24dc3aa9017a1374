# `make demo` shows what Drawbridge does, `make test` runs every test. Both set up what is missing.

CARGO ?= cargo

.PHONY: help demo test check audit bench clean

help: ## these lines
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## sets up, builds, and runs the main job (ARGS=--auto signs in by itself)
	@scripts/setup demo
	@$(CARGO) build --quiet --bin drawbridge --example demo
	@target/debug/examples/demo $(ARGS)

test: ## sets up, builds, and runs every test
	@scripts/setup test
	$(CARGO) build --workspace --all-targets
	scripts/with-keyring $(CARGO) test --workspace --all-targets
	$(CARGO) test --workspace --doc

check: ## format, lints, documentation, dependencies
	@scripts/setup check
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --no-deps
	$(CARGO) deny check bans licenses sources
	cargo-machete

audit: ## known security advisories of the dependencies
	@scripts/setup check
	@$(CARGO) deny fetch db >/dev/null 2>&1 && $(CARGO) deny check advisories \
		|| { [ $$? = 0 ] || $(CARGO) deny fetch db >/dev/null 2>&1 && exit 1; echo 'audit skipped: the advisory database cannot be reached'; }

bench: ## what the bridge costs, against direct HTTP in the same run
	@scripts/setup test
	$(CARGO) bench --bench bridge
	$(CARGO) bench --bench paths

clean: ## removes what was built
	$(CARGO) clean
	rm -rf tests/peers/node_modules
