# What people do here. `make` alone says what each is.
.DEFAULT_GOAL := help
.PHONY: help demo test check bench proof build parts clean

# Cargo's own programs use every core; the parts of one target run one after the other.
.NOTPARALLEL:

help: ## say what each target does
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: parts build ## show the main job on real parts, and check every promise of it
	@target/debug/demo

test: parts build ## run every test, the end-to-end ones too
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --workspace; else cargo test --workspace --all-targets; fi
	cargo test --workspace --doc --quiet
	cargo test -p proof --features bugs --test guards --quiet

check: ## formatting, lints, and what may come into the build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; \
	else echo "cargo-deny is not installed: licences and bans are held by tests/floors, advisories are not looked at"; fi

bench: ## measure against raw limits of this machine; ARGS=--quick for a short run
	cargo build --release --workspace
	@target/release/bench $(ARGS)

proof: ## explore at full length, and write docs/correctness.md; ARGS=SEEDS for fewer or more long ways
	cargo run --release -p proof --features bugs -- $(ARGS)

build: ## build everything, as the tests and the demo use it
	cargo build --workspace

parts: ## install the AWS emulator, the AWS CLI and what else the tests use into .parts (done already: nothing happens)
	@tests/parts/install

clean: ## remove what was built and the installed parts
	cargo clean
	rm -rf .parts
