# The two commands: `make demo` and `make test`. Everything else is for people who work on Bartizan.

CARGO ?= cargo
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: dist race-dist console console-test demo test check lint doc bench-bank bench-hop bench-tuning bench-egress bench bench-late race race-quick race-flat race-spread race-programs needs needs-demo help clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

console: needs-console ## the web pages, into console/dist; nothing where they are as the sources say
	@sh console/build.sh

console-test: needs console ## the web pages in a real browser, against made-up fleets
	node console/test/run.mjs

demo: needs-demo ## build, then run the example bank behind its guards; Ctrl-C ends it
	@sh console/build.sh || echo "going on without the console's pages" >&2
	$(CARGO) build --release --package bartizan-cli --package bartizan-proxy --package bank
	PATH="$(CURDIR)/target/release:$$PATH" target/release/bartizan up examples/bank/fleet.yaml

test: needs console lint ## every test: tidy, format, clippy, unit, integration, documentation
	$(CARGO) build --workspace --all-targets
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --workspace --no-fail-fast
else
	$(CARGO) test --workspace --no-fail-fast --lib --bins --tests
endif
	$(CARGO) test --workspace --doc

lint: needs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	$(CARGO) xtask tidy

check: ## the quickest useful answer while writing
	$(CARGO) check --workspace --all-targets

doc: ## the code's own documentation, in target/doc
	$(CARGO) doc --workspace --no-deps

bench-bank: needs-demo ## the bank in modes off, mtls and full, interleaved; table to benches/results/
	$(CARGO) build --release --package bartizan-cli --package bartizan-proxy --package bank
	python3 benches/bank_modes.py

bench-hop: needs-demo ## one guarded hop at 5,000 requests a second: off, mtls, policy, full, interleaved
	$(CARGO) build --release --package bartizan-cli --package bartizan-proxy --package bank
	PATH="$(CURDIR)/target/release:$$PATH" target/release/bartizan bench benches/hop/plain.yaml --full benches/hop/full.yaml \
		--rate 5000 --seconds 10 --rounds 5 --core-hour 0.04

bench-tuning: needs-demo ## the same hop with everything (told as policy) beside one without kept connections, then without remembered decisions (told as full)
	$(CARGO) build --release --package bartizan-cli --package bartizan-proxy --package bank
	@set -e; trap 'rm -f benches/hop/without.yaml' EXIT; for part in reuse remember; do \
		echo "without $$part:"; \
		{ cat benches/hop/full.yaml; echo "tuning: { $$part: false }"; } > benches/hop/without.yaml; \
		PATH="$(CURDIR)/target/release:$$PATH" target/release/bartizan bench benches/hop/full.yaml --full benches/hop/without.yaml \
			--modes full --rate 500 --seconds 5 --rounds 3; \
	done

bench-egress: needs ## an hour of calls out of the fleet: each is of a workload and by a rule, or refused
	BARTIZAN_EGRESS_SECONDS=3600 $(CARGO) test --workspace --test it -- --exact --nocapture egress::each_call_out_is_of_a_workload_and_by_a_rule_or_refused

bench: needs ## engines and control: issuance, decisions, handshakes, closing of connections, nodes that come back
	$(CARGO) run --release --package bartizan-identity --example issue_rate
	$(CARGO) run --release --package bartizan-policy --example decide_cost
	$(CARGO) run --release --package bartizan-tokens --example verify_cost
	$(CARGO) run --release --package bartizan-proxy --example handshakes
	$(CARGO) run --release --package bartizan-proxy --example ledger
	$(CARGO) run --release --package bartizan-proxy --example event_cost
	$(CARGO) run --release --package bartizan-events --example event_store
	$(CARGO) run --release --package bartizan-ledger --example ledger_rate -- --dir target
	$(CARGO) build --release --package bartizan-cli
	$(CARGO) run --release --package bartizan-testkit --example control_load -- issuance
	$(CARGO) run --release --package bartizan-testkit --example control_load -- reconnect
	$(CARGO) run --release --package bartizan-control --example handshake_success
	$(CARGO) run --release --package bartizan-control --example ingest_otlp

bench-late: needs-demo ## how late a denied call is on the console, and an alert at its webhook
	$(CARGO) build --release --workspace --bins
	$(CARGO) run --release --package bartizan-testkit --example how_late

race: race-programs ## a pair of guards beside a byte relay, Envoy, nginx, HAProxy, interleaved; table to benches/results/
	python3 benches/dataplane/race.py

dist: race-programs ## the programs as they ship, optimised by what the race showed of them, in target/dist/bin
	sh xtask/dist.sh

race-dist: dist ## the race with those
	BARTIZAN="$(CURDIR)/target/dist/bin/bartizan" python3 benches/dataplane/race.py

race-quick: race-programs ## ours, the relay and Envoy on HTTP/1.1 alone, three short rounds
	python3 benches/dataplane/race.py --quick

race-flat: race-programs ## memory of one guard in fleets of 10 to 10,000 services
	python3 benches/dataplane/flat.py

race-spread: race-programs ## how evenly the threads of a guard share few connections
	python3 benches/dataplane/spread.py

race-programs: needs-demo
	@sh xtask/needs.sh openssl
	-@sh xtask/needs.sh nginx haproxy
	@sh xtask/judges.sh
	$(CARGO) build --release --package bartizan-cli --package bartizan-proxy
	$(CARGO) build --release --package bartizan-testkit --example race

clean: ## remove build output and what runs left behind
	$(CARGO) clean
	rm -rf examples/bank/.bartizan console/dist console/node_modules console/.unit

needs:
	@sh xtask/needs.sh cargo cc python3 node npm curl redis-server redis-cli openssl h2load faketime softhsm2-util pkcs11-tool ip nft nginx haproxy chromium prometheus promtool prometheus-alertmanager amtool logger rsyslogd kcat
	@sh xtask/judges.sh

needs-console:
	@sh xtask/needs.sh node npm

needs-demo:
	@sh xtask/needs.sh cargo cc python3 node
