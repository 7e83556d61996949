//! The fleet file: what is taken, what is refused, and in which words.
//!
//! Each message is compared whole: it is what somebody reads who has never seen the code.

use bartizan_core::capture::Means;
use bartizan_core::fleet::{Capture, FleetError, Isolate, Program, Protocol, parse};
use bartizan_core::limits;
use bartizan_core::tls::TlsGroup;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const HEAD: &str = r#"fleet: bank
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
"#;

/// Two good services and `accounts`, whose body begins in line 7.
fn bare_service(body: &str) -> String {
    format!("{HEAD}  b: {{listen: \"127.0.0.1:7002\", protocol: http, owner: o}}\n  accounts:\n{body}")
}

/// As [`bare_service`], with a good address in line 7; `body` begins in line 8.
fn service(body: &str) -> String {
    bare_service(&format!("    listen: 127.0.0.1:7102\n{body}"))
}

/// An HTTP service `a`, a TCP service `db` and a gateway whose `body` begins in line 8.
fn gateway(body: &str) -> String {
    format!("{HEAD}  db: {{at: \"127.0.0.1:5432\", protocol: tcp}}\ngateway:\n  listen: 127.0.0.1:8443\n{body}")
}

/// Each case: what is wrong, the file, the whole report.
fn assert_refused(cases: &[(&str, String, &[&str])]) {
    for (why, text, report) in cases {
        let errors = parse(text, "fleet.yaml").expect_err(why);
        assert_eq!(errors.to_string(), report.join("\n"), "{why}");
    }
}

#[test]
fn a_guard_answers_questions_of_an_envoy_on_loopback_alone() {
    assert_refused(&[
        (
            "anybody on the network could ask, and say who calls",
            service("    ext_authz: 0.0.0.0:7192\n    owner: o\n"),
            &[
                "fleet.yaml:8:16: services.accounts.ext_authz = `0.0.0.0:7192`: not a loopback address; only loopback is allowed here, such as `127.0.0.1:7192`",
            ],
        ),
        (
            "the program's own address",
            service("    ext_authz: 127.0.0.1:7102\n    owner: o\n"),
            &[
                "fleet.yaml:8:16: services.accounts.ext_authz = `127.0.0.1:7102`: the address is taken by services.accounts.listen (line 7); give each a port of its own",
            ],
        ),
    ]);
    let fleet = parse(&service("    ext_authz: 127.0.0.1:7192\n    owner: o\n"), "fleet.yaml").unwrap();
    let of = |name: &str| fleet.services.iter().find(|(it, _)| it.as_str() == name).unwrap().1.ext_authz;
    assert_eq!((of("accounts"), of("a")), (Some("127.0.0.1:7192".parse().unwrap()), None));
}

#[test]
fn refuses_a_text_that_is_no_fleet_at_all() {
    assert_refused(&[
        (
            "empty",
            "".to_owned(),
            &["fleet.yaml: the file is empty; begin with `fleet: NAME`, `trust_domain: NAME` and `services:`"],
        ),
        (
            "only a comment",
            "# later\n".to_owned(),
            &["fleet.yaml: the file is empty; begin with `fleet: NAME`, `trust_domain: NAME` and `services:`"],
        ),
        (
            "a scalar",
            "hello\n".to_owned(),
            &["fleet.yaml:1:1: expected a map, found a text; write one `key: value` a line, indented"],
        ),
        (
            "no keys",
            "{}\n".to_owned(),
            &[
                "fleet.yaml:1:1: fleet: is missing; give the fleet a name, such as `fleet: bank`",
                "fleet.yaml:1:1: trust_domain: is missing; name it, such as `trust_domain: bank.example`",
                "fleet.yaml:1:1: services: is missing; declare at least one service",
            ],
        ),
        (
            "no YAML",
            "fleet: [a
b: c
"
            .to_owned(),
            &["fleet.yaml:2:2: not readable as YAML: illegal placement of ':' indicator"],
        ),
        (
            "a tab",
            "fleet:
	- x
"
            .to_owned(),
            &["fleet.yaml:2:2: not readable as YAML: tabs disallowed within this context (block indentation)"],
        ),
        (
            "unclosed quote",
            r#"fleet: "a
"#
            .to_owned(),
            &["fleet.yaml:1:8: not readable as YAML: unclosed quote"],
        ),
        (
            "two documents",
            "fleet: a
---
fleet: b
"
            .to_owned(),
            &["fleet.yaml:3:1: not readable as YAML: there is a second document, and the file has to be one"],
        ),
        (
            "an alias to nothing",
            "fleet: *x\n".to_owned(),
            &["fleet.yaml:1:8: not readable as YAML: reference to unknown value"],
        ),
        (
            "a tag",
            "fleet: !secret x\n".to_owned(),
            &["fleet.yaml:1:16: not readable as YAML: unsupported tag `!secret`"],
        ),
        (
            "nested deeply",
            "fleet: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n".to_owned(),
            &["fleet.yaml:1:23: not readable as YAML: deeper, or by its anchors larger, than such a file may be"],
        ),
    ]);
}

#[test]
fn refuses_misspelt_and_repeated_keys() {
    assert_refused(&[
        (
            "unknown keys, two of which look like required ones",
            "flet: bank
trust_domain: bank.example
service: {}
foo: 1
"
            .to_owned(),
            &[
                "fleet.yaml:1:1: flet: unknown key; did you mean `fleet`? known here: fleet, trust_domain, services, gateway, users, authorization, policies, trust, tls, tuning, drain, budget, events, ledger, objectives, alerts, intake, outputs, counts, console, control, workloads, federation, isolate, capture, guards, profile, synthetic",
                "fleet.yaml:3:1: service: unknown key; did you mean `services`? known here: fleet, trust_domain, services, gateway, users, authorization, policies, trust, tls, tuning, drain, budget, events, ledger, objectives, alerts, intake, outputs, counts, console, control, workloads, federation, isolate, capture, guards, profile, synthetic",
                "fleet.yaml:4:1: foo: unknown key; known here: fleet, trust_domain, services, gateway, users, authorization, policies, trust, tls, tuning, drain, budget, events, ledger, objectives, alerts, intake, outputs, counts, console, control, workloads, federation, isolate, capture, guards, profile, synthetic",
            ],
        ),
        (
            "unknown key of a service",
            service("    ownr: me\n"),
            &[
                "fleet.yaml:8:5: services.accounts.ownr: unknown key; did you mean `owner`? known here: run, env, dir, mesh, listen, at, instances, zones, protocol, owner, data, version, image, calls, routes, isolate, capture, ext_authz, egress, mtls, split, mirror, limits, slow_down, api",
            ],
        ),
        (
            "unknown key of a call",
            service(
                r#"    calls:
      - {to: a, vai: "127.0.0.1:1"}
"#,
            ),
            &[
                "fleet.yaml:9:17: services.accounts.calls[0].vai: unknown key; did you mean `via`? known here: to, via, timeout, try_timeout, retry, breaker, outlier, narrow",
            ],
        ),
        (
            "unknown key of the gateway's route",
            gateway(
                "  routes:
    - {path: /, to: a, authn: user}
",
            ),
            &[
                "fleet.yaml:9:24: gateway.routes[0].authn: unknown key; did you mean `auth`? known here: host, path, methods, match_headers, to, from, auth, login, scopes, limits, slow_down, cors, headers, addresses, api, graphql, events, event_bytes_max",
            ],
        ),
        (
            "a key twice",
            r#"fleet: bank
fleet: bonk
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
"#
            .to_owned(),
            &["fleet.yaml:2:1: fleet: the key is there already, in line 1; keep one of the two"],
        ),
        (
            "a service twice",
            r#"fleet: bank
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
"#
            .to_owned(),
            &["fleet.yaml:5:3: services.a: the key is there already, in line 4; keep one of the two"],
        ),
    ]);
}

#[test]
fn refuses_wrong_types() {
    assert_refused(&[
        (
            "all over the top",
            "fleet: 7
trust_domain: [a]
services: [a]
gateway: x
policies: {}
"
            .to_owned(),
            &[
                "fleet.yaml:1:8: fleet = `7`: expected a text, found a number; put it in quotes where it is meant as text",
                "fleet.yaml:2:15: trust_domain: expected a text, found a list",
                "fleet.yaml:3:11: services: expected a map, found a list; write one `key: value` a line, indented",
                "fleet.yaml:4:10: gateway = `x`: expected a map, found a text; write one `key: value` a line, indented",
                "fleet.yaml:5:11: policies: expected a text, found a map",
            ],
        ),
        (
            "a service that is a text",
            "fleet: bank
trust_domain: bank.example
services:
  a: 127.0.0.1:7001
"
            .to_owned(),
            &[
                "fleet.yaml:4:6: services.a = `127.0.0.1:7001`: expected a map, found a text; write one `key: value` a line, indented",
            ],
        ),
        (
            "a service with nothing",
            "fleet: bank
trust_domain: bank.example
services:
  a:
"
            .to_owned(),
            &["fleet.yaml:4:4: services.a: expected a map, found nothing; give it a value, or delete the key"],
        ),
        (
            "a bare port",
            bare_service("    listen: 7102\n"),
            &[
                "fleet.yaml:7:13: services.accounts.listen = `7102`: expected a text, found a number; put it in quotes where it is meant as text",
            ],
        ),
        (
            "a command line as one text",
            service("    run: bank accounts\n"),
            &[
                "fleet.yaml:8:10: services.accounts.run = `bank accounts`: expected a list, found a text; write it as `[one, two]`, or one item a line behind `-`",
            ],
        ),
        (
            "a list where a text belongs",
            service("    owner: [me]\n"),
            &["fleet.yaml:8:12: services.accounts.owner: expected a text, found a list"],
        ),
        (
            "a call that is a list",
            service("    calls: [[a]]\n"),
            &["fleet.yaml:8:13: services.accounts.calls[0]: expected a text, found a list"],
        ),
        (
            "a call that is a number",
            service("    calls: [7]\n"),
            &[
                "fleet.yaml:8:13: services.accounts.calls[0] = `7`: expected a text, found a number; put it in quotes where it is meant as text",
            ],
        ),
        (
            "true where a text belongs",
            service("    owner: true\n"),
            &[
                "fleet.yaml:8:12: services.accounts.owner = `true`: expected a text, found true or false; put it in quotes where it is meant as text",
            ],
        ),
    ]);
}

#[test]
fn refuses_names() {
    assert_refused(&[
        (
            "of the fleet",
            r#"fleet: My Bank
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
"#
            .to_owned(),
            &["fleet.yaml:1:8: fleet = `My Bank`: not a name: only lower-case letters, digits and `-` are allowed"],
        ),
        (
            "of the trust domain",
            r#"fleet: bank
trust_domain: spiffe://bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
"#
            .to_owned(),
            &[
                "fleet.yaml:2:15: trust_domain = `spiffe://bank.example`: not a trust domain: only lower-case letters, digits, `.`, `-` and `_` are allowed",
            ],
        ),
        (
            "of a service",
            r#"fleet: bank
trust_domain: bank.example
services:
  Accounts_1: {listen: "127.0.0.1:7001", protocol: http}
"#
            .to_owned(),
            &[
                "fleet.yaml:4:3: services.Accounts_1: not a service name: only lower-case letters, digits and `-` are allowed; rename it",
            ],
        ),
        (
            "reserved",
            r#"fleet: bank
trust_domain: bank.example
services:
  gateway: {listen: "127.0.0.1:7001", protocol: http}
"#
            .to_owned(),
            &[
                "fleet.yaml:4:3: services.gateway: the name is taken: it is the gateway's own identity; call the service something else",
            ],
        ),
        (
            "no services",
            "fleet: bank
trust_domain: bank.example
services: {}
"
            .to_owned(),
            &["fleet.yaml:3:11: services: there is no service; declare at least one"],
        ),
        (
            "of an owner",
            service(
                r#"    owner: " "
"#,
            ),
            &[
                "fleet.yaml:8:12: services.accounts.owner = ` `: not an owner: expected 1 to 100 bytes on one line; name a team, or delete the key",
            ],
        ),
        (
            "of a version and an image",
            service("    version: 1 0\n    image: bank/Accounts:1\n"),
            &[
                "fleet.yaml:8:14: services.accounts.version = `1 0`: not a version: expected 1 to 64 letters, digits, `.`, `-`, `_`, `+` and `~`, a letter or digit first; such as `1.4.2`, or the hash of a commit",
                "fleet.yaml:9:12: services.accounts.image = `bank/Accounts:1`: not the reference of an image: the name is not one that registries take: lower-case words with `/` between them, a registry and its port before them or not; such as `registry.bank.example/accounts:1.4`, with `@sha256:…` behind it, or `sha256:…` alone",
            ],
        ),
        (
            "of a class of data",
            service("    data: [PII, pii, pii]\n"),
            &[
                "fleet.yaml:8:12: services.accounts.data[0] = `PII`: not a class of data: a lower-case letter, then lower-case letters, digits, `-` and `_`; such as `pii` or `financial`",
                "fleet.yaml:8:22: services.accounts.data[2] = `pii`: named twice; delete one",
            ],
        ),
    ]);
}

#[test]
fn refuses_calls() {
    assert_refused(&[
        (
            "to a misspelt service",
            r#"fleet: bank
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
  ledger: {listen: "127.0.0.1:7002", protocol: http, owner: o}
  accounts:
    listen: 127.0.0.1:7102
    calls: [a, ledgr]
"#
            .to_owned(),
            &[
                "fleet.yaml:8:16: services.accounts.calls[1] = `ledgr`: no such service; did you mean `ledger`? declare it under services or remove it from calls",
            ],
        ),
        (
            "to nothing like it",
            service("    calls: [postgres]\n"),
            &[
                "fleet.yaml:8:13: services.accounts.calls[0] = `postgres`: no such service; declare it under services or remove it from calls",
            ],
        ),
        (
            "to itself",
            service("    calls: [accounts]\n"),
            &[
                "fleet.yaml:8:13: services.accounts.calls[0] = `accounts`: a service does not call itself; delete it; what stays in the program needs no edge",
            ],
        ),
        (
            "twice",
            service("    calls: [a, a]\n"),
            &["fleet.yaml:8:16: services.accounts.calls[1] = `a`: the call is declared twice; delete one"],
        ),
        (
            "twice, once with an address",
            service(
                r#"    calls: [a, {to: a, via: "127.0.0.1:9"}]
"#,
            ),
            &["fleet.yaml:8:21: services.accounts.calls[1].to = `a`: the call is declared twice; delete one"],
        ),
        (
            "to the gateway",
            service("    calls: [gateway]\n"),
            &[
                "fleet.yaml:8:13: services.accounts.calls[0] = `gateway`: the gateway cannot be called; it is where calls from outside come in",
            ],
        ),
        (
            "without a callee",
            service(
                r#"    calls: [{via: "127.0.0.1:9"}]
"#,
            ),
            &["fleet.yaml:8:13: services.accounts.calls[0].to: is missing; name the callee"],
        ),
        (
            "several at once",
            service(
                r#"    calls: [x, accounts, {to: y, via: "10.0.0.1:9"}]
"#,
            ),
            &[
                "fleet.yaml:8:13: services.accounts.calls[0] = `x`: no such service; declare it under services or remove it from calls",
                "fleet.yaml:8:16: services.accounts.calls[1] = `accounts`: a service does not call itself; delete it; what stays in the program needs no edge",
                "fleet.yaml:8:31: services.accounts.calls[2].to = `y`: no such service; declare it under services or remove it from calls",
                "fleet.yaml:8:39: services.accounts.calls[2].via = `10.0.0.1:9`: not a loopback address; only loopback is allowed here, such as `127.0.0.1:9`",
            ],
        ),
    ]);
}

#[test]
fn refuses_addresses() {
    assert_refused(&[
        (
            "a name",
            bare_service("    listen: localhost:7102\n"),
            &[
                "fleet.yaml:7:13: services.accounts.listen = `localhost:7102`: expected an IP address and a port; write it as `127.0.0.1:7102`",
            ],
        ),
        (
            "no port",
            bare_service("    listen: 127.0.0.1\n"),
            &[
                "fleet.yaml:7:13: services.accounts.listen = `127.0.0.1`: expected an IP address and a port; write it as `127.0.0.1:7102`",
            ],
        ),
        (
            "port 0",
            bare_service("    listen: 127.0.0.1:0\n"),
            &[
                "fleet.yaml:7:13: services.accounts.listen = `127.0.0.1:0`: port 0 is no port to be found at; choose one from 1 to 65535",
            ],
        ),
        (
            "listen on every interface",
            bare_service("    listen: 0.0.0.0:7102\n"),
            &[
                "fleet.yaml:7:13: services.accounts.listen = `0.0.0.0:7102`: not a loopback address; only loopback is allowed here, such as `127.0.0.1:7102`",
            ],
        ),
        (
            "at another host",
            bare_service("    at: 10.0.0.7:5432\n"),
            &[
                "fleet.yaml:7:9: services.accounts.at = `10.0.0.7:5432`: not a loopback address; only loopback is allowed here, such as `127.0.0.1:5432`",
            ],
        ),
        (
            "via another host",
            service(
                r#"    calls: [{to: a, via: "10.0.0.7:5432"}]
"#,
            ),
            &[
                "fleet.yaml:8:26: services.accounts.calls[0].via = `10.0.0.7:5432`: not a loopback address; only loopback is allowed here, such as `127.0.0.1:5432`",
            ],
        ),
        (
            "via port 0",
            service(
                r#"    calls: [{to: a, via: "127.0.0.1:0"}]
"#,
            ),
            &[
                "fleet.yaml:8:26: services.accounts.calls[0].via = `127.0.0.1:0`: port 0 is no port to be found at; choose one from 1 to 65535",
            ],
        ),
        (
            "listen of another service",
            bare_service("    listen: 127.0.0.1:7001\n"),
            &[
                "fleet.yaml:7:13: services.accounts.listen = `127.0.0.1:7001`: the address is taken by services.a.listen (line 4); give each a port of its own",
            ],
        ),
        (
            "via the callee's own port",
            service(
                r#"    calls: [{to: a, via: "127.0.0.1:7001"}]
"#,
            ),
            &[
                "fleet.yaml:8:26: services.accounts.calls[0].via = `127.0.0.1:7001`: the address is taken by services.a.listen (line 4); give each a port of its own",
            ],
        ),
        (
            "two via alike",
            service(
                r#"    calls: [{to: a, via: "127.0.0.1:9"}, {to: b, via: "127.0.0.1:9"}]
"#,
            ),
            &[
                "fleet.yaml:8:55: services.accounts.calls[1].via = `127.0.0.1:9`: the address is taken by services.accounts.calls[0].via (line 8); give each a port of its own",
            ],
        ),
        (
            "the same in IPv6 spelling",
            bare_service(
                r#"    listen: "[::ffff:127.0.0.1]:7001"
"#,
            ),
            &[
                "fleet.yaml:7:13: services.accounts.listen = `[::ffff:127.0.0.1]:7001`: the address is taken by services.a.listen (line 4); give each a port of its own",
            ],
        ),
        (
            "gateway on a service's port",
            r#"fleet: bank
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
  db: {at: "127.0.0.1:5432", protocol: tcp}
gateway:
  listen: 127.0.0.1:7001
  routes: [{path: /, to: a}]
"#
            .to_owned(),
            &[
                "fleet.yaml:7:11: gateway.listen = `127.0.0.1:7001`: the address is taken by services.a.listen (line 4); give each a port of its own",
            ],
        ),
        (
            "gateway on every interface",
            r#"fleet: bank
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
  db: {at: "127.0.0.1:5432", protocol: tcp}
gateway:
  listen: 0.0.0.0:7001
  routes: [{path: /, to: a}]
"#
            .to_owned(),
            &[
                "fleet.yaml:7:11: gateway.listen = `0.0.0.0:7001`: the address is taken by services.a.listen (line 4); give each a port of its own",
            ],
        ),
        (
            "gateway port 0",
            r#"fleet: bank
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
  db: {at: "127.0.0.1:5432", protocol: tcp}
gateway:
  listen: 127.0.0.1:0
  routes: [{path: /, to: a}]
"#
            .to_owned(),
            &[
                "fleet.yaml:7:11: gateway.listen = `127.0.0.1:0`: port 0 is no port to be found at; choose one from 1 to 65535",
            ],
        ),
    ]);
}

#[test]
fn refuses_how_a_program_runs() {
    assert_refused(&[
        (
            "neither run nor at nor listen",
            bare_service("    owner: me\n"),
            &[
                "fleet.yaml:6:3: services.accounts.listen: is missing; give `listen` with the address of the program, or `at` where it runs already",
            ],
        ),
        (
            "run without listen",
            bare_service("    run: [bank]\n"),
            &[
                "fleet.yaml:6:3: services.accounts.listen: is missing; say where the program listens, such as `listen: 127.0.0.1:7102`",
            ],
        ),
        (
            "run and at",
            bare_service(
                "    run: [bank]
    at: 127.0.0.1:7102
",
            ),
            &[
                "fleet.yaml:8:9: services.accounts.at = `127.0.0.1:7102`: `run` and `at` exclude each other; keep `run` (with `listen`) where bartizan is to start the program, `at` where it runs already",
            ],
        ),
        (
            "listen and at",
            service("    at: 127.0.0.1:7103\n"),
            &[
                "fleet.yaml:8:9: services.accounts.at = `127.0.0.1:7103`: `listen` and `at` exclude each other; `at` says where it listens; delete `listen`",
            ],
        ),
        (
            "empty run",
            service("    run: []\n"),
            &[
                "fleet.yaml:8:10: services.accounts.run: there is no program; name it, such as `run: [python3, server.py]`",
            ],
        ),
        (
            "empty program",
            service(
                r#"    run: [""]
"#,
            ),
            &["fleet.yaml:8:11: services.accounts.run[0] = ``: there is no program; name it first"],
        ),
        (
            "env and dir without run",
            service(
                "    env: {A: b}
    dir: x
",
            ),
            &[
                "fleet.yaml:8:10: services.accounts.env: it says how to start a program, and there is no `run`; add `run`, or delete it",
                "fleet.yaml:9:10: services.accounts.dir = `x`: it says how to start a program, and there is no `run`; add `run`, or delete it",
            ],
        ),
        (
            "bad name of a variable",
            service(
                r#"    run: [bank]
    env: {"A=B": c}
"#,
            ),
            &[
                "fleet.yaml:9:11: services.accounts.env.A=B: not a name of a variable; it must not be empty nor hold `=` or NUL",
            ],
        ),
        (
            "NUL",
            service(
                r#"    run: [bank, "a\0b"]
"#,
            ),
            &[
                r#"fleet.yaml:8:17: services.accounts.run[1] = `a\u{0}b`: has a NUL character; no program can be given one"#,
            ],
        ),
        (
            "empty dir",
            service(
                r#"    run: [bank]
    dir: ""
"#,
            ),
            &["fleet.yaml:9:10: services.accounts.dir = ``: is empty; give it a value, or delete the key"],
        ),
        (
            "unknown protocol",
            service("    protocol: https\n"),
            &[
                "fleet.yaml:8:15: services.accounts.protocol = `https`: no such protocol; did you mean `http`? known are `http`, `grpc`, `tcp` and `auto`",
            ],
        ),
    ]);
}

#[test]
fn refuses_placeholders() {
    assert_refused(&[
        (
            "of nothing",
            service(
                r#"    run: [bank, "${home}/x"]
"#,
            ),
            &[
                "fleet.yaml:8:17: services.accounts.run[1] = `${home}/x`: `${home}` stands for nothing; known are `${data}`, `${listen}` and, of each callee, `${callee.url}`, `.addr`, `.host` and `.port`; `$${` is a plain `${`",
            ],
        ),
        (
            "open",
            service(
                r#"    run: [bank, "${data"]
"#,
            ),
            &[
                "fleet.yaml:8:17: services.accounts.run[1] = `${data`: `${` without `}`; close it, or write `$${` for the two characters",
            ],
        ),
        (
            "unknown part",
            service(
                r#"    calls: [a]
    run: [bank, "${a.uri}"]
"#,
            ),
            &[
                "fleet.yaml:9:17: services.accounts.run[1] = `${a.uri}`: `${a.uri}` stands for nothing; known are `${data}`, `${listen}` and, of each callee, `${callee.url}`, `.addr`, `.host` and `.port`; `$${` is a plain `${`",
            ],
        ),
        (
            "a service that it does not call",
            service(
                r#"    calls: [a]
    run: [bank]
    env: {B: "${b.url}"}
"#,
            ),
            &[
                "fleet.yaml:10:14: services.accounts.env.B = `${b.url}`: `b` is not among the calls of this service; add it to `calls`",
            ],
        ),
        (
            "misspelt callee",
            r#"fleet: bank
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
  accounts-db: {listen: "127.0.0.1:7002", protocol: http, owner: o}
  accounts:
    listen: 127.0.0.1:7102
    calls: [accounts-db]
    run: [bank]
    env: {B: "${acounts-db.url}"}
"#
            .to_owned(),
            &[
                "fleet.yaml:10:14: services.accounts.env.B = `${acounts-db.url}`: `acounts-db` is not among the calls of this service; did you mean `accounts-db`? name one of its `calls`",
            ],
        ),
        (
            "no service at all",
            service(
                r#"    run: [bank, "${redis.addr}"]
"#,
            ),
            &[
                "fleet.yaml:8:17: services.accounts.run[1] = `${redis.addr}`: `redis` is not among the calls of this service; name one of its `calls`",
            ],
        ),
        (
            "URL of tcp",
            r#"fleet: bank
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
  b: {listen: "127.0.0.1:7002", protocol: tcp, owner: o}
  accounts:
    listen: 127.0.0.1:7102
    calls: [b]
    run: [bank, "${b.url}"]
"#
            .to_owned(),
            &[
                "fleet.yaml:9:17: services.accounts.run[1] = `${b.url}`: `b` speaks tcp and has no URL; use `${b.addr}`, or `.host` and `.port`",
            ],
        ),
    ]);
}

#[test]
fn refuses_routes_of_a_service() {
    assert_refused(&[
        (
            "bad pattern",
            service(
                "    protocol: http
    routes: {all: /a*}
",
            ),
            &[
                "fleet.yaml:9:19: services.accounts.routes.all = `/a*`: not a path pattern: `*` stands for a whole segment, `**` for the rest at the end; such as `GET /accounts/*/balance`",
            ],
        ),
        (
            "no slash",
            service(
                "    protocol: http
    routes: {all: GET accounts}
",
            ),
            &[
                "fleet.yaml:9:19: services.accounts.routes.all = `GET accounts`: not a path pattern: it must begin with `/`; such as `GET /accounts/*/balance`",
            ],
        ),
        (
            "unknown method",
            service(
                "    protocol: http
    routes: {all: GTE /accounts}
",
            ),
            &[
                "fleet.yaml:9:19: services.accounts.routes.all = `GTE /accounts`: `GTE` is no method of a route; write `GET /path`, or the path alone for every method; known are GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE",
            ],
        ),
        (
            "bad name",
            service(
                "    protocol: http
    routes: {All: /accounts}
",
            ),
            &[
                "fleet.yaml:9:14: services.accounts.routes.All: not a name of a route: only lower-case letters, digits and `-` are allowed; rename it",
            ],
        ),
        (
            "alike",
            service(
                "    protocol: http
    routes:
      one: GET /a
      two: GET /a
",
            ),
            &[
                "fleet.yaml:11:12: services.accounts.routes.two = `GET /a`: the same route has another name in line 10; keep one of the two",
            ],
        ),
        (
            "of a tcp service",
            service(
                "    protocol: tcp
    routes: {all: /}
",
            ),
            &[
                "fleet.yaml:9:13: services.accounts.routes: a service with `protocol: tcp` has no routes that could be enforced; say `protocol: http` or `grpc`, or delete the routes",
            ],
        ),
        (
            "of a service that may be tcp",
            service("    routes: {all: /}\n"),
            &[
                "fleet.yaml:8:13: services.accounts.routes: a service with `protocol: auto` has no routes that could be enforced; say `protocol: http` or `grpc`, or delete the routes",
            ],
        ),
    ]);
}

#[test]
fn refuses_gateway_routes() {
    assert_refused(&[
        (
            "gateway without routes",
            gateway(""),
            &["fleet.yaml:7:3: gateway.routes: is missing; say what it opens, or delete `gateway`"],
        ),
        (
            "empty routes",
            gateway("  routes: []\n"),
            &["fleet.yaml:8:11: gateway.routes: there is no route; add one, or delete `gateway`"],
        ),
        (
            "gateway without listen",
            r#"fleet: bank
trust_domain: bank.example
services:
  a: {listen: "127.0.0.1:7001", protocol: http, owner: o}
  db: {at: "127.0.0.1:5432", protocol: tcp}
gateway:
  routes: [{path: /, to: a}]
"#
            .to_owned(),
            &["fleet.yaml:7:3: gateway.listen: is missing; say where clients connect, such as `127.0.0.1:8443`"],
        ),
        (
            "to nothing",
            gateway("  routes: [{path: /, to: acounts}]\n"),
            &[
                "fleet.yaml:8:26: gateway.routes[0].to = `acounts`: no such service; declare it under services, or delete the route",
            ],
        ),
        (
            "without a service",
            gateway("  routes: [{path: /}]\n"),
            &["fleet.yaml:8:12: gateway.routes[0].to: is missing; name the service that gets the requests"],
        ),
        (
            "without a path",
            gateway("  routes: [{to: a}]\n"),
            &["fleet.yaml:8:12: gateway.routes[0].path: is missing; give a pattern, such as `/api/accounts/**`"],
        ),
        (
            "bad pattern",
            gateway("  routes: [{path: /a/**/b, to: a}]\n"),
            &[
                "fleet.yaml:8:19: gateway.routes[0].path = `/a/**/b`: not a path pattern: `*` stands for a whole segment, `**` for the rest at the end",
            ],
        ),
        (
            "pattern twice",
            gateway(
                "  routes:
    - {path: /a/**, to: a}
    - {path: /a/**, to: a}
",
            ),
            &[
                "fleet.yaml:10:14: gateway.routes[1].path = `/a/**`: the pattern is there already, in line 9; keep one of the two",
            ],
        ),
        (
            "to a tcp service",
            gateway("  routes: [{path: /, to: db}]\n"),
            &[
                "fleet.yaml:8:26: gateway.routes[0].to = `db`: it speaks tcp, and the gateway forwards HTTP; route to a service with `protocol: http` or `grpc`",
            ],
        ),
        (
            "to the gateway",
            gateway("  routes: [{path: /, to: gateway}]\n"),
            &[
                "fleet.yaml:8:26: gateway.routes[0].to = `gateway`: the gateway cannot be called; it is where calls from outside come in",
            ],
        ),
        (
            "with users",
            gateway("  routes: [{path: /, to: a, auth: user}]\n"),
            &[
                "fleet.yaml:8:35: gateway.routes[0].auth = `user`: nobody's tokens are known here; say under `users` whose tokens are believed, or write `auth: none` where everybody may come in",
            ],
        ),
    ]);
}

#[test]
fn refuses_hosts_methods_and_headers_of_routes() {
    let one = |keys: &str| gateway(&format!("  routes: [{{path: /a, to: a, {keys}}}]\n"));
    let two = |first: &str, second: &str| {
        gateway(&format!("  routes:\n    - {{path: /a/%61, to: a{first}}}\n    - {{path: /a/a, to: a{second}}}\n"))
    };
    let row = |body: String, said: &'static str| assert_refused(&[(said, body, &[said])]);
    row(
        one("host: \"bank.example:8443\""),
        "fleet.yaml:8:36: gateway.routes[0].host = `bank.example:8443`: it has a port, which no route is chosen by; leave it out",
    );
    row(
        one("host: b\u{fc}cher.example"),
        "fleet.yaml:8:36: gateway.routes[0].host = `b\u{fc}cher.example`: it has letters beyond ASCII; write its labels as DNS has them, such as `xn--bcher-kva.example`",
    );
    row(
        one("host: \"*\""),
        "fleet.yaml:8:36: gateway.routes[0].host = `*`: `*` stands for one or more whole labels in front: `*.bank.example`",
    );
    row(
        one("methods: [GET, get]"),
        "fleet.yaml:8:45: gateway.routes[0].methods[1] = `get`: no method of a route; did you mean `GET`? known are GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE",
    );
    row(
        one("methods: []"),
        "fleet.yaml:8:39: gateway.routes[0].methods: there is none; name one, or delete the line for every method",
    );
    row(one("methods: [GET, GET]"), "fleet.yaml:8:45: gateway.routes[0].methods[1] = `GET`: named twice; delete one");
    row(
        one("match_headers: {host: a}"),
        "fleet.yaml:8:46: gateway.routes[0].match_headers.host: the host has a key of its own; write `host:` at the route",
    );
    row(
        one("match_headers: {x-forwarded-for: \"*\"}"),
        "fleet.yaml:8:46: gateway.routes[0].match_headers.x-forwarded-for: no request could be told by it: the gateway says it itself and believes no client about it; delete the line",
    );
    row(
        one("match_headers: {x-version: \"\"}"),
        "fleet.yaml:8:57: gateway.routes[0].match_headers.x-version = ``: not what a header can say: 1 to 1024 printable ASCII characters, without blanks at either end; write `\"*\"` for any value",
    );
    row(
        two("", ""),
        "fleet.yaml:10:14: gateway.routes[1].path = `/a/a`: the pattern is there already, in line 9; keep one of the two",
    );
    row(
        two(", host: a.example", ", host: a.example"),
        "fleet.yaml:10:14: gateway.routes[1].path = `/a/a`: a request fits the route in line 9 as well, and neither is more exact; give one of them another method, or a header more; or keep one of the two",
    );
    row(
        two(", methods: [GET]", ", methods: [HEAD, POST]"),
        "fleet.yaml:10:14: gateway.routes[1].path = `/a/a`: HEAD fits the route in line 9 as well, and neither is more exact; give one of them another method, or a header more; or keep one of the two",
    );
    row(
        two(", match_headers: {a: 1}", ", match_headers: {b: \"2\"}"),
        "fleet.yaml:10:14: gateway.routes[1].path = `/a/a`: a request with `a: 1` and `b: 2` fits the route in line 9 as well, and neither is more exact; give one of them another method, or a header more; or keep one of the two",
    );
    for (first, second) in [
        ("", ", host: a.example"),
        (", host: a.example", ", host: \"*.example\""),
        ("", ", methods: [GET]"),
        (", methods: [GET]", ", methods: [POST]"),
        (", match_headers: {a: 1}", ", match_headers: {a: 2}"),
        (", match_headers: {a: 1}", ", match_headers: {a: \"*\"}"),
    ] {
        let fleet = parse(&two(first, second), "fleet.yaml").unwrap();
        assert_eq!(fleet.gateway.unwrap().routes.len(), 2, "{first} {second}");
    }
}

#[test]
fn refuses_what_a_gateway_cannot_say_of_sites_headers_and_addresses() {
    let of = |keys: &str| gateway(&format!("  routes: [{{path: /a, to: a}}]\n  {keys}\n"));
    let row = |keys: &str, said: &'static str| assert_refused(&[(said, of(keys), &[said])]);
    row(
        "cors: {origins: [\"*\"], credentials: true}",
        "fleet.yaml:9:19: gateway.cors.origins: with credentials, any site could read what is for the user alone; name the origins, or delete `credentials`",
    );
    row(
        "cors: {origins: [https://app.test/]}",
        "fleet.yaml:9:20: gateway.cors.origins[0] = `https://app.test/`: a browser sends neither a path nor a `/` at the end",
    );
    row(
        "cors: {origins: [\"null\"]}",
        "fleet.yaml:9:20: gateway.cors.origins[0] = `null`: `null` is what any page can make its frames say",
    );
    row(
        "cors: {origins: [\"https://*.app.test\"]}",
        "fleet.yaml:9:20: gateway.cors.origins[0] = `https://*.app.test`: origins are compared to the letter; name each, or write `*` alone for every one",
    );
    row(
        "cors: {}",
        "fleet.yaml:9:9: gateway.cors.origins: is missing; name the origins, such as `[https://app.bank.example]`",
    );
    row(
        "cors: {origins: [https://app.test], headers: [\"*\"]}",
        "fleet.yaml:9:49: gateway.cors.headers[0] = `*`: not the name of a header: letters, digits and `-`, in lower case; name each",
    );
    row(
        "cors: {origins: [https://app.test], max_age: 2d}",
        "fleet.yaml:9:48: gateway.cors.max_age = `2d`: not a time from 0s to 24h; write it as `10min`; delete the line for the default",
    );
    row(
        "cors: everybody",
        "fleet.yaml:9:9: gateway.cors = `everybody`: neither `off` nor a map; write `off`, or a map such as `{ origins: [https://app.bank.example] }`",
    );
    row(
        "headers: safe",
        "fleet.yaml:9:12: gateway.headers = `safe`: neither `secure` nor `off` nor a map; write `secure`, `off`, or a map such as `{ secure: true, response: { remove: [via] } }`",
    );
    row("headers: {secure: false}", "fleet.yaml:9:12: gateway.headers: it changes nothing; write `secure`, or `off`");
    row(
        "headers: {request: {set: {authorization: Basic x}}}",
        "fleet.yaml:9:29: gateway.headers.request.set.authorization: a credential does not belong into the fleet file; let the service have it by its own means",
    );
    row(
        "headers: {response: {remove: [content-length]}}",
        "fleet.yaml:9:33: gateway.headers.response.remove[0] = `content-length`: the gateway sees to it itself; delete the line",
    );
    row(
        "headers: {response: {set: {access-control-allow-origin: \"*\"}}}",
        "fleet.yaml:9:30: gateway.headers.response.set.access-control-allow-origin: what scripts of other sites may read is said under `cors`; write `cors:`",
    );
    row(
        "addresses: {allow: [10.0.0.0/8], deny: [10.0.0.0/8]}",
        "fleet.yaml:9:43: gateway.addresses.deny[0] = `10.0.0.0/8`: it stands under `allow` as well; delete one of the two",
    );
    row(
        "addresses: {allow: [10.0.0.1/8]}",
        "fleet.yaml:9:23: gateway.addresses.allow[0] = `10.0.0.1/8`: the address has bits beyond its `/bits`; such as `203.0.113.7` or `10.1.0.0/16`",
    );
    row(
        "addresses: {deny: [\"::ffff:10.0.0.0/104\"]}",
        "fleet.yaml:9:22: gateway.addresses.deny[0] = `::ffff:10.0.0.0/104`: IPv4 addresses in IPv6 spelling; write the IPv4 range, which holds for both spellings",
    );
    row(
        "addresses: {}",
        "fleet.yaml:9:14: gateway.addresses: no address is named; give `allow` or `deny` with a range such as `10.0.0.0/8`, or delete the line",
    );
    row(
        "proxy_protocol: true",
        "fleet.yaml:9:19: gateway.proxy_protocol = `true`: anybody could say to be anybody; name the balancers under `trusted_proxies`; nobody else is believed",
    );
    let all = "cors: {origins: [\"*\"]}\n  headers: secure\n  addresses: {deny: [\"2001:db8::/32\"]}\n  trusted_proxies: [10.0.0.1]\n  proxy_protocol: true";
    let gateway = parse(&of(all), "fleet.yaml").unwrap().gateway.unwrap();
    assert!(gateway.cors.unwrap().is_for_all() && gateway.headers.unwrap().secure && gateway.proxy_protocol);
}

#[test]
fn refuses_issuers_and_routes_of_users() {
    let users = |body: &str| {
        let (before, gateway) = body.split_once('|').unwrap_or((body, ""));
        format!(
            "{HEAD}users: {before}\ngateway: {{ listen: 127.0.0.1:8443, routes: [{{ path: /, to: a{gateway} }}] }}\n"
        )
    };
    let one = "{ audience: api, issuers: [{ issuer: i, keys: k }] }";
    assert_refused(&[
        (
            "nothing said",
            users("{}"),
            &[
                "fleet.yaml:5:8: users.audience: is missing; say whom tokens have to be for, such as `https://api.bank.example`",
                "fleet.yaml:5:8: users.issuers: is missing; name who issues tokens, or delete `users`",
            ],
        ),
        (
            "no issuer",
            users("{ audience: api, issuers: [] }"),
            &[
                "fleet.yaml:5:34: users.issuers: there have to be 1 to 32 issuers; name who issues tokens, or delete `users`",
            ],
        ),
        (
            "twice, without keys, with a secret as key",
            users("{ audience: api, issuers: [{ issuer: i, keys: k }, { issuer: i, algorithms: [HS256] }] }"),
            &[
                "fleet.yaml:5:69: users.issuers[1].issuer = `i`: it is there already; keep one of the two",
                "fleet.yaml:5:85: users.issuers[1].algorithms[0] = `HS256`: not an algorithm that tokens may be signed with; did you mean `ES256`? name one with a public key, such as `ES256`, `EdDSA` or `RS256`",
            ],
        ),
        (
            "no keys, and nowhere to fetch them",
            users("{ audience: api, issuers: [{ issuer: i }] }"),
            &[
                "fleet.yaml:5:35: users.issuers[0].keys: is missing; name the file with its public keys, such as `login.jwks`; where the issuer is an `https://` address they are fetched",
            ],
        ),
        (
            "claims that policies could not name",
            users("{ audience: api, issuers: [{ issuer: i, keys: k, claims: { Accounts: a, good: '' } }] }"),
            &[
                "fleet.yaml:5:67: users.issuers[0].claims.Accounts = `Accounts`: policies could not name it; lower-case letters, digits and `_`, such as `accounts`",
                "fleet.yaml:5:86: users.issuers[0].claims.good = ``: it has to have 1 to 256 plain characters",
            ],
        ),
        (
            "another way in",
            users(&format!("{one}|, auth: token")),
            &[
                "fleet.yaml:6:69: gateway.routes[0].auth = `token`: not a way to let somebody in; write `none`, `user`, `key` or `[user, key]`",
            ],
        ),
        (
            "several ways in",
            users(&format!("{one}|, auth: [none, key, key]")),
            &[
                "fleet.yaml:6:70: gateway.routes[0].auth[0] = `none`: not a way to let somebody in; write `none`, `user`, `key` or `[user, key]`",
                "fleet.yaml:6:81: gateway.routes[0].auth[2] = `key`: named twice; delete one",
            ],
        ),
        (
            "scopes of nobody",
            users(&format!("{one}|, scopes: [read]")),
            &[
                "fleet.yaml:6:71: gateway.routes[0].scopes: scopes are of users and keys, and everybody is let in; write `auth: user` or `key`, or delete the line",
            ],
        ),
        (
            "no scopes at all, and two in one",
            users(&format!("{one}|, auth: user, scopes: ['a b']")),
            &[
                "fleet.yaml:6:84: gateway.routes[0].scopes[0] = `a b`: not a scope: it has blanks, quotes or other characters",
            ],
        ),
    ]);
    let roots = "{ audience: api, issuers: [{ issuer: i, keys: k, roots: r }] }";
    assert_refused(&[(
        "roots for a file",
        users(roots),
        &[
            "fleet.yaml:5:64: users.issuers[0].roots: the keys come from a file, so no server is asked for them; delete the line, or `keys`",
        ],
    )]);
    let fetched = users("{ audience: api, issuers: [{ issuer: 'https://login.test', roots: r }] }");
    assert!(parse(&fetched, "fleet.yaml").unwrap().users.unwrap().issuers[0].is_fetched());
    let fleet = parse(&users(&format!("{one}|, auth: user, scopes: [a:read]")), "fleet.yaml").unwrap();
    let issuer = &fleet.users.as_ref().unwrap().issuers[0];
    assert_eq!((issuer.algorithms.as_slice(), issuer.roles.as_str()), (&["ES256".to_owned()][..], "roles"));
    assert_eq!(fleet.gateway.unwrap().routes[0].scopes, ["a:read"]);
}

#[test]
fn refuses_a_file_over_the_limits() {
    let large = format!("# {}\n", "x".repeat(limits::FLEET_FILE_BYTES_MAX));
    let error = parse(&large, "fleet.yaml").unwrap_err().to_string();
    assert_eq!(error, "fleet.yaml: the file has 4194307 bytes, more than the 4194304 that are read; split the fleet");

    let mut many = String::from("fleet: bank\ntrust_domain: bank.example\nservices:\n");
    for i in 0..=limits::SERVICES_MAX {
        let _ = writeln!(many, "  s{i}: {{listen: \"127.0.0.1:1\"}}");
    }
    let error = parse(&many, "fleet.yaml").unwrap_err().to_string();
    assert_eq!(
        error,
        "fleet.yaml:4:3: services: 10001 services, more than the 10000 of the largest fleet; split the fleet"
    );
}

/// A small file must not become a large tree, whichever way it repeats itself.
#[test]
fn refuses_alias_bombs_quickly() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..9 {
        let _ = writeln!(laughs, "a{i}: &a{i} [{}]", vec![format!("*a{}", i - 1); 10].join(", "));
    }
    let long_text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 900].join(", "));
    let merges = format!(
        "a: &a {{{}}}\nb: [{}]\n",
        (0..1000).map(|i| format!("k{i}: 1")).collect::<Vec<_>>().join(", "),
        vec!["{<<: *a}"; 900].join(", ")
    );
    for (what, text) in [("nested lists", laughs), ("a long text", long_text), ("merged maps", merges)] {
        let start = Instant::now();
        let error = parse(&text, "fleet.yaml").unwrap_err().to_string();
        assert!(error.contains("than such a file may be"), "{what}: {error}");
        assert!(start.elapsed() < Duration::from_secs(5), "{what} took {:?}", start.elapsed());
    }
}

/// A wrong file of the largest size costs a bounded report and a bounded time.
#[test]
fn keeps_a_bounded_number_of_errors() {
    let mut text = String::from("fleet: bank\ntrust_domain: bank.example\nservices:\n");
    for i in 0..5_000 {
        let _ = writeln!(text, "  service-{i}: {{listen: \"127.0.0.1:{}\", calls: [servise-{i}, servixe-{i}]}}", i + 1);
    }
    let start = Instant::now();
    let errors = parse(&text, "fleet.yaml").unwrap_err();
    assert_eq!((errors.as_slice().len(), errors.left_out()), (100, 9_900));
    assert!(errors.to_string().ends_with("\n9900 more errors are not shown"));
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
}

/// A message is one line of bounded length, whatever the file says.
#[test]
fn quotes_the_file_within_bounds() {
    let long = "x\\n\\e[31m".repeat(1000);
    for body in [
        format!("    run: [bank, \"${{{long}}}\"]\n"),
        format!("    run: [bank, \"${{{long}.url}}\"]\n"),
        format!("    protocol: http\n    routes: {{all: \"{long} /x\"}}\n"),
        format!("    calls: [\"{long}\"]\n"),
        format!("    \"{long}\": 1\n"),
        format!("    owner: !{}\n", "x".repeat(1000)),
    ] {
        let message = parse(&service(&body), "fleet.yaml").unwrap_err().to_string();
        assert!(message.len() < 1000, "{} bytes", message.len());
        assert!(!message.contains(char::is_control), "{message}");
    }
}

const BANK: &str = r#"
fleet: bank
trust_domain: bank.example
services:
  accounts:
    run: [bank, accounts, --listen, "${listen}", --port, 7102, --ledger, "${ledger.url}"]
    env: { DATA: "${data}", LEVEL: 1.10, DEBUG: true, OTHER: 0x10, EMPTY: "" }
    dir: work
    listen: 127.0.0.1:7102
    protocol: http
    owner: core-banking
    data: [pii, financial]
    calls: [ledger, { to: postgres, via: "127.0.0.1:15432" }]
    routes:
      balance: GET /accounts/*/balance
      all: /**
  ledger: { listen: "[::1]:7102", protocol: grpc, owner: core-banking }
  postgres:
    at: 127.0.0.1:5432
    protocol: tcp
    owner: dba
gateway:
  listen: 0.0.0.0:8443
  routes:
    - { path: /api/accounts/**, to: accounts, auth: none }
    - { path: /, to: ledger }
policies: policies/
"#;

#[test]
fn reads_everything_that_a_file_can_say() {
    let fleet = parse(BANK, "fleet.yaml").unwrap();
    assert_eq!((fleet.name.as_str(), fleet.trust_domain.as_str()), ("bank", "bank.example"));
    assert_eq!(fleet.policies.as_deref(), Some("policies/"));
    assert_eq!(fleet.warnings, []);

    let service = |name: &str| fleet.services.iter().find(|(n, _)| n.as_str() == name).unwrap().1;
    let accounts = service("accounts");
    let Program::Run { argv, env, dir } = &accounts.program else { panic!("it has `run`") };
    assert_eq!(argv, &["bank", "accounts", "--listen", "${listen}", "--port", "7102", "--ledger", "${ledger.url}"]);
    let env: Vec<_> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        env,
        ["DATA=${data}", "DEBUG=true", "EMPTY=", "LEVEL=1.10", "OTHER=0x10"],
        "numbers as they are written"
    );
    assert_eq!(dir.as_deref(), Some("work"));
    assert_eq!(accounts.listen, "127.0.0.1:7102".parse().unwrap());
    assert_eq!(accounts.protocol, Protocol::Http);
    assert_eq!(accounts.owner.as_deref(), Some("core-banking"));
    assert_eq!(accounts.data, ["pii", "financial"]);
    let calls: Vec<_> = accounts.calls.iter().map(|call| (call.to.as_str(), call.via)).collect();
    assert_eq!(calls, [("ledger", None), ("postgres", Some("127.0.0.1:15432".parse().unwrap()))]);
    let routes: Vec<_> =
        accounts.routes.iter().map(|r| (r.name.as_str(), r.method.as_deref(), r.path.as_str())).collect();
    assert_eq!(routes, [("balance", Some("GET"), "/accounts/*/balance"), ("all", None, "/**")]);

    assert_eq!(service("ledger").protocol, Protocol::Grpc);
    assert_eq!(service("ledger").program, Program::Already, "something else starts it");
    assert_eq!(service("postgres").program, Program::Already);
    assert_eq!(service("postgres").listen, "127.0.0.1:5432".parse().unwrap());

    let gateway = fleet.gateway.as_ref().unwrap();
    assert_eq!(gateway.listen, "0.0.0.0:8443".parse().unwrap());
    let routes: Vec<_> = gateway.routes.iter().map(|r| (r.path.as_str(), r.to.as_str())).collect();
    assert_eq!(routes, [("/api/accounts/**", "accounts"), ("/", "ledger")]);
    let edges: Vec<_> = fleet.edges().map(|(from, to)| format!("{from}>{to}")).collect();
    assert_eq!(edges, ["accounts>ledger", "accounts>postgres", "gateway>accounts", "gateway>ledger"]);
}

/// What newcomers copy from must be without a blemish.
#[test]
fn the_example_bank_gives_no_warning() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/bank/fleet.yaml");
    let fleet = parse(&std::fs::read_to_string(file).unwrap(), "fleet.yaml").unwrap();
    assert_eq!(fleet.warnings, []);
}

#[test]
fn reads_anchors_and_merge_keys() {
    let text = r#"
fleet: bank
trust_domain: bank.example
services:
  a: &common { listen: "127.0.0.1:1", owner: &owner core, protocol: http, calls: [b] }
  b: { <<: *common, listen: "127.0.0.1:2", calls: [a] }
  c: { listen: "127.0.0.1:3", owner: *owner, protocol: tcp, calls: [a] }
"#;
    let fleet = parse(text, "fleet.yaml").unwrap();
    let owners: Vec<_> = fleet.services.values().map(|s| s.owner.as_deref().unwrap()).collect();
    assert_eq!(owners, ["core"; 3]);
    let wrong = text.replace("calls: [a] }\n  c", "calls: [b] }\n  c");
    let error = parse(&wrong, "fleet.yaml").unwrap_err().to_string();
    assert!(error.starts_with("fleet.yaml:6:52: services.b.calls[0] = `b`: a service does not call itself"), "{error}");
}

#[test]
fn warns_of_what_is_no_error() {
    let text = r#"
fleet: bank
trust_domain: bank.example
services:
  a: { listen: "127.0.0.1:7001", calls: [db] }
  db: { at: "127.0.0.1:5432", protocol: tcp, owner: dba }
"#;
    let warnings: Vec<_> = parse(text, "fleet.yaml").unwrap().warnings.iter().map(FleetError::to_string).collect();
    assert_eq!(
        warnings,
        [
            "fleet.yaml:5:3: services.a.protocol: left out, so each connection is looked at; say `http`, `grpc` or `tcp`, so that nobody has to guess and policies on routes can be enforced",
            "fleet.yaml:5:3: services.a.owner: left out; say who answers for the service; alerts and findings go there",
            "fleet.yaml:5:3: services.a.calls: a program that is not started here cannot be told where to find db; give each a fixed place: `{ to: NAME, via: \"127.0.0.1:PORT\" }`",
            "fleet.yaml:5:3: services.a: nobody may call it; name it under `calls` of a service or in a route of the gateway, unless it only calls others",
        ]
    );
}

fn fleet_of(services: usize, calls: usize) -> String {
    let mut text = String::from("fleet: large\ntrust_domain: large.example\nservices:\n");
    for i in 0..services {
        let calls: Vec<_> = (1..=calls).map(|k| format!("service-{}", (i + k * k) % services)).collect();
        let _ = write!(
            text,
            "  service-{i}:\n    run: [program, --listen, \"${{listen}}\", --next, \"${{{}.url}}\"]\n    env: {{ DATA: \"${{data}}\" }}\n    \
             listen: 127.0.0.1:{}\n    protocol: http\n    owner: team-{}\n    data: [pii]\n    calls: [{}]\n    \
             routes: {{ one: GET /things/*, all: /** }}\n",
            calls[0],
            10_000 + i,
            i % 20,
            calls.join(", "),
        );
    }
    text
}

#[test]
fn reads_a_fleet_of_1000_services_at_once() {
    let text = fleet_of(1000, 10);
    let start = Instant::now();
    let fleet = parse(&text, "fleet.yaml").unwrap();
    let took = start.elapsed();
    println!("{} KiB, 1,000 services, 10,000 calls: {took:?}", text.len() / 1024);
    assert_eq!((fleet.services.len(), fleet.edges().count()), (1000, 10_000));
    assert_eq!(fleet.warnings, []);
    // Generous: the point is that nothing here is quadratic. A debug build on a slow machine needs about 0.3 s.
    assert!(took < Duration::from_secs(5), "took {took:?}");
}

proptest! {
    /// Damages a good file in one place. Whatever comes of it: no panic, and every error names a place inside the file.
    #[test]
    fn a_damaged_file_is_read_or_refused_with_a_place(at in 0..BANK.len(), cut in 0..40usize, put in "[ \\PC\n\t]{0,6}") {
        prop_assume!(BANK.is_char_boundary(at));
        let end = (at + cut).min(BANK.len());
        let text = format!("{}{put}{}", &BANK[..at], &BANK[end..]);
        let lines = text.lines().count() as u64 + 1;
        if let Err(errors) = parse(&text, "f") {
            prop_assert!(!errors.as_slice().is_empty());
            for error in errors.as_slice() {
                prop_assert!(error.line <= lines, "{error}");
                prop_assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}

#[test]
fn key_exchanges_that_nobody_could_hold_to_are_refused() {
    let file = |tls: &str| {
        format!(
            "fleet: bank\ntrust_domain: bank.example\nservices:\n  a: {{listen: \"127.0.0.1:7001\", protocol: http, owner: o}}\ntls: {tls}\n"
        )
    };
    for (tls, problem) in [
        ("{groups: []}", "`tls.groups` is empty"),
        ("{groups: [X448]}", "no key exchange of ours"),
        ("{groups: [x25519]}", "choose among X25519MLKEM768, X25519, P-256"),
        ("{groups: [X25519MLKEM768, X25519], require_post_quantum: true}", "not post-quantum"),
        ("{require_post_quantum: perhaps}", "neither true nor false"),
        ("{group: [X25519]}", "did you mean `groups`"),
    ] {
        let errors = bartizan_core::fleet::parse(&file(tls), "fleet.yaml").expect_err(tls).to_string();
        assert!(errors.contains(problem), "{tls}: {errors}");
    }
    for (tls, groups) in [
        ("{}", vec![TlsGroup::X25519Mlkem768, TlsGroup::X25519, TlsGroup::P256]),
        ("{require_post_quantum: false}", vec![TlsGroup::X25519Mlkem768, TlsGroup::X25519, TlsGroup::P256]),
        ("{require_post_quantum: true}", vec![TlsGroup::X25519Mlkem768]),
        ("{groups: [P-256, X25519]}", vec![TlsGroup::X25519, TlsGroup::P256]),
    ] {
        let fleet = bartizan_core::fleet::parse(&file(tls), "fleet.yaml").unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(Vec::from(fleet.tls), groups, "{tls}");
    }
}

#[test]
fn what_makes_guards_fast_is_on_unless_it_is_switched_off() {
    let file = |tuning: &str| {
        format!(
            "fleet: bank\ntrust_domain: bank.example\nservices:\n  a: {{listen: \"127.0.0.1:7001\", protocol: http, owner: o}}\n{tuning}\n"
        )
    };
    for (tuning, problem) in [
        ("tuning: {reuse: no}", "tuning.reuse = `no`: neither true nor false"),
        ("tuning: {remember: 0}", "tuning.remember = `0`: neither true nor false"),
        ("tuning: {resume: true}", "tuning.resume: unknown key"),
    ] {
        let errors = bartizan_core::fleet::parse(&file(tuning), "fleet.yaml").expect_err(tuning).to_string();
        assert!(errors.contains(problem), "{tuning}: {errors}");
    }
    for (tuning, reuse, remember) in [
        ("", true, true),
        ("tuning: {}", true, true),
        ("tuning: {reuse: false}", false, true),
        ("tuning: {reuse: true, remember: false}", true, false),
    ] {
        let fleet = bartizan_core::fleet::parse(&file(tuning), "fleet.yaml").unwrap();
        assert_eq!((fleet.tuning.reuse, fleet.tuning.remember), (reuse, remember), "{tuning}");
    }
}

#[test]
fn what_is_under_way_is_given_ten_minutes_at_most() {
    let file = |drain: &str| {
        format!(
            "fleet: bank\ntrust_domain: bank.example\nservices:\n  a: {{listen: \"127.0.0.1:7001\", protocol: http, owner: o}}\n{drain}\n"
        )
    };
    for (drain, ms) in [("", None), ("drain: 30s", Some(30_000)), ("drain: 600s", Some(600_000))] {
        assert_eq!(bartizan_core::fleet::parse(&file(drain), "fleet.yaml").unwrap().drain_ms, ms);
    }
    for drain in ["drain: 601s", "drain: 0s", "drain: never"] {
        let told = bartizan_core::fleet::parse(&file(drain), "fleet.yaml").expect_err(drain).to_string();
        assert!(told.contains("not a time from 1ms to 600s; write it as `250ms` or `2s`"), "{told}");
    }
}

#[test]
fn a_budget_that_makes_no_sense_is_refused() {
    let file = |budget: &str| {
        format!(
            "fleet: bank\ntrust_domain: bank.example\nservices:\n  a: {{listen: \"127.0.0.1:7001\", protocol: http, owner: o}}\nbudget: {budget}\n"
        )
    };
    for budget in
        ["{guard_p99_us: 0}", "{guard_p99_us: 49}", "{guard_p99_us: 10000001}", "{guard_p99_us: 1ms}", "{p99: 7}"]
    {
        assert!(bartizan_core::fleet::parse(&file(budget), "fleet.yaml").is_err(), "{budget}");
    }
    for (budget, us) in [("{}", None), ("{guard_p99_us: 2000}", Some(2000))] {
        let fleet =
            bartizan_core::fleet::parse(&file(budget), "fleet.yaml").unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(fleet.guard_p99_us, us);
    }
}

/// Two programs that are started; `one` and `two` stand among their keys.
fn two_programs(head: &str, one: &str, two: &str) -> String {
    let program = |name: &str, more: &str| {
        format!("  {name}: {{run: [x], listen: \"127.0.0.1:7001\", protocol: http, owner: o{more}}}\n")
    };
    format!("fleet: bank\ntrust_domain: bank.example\n{head}services:\n{}{}", program("one", one), program("two", two))
}

#[test]
fn one_address_is_two_where_each_program_has_a_network_of_its_own() {
    let taken = |line: u32, of: u32| {
        format!(
            "fleet.yaml:{line}:27: services.two.listen = `127.0.0.1:7001`: the address is taken by services.one.listen (line {of}); give each a port of its own"
        )
    };
    assert_refused(&[
        ("one is on the host", two_programs("", ", isolate: false", ""), &[&taken(5, 4)]),
        ("the other is", two_programs("", "", ", isolate: false"), &[&taken(5, 4)]),
        ("both are, by the fleet's word", two_programs("isolate: false\n", "", ""), &[&taken(6, 5)]),
        (
            "twice in one network",
            two_programs("", "", ", calls: [{to: one, via: \"127.0.0.1:7001\"}]"),
            &[
                "fleet.yaml:5:94: services.two.calls[0].via = `127.0.0.1:7001`: the address is taken by services.two.listen (line 5); give each a port of its own",
            ],
        ),
        (
            "it runs already",
            service("    isolate: true\n"),
            &[
                "fleet.yaml:8:14: services.accounts.isolate = `true`: a program that runs already cannot be kept apart; give it a `run`, so that it is started in a namespace of its own, or delete the line",
            ],
        ),
        (
            "neither yes nor no",
            two_programs("isolate: maybe\n", "", ""),
            &["fleet.yaml:3:10: isolate = `maybe`: neither true nor false; delete the line for: where the kernel can"],
        ),
        (
            "names where nothing can be redirected",
            two_programs("", "", ", isolate: false, capture: true").replacen("127.0.0.1:7001", "127.0.0.1:7003", 1),
            &[
                "fleet.yaml:5:96: services.two.capture = `true`: only a program in a network of its own can be captured; start it with `run` and without `isolate: false`, or delete the line",
            ],
        ),
        (
            "names by TPROXY where nothing can be led",
            two_programs("", "", ", isolate: false, capture: tproxy").replacen("127.0.0.1:7001", "127.0.0.1:7003", 1),
            &[
                "fleet.yaml:5:96: services.two.capture = `tproxy`: only a program in a network of its own can be captured; start it with `run` and without `isolate: false`, or delete the line",
            ],
        ),
        (
            "neither yes nor no, of names",
            two_programs("capture: maybe\n", "", ""),
            &[
                "fleet.yaml:3:10: capture = `maybe`: none of true, false, redirect and tproxy; delete the line for: where `nft` is there",
            ],
        ),
    ]);
    let fleet = parse(&two_programs("capture: true\n", ", capture: false", ""), "fleet.yaml").unwrap();
    let captures: Vec<_> = fleet.services.values().map(|service| service.capture).collect();
    assert_eq!(captures, [Capture::Never, Capture::Required]);
    let fleet = parse(&two_programs("capture: tproxy\n", ", capture: redirect", ""), "fleet.yaml").unwrap();
    let captures: Vec<_> = fleet.services.values().map(|service| service.capture).collect();
    assert_eq!(captures, [Capture::By(Means::Redirect), Capture::By(Means::Tproxy)]);
    let fleet = parse(&format!("capture: true\n{}", service("")), "fleet.yaml").unwrap();
    assert!(fleet.services.values().all(|service| service.capture == Capture::Never), "they run already");
    let fleet = parse(&two_programs("isolate: true\n", "", ""), "fleet.yaml").unwrap();
    assert!(fleet.services.values().all(|service| service.isolate == Isolate::Required));
    // What runs already is not concerned by the fleet's word.
    let fleet = parse(&format!("isolate: true\n{}", service("")), "fleet.yaml").unwrap();
    assert!(fleet.services.values().all(|service| service.isolate == Isolate::Never));
    // The program expects its callee at the callee's own address, where in there its guard listens.
    let via = two_programs("", "", ", calls: [{to: one, via: \"127.0.0.1:7002\"}]");
    let via = via.replacen("127.0.0.1:7001", "127.0.0.1:7002", 1);
    assert!(parse(&via, "fleet.yaml").is_ok());
}

#[test]
fn a_retention_of_events_that_makes_no_sense_is_refused() {
    let file = |events: &str| {
        format!(
            "fleet: bank\ntrust_domain: bank.example\nservices:\n  a: {{listen: \"127.0.0.1:7001\", protocol: http, owner: o}}\nevents: {events}\n"
        )
    };
    for events in [
        "{keep: 30}",
        "{keep: 0d}",
        "{keep: 30m}",
        "{keep: -1d}",
        "{keep: 99999d}",
        "{keep: +3d}",
        "{keep: d}",
        "{bytes: 10}",
        "{bytes: 1M}",
        "{bytes: 10GB}",
        "{bytes: 99999T}",
        "{bytes: 18446744073709551615T}",
        "{when_full: block}",
        "{when_full: Drop}",
        "{kept: 30d}",
        "30d",
        "{keep_each: 30d}",
        "{keep_each: {calls: 30}}",
        "{keep_each: {calls: 59m}}",
        "{keep_each: {denied: 3651d}}",
        "{keep_each: {denials: 30d}}",
    ] {
        assert!(bartizan_core::fleet::parse(&file(events), "fleet.yaml").is_err(), "{events}");
    }
    let parsed = |events: &str| {
        bartizan_core::fleet::parse(&file(events), "fleet.yaml").unwrap_or_else(|errors| panic!("{errors}")).events
    };
    use bartizan_core::retention::{Retention, Sort, WhenFull};
    assert_eq!(parsed("{}"), Retention::default());
    assert_eq!(
        parsed("{keep: 12h, bytes: 10G, when_full: drop}"),
        Retention {
            keep: Some(std::time::Duration::from_secs(12 * 3600)),
            bytes_max: Some(10 << 30),
            when_full: WhenFull::Drop,
            ..Retention::default()
        }
    );
    let each = parsed("{keep: 30d, keep_each: {calls: 7d, denied: 400d}}");
    let days = |sort| each.age(sort).map(|age| age.as_secs() / 86_400);
    assert_eq!((days(Sort::Calls), days(Sort::Denied), days(Sort::People)), (Some(7), Some(400), Some(30)));
    assert_eq!(parsed("{bytes: 500M, when_full: refuse}").bytes_max, Some(500 << 20));
}

#[test]
fn an_intake_that_nobody_could_trust_is_refused() {
    let file = |intake: &str| {
        format!(
            "fleet: bank\ntrust_domain: bank.example\nservices:\n  a: {{listen: \"127.0.0.1:7001\", protocol: http, owner: o}}\nintake: {intake}\n"
        )
    };
    let parsed = |intake: &str| bartizan_core::fleet::parse(&file(intake), "fleet.yaml");
    for (intake, told) in [
        ("{}", "nothing is taken anywhere"),
        ("{records_per_s: 5}", "nothing is taken anywhere"),
        ("{syslog: \"0.0.0.0:514\"}", "syslog without TLS is taken on loopback alone; write `syslog_tls`"),
        ("{otlp_http: \"127.0.0.1:7001\"}", "the address is taken by services.a.listen"),
        ("{otlp_http: \"127.0.0.1:4318\", otlp_grpc: \"127.0.0.1:4318\"}", "the address is taken by intake.otlp_http"),
        ("{otlp_http: 4318}", "expected a text"),
        ("{otlp_http: \"127.0.0.1:4318\", key: k.pem}", "intake.certificate: is missing"),
        ("{otlp_http: \"127.0.0.1:4318\", certificate: c.pem}", "intake.key: is missing"),
        ("{otlp_http: \"127.0.0.1:4318\", records_per_s: 0}", "not a number of records from 1 to 1000000"),
        ("{otlp_http: \"127.0.0.1:4318\", tokens: {\"No Name\": t}}", "not a name"),
        ("{otlp_http: \"127.0.0.1:4318\", tokens: {c: \"\"}}", "is empty"),
        ("{otlp: \"127.0.0.1:4318\"}", "unknown key"),
    ] {
        let error = parsed(intake).expect_err(intake).to_string();
        assert!(error.contains(told), "{intake}: {error}");
    }
    let fleet = parsed("{otlp_http: \"0.0.0.0:4318\", ndjson: \"127.0.0.1:5170\", tokens: {c: c.token}}").unwrap();
    let intake = fleet.intake.unwrap();
    assert!(intake.is_tls(intake.otlp_http.unwrap()) && !intake.is_tls(intake.ndjson.unwrap()));
    assert_eq!(intake.records_per_s, 10_000);
}

#[test]
fn an_output_that_makes_no_sense_is_refused() {
    let parsed = |output: &str| {
        let file = format!(
            "fleet: bank\ntrust_domain: bank.example\nservices:\n  a: {{listen: \"127.0.0.1:7001\", protocol: http, owner: o}}\noutputs:\n  x: {output}\n"
        );
        bartizan_core::fleet::parse(&file, "fleet.yaml")
    };
    for (output, told) in [
        ("{}", "where to is said by none, or by several"),
        ("{ndjson: a, otlp: \"https://a.test\"}", "where to is said by none, or by several"),
        ("{otlp: \"http://a.test:4318/v1/logs\"}", "without TLS nothing leaves this machine"),
        ("{syslog: \"tcp://192.0.2.7:601\"}", "without TLS nothing leaves this machine"),
        ("{syslog: \"udp://127.0.0.1:514\"}", "begin it with the scheme"),
        ("{webhook: \"https://a.test/x\"}", "outputs.x.secret: is missing"),
        ("{ndjson: a, bytes: 5K}", "not a size from 1M to 64G"),
        ("{ndjson: a, files: 0}", "not a number of files from 1 to 1000"),
        ("{ndjson: a, index: b}", "only `elasticsearch` has an index"),
        ("{ndjson: a, secret: b}", "only `webhook` is signed"),
        ("{syslog: \"tls://a.test\", authorization: b}", "only what speaks HTTP has it"),
        ("{elasticsearch: \"https://a.test\", index: Big}", "not a name of an index"),
        ("{ndjson: a, classes: [nothing]}", "no class of this name"),
        ("{ndjson: a, outcomes: [good]}", "no outcome of this name"),
        ("{ndjson: a, services: [b]}", "no such service"),
        ("{ndjson: a, topic: b}", "only `kafka` has a topic"),
        ("{ndjson: a, certificate: b, key: c}", "a file asks for no certificate"),
        ("{syslog: \"tls://a.test\", certificate: b}", "outputs.x.key: is missing"),
    ] {
        let error = parsed(output).expect_err(output).to_string();
        assert!(error.contains(told), "{output}: {error}");
    }
    for (output, told) in [
        ("{kafka: \"tls://a.test\"}", "expected a list"),
        ("{kafka: []}", "0 brokers, not 1 to 16"),
        ("{kafka: [\"a.test:9092\"]}", "begin it with the scheme"),
        ("{kafka: [\"tcp://a.test\"]}", "without TLS nothing leaves this machine"),
        ("{kafka: [\"tls://a.test/x\"]}", "a broker has no path"),
        ("{kafka: [\"tls://a.test\", \"tcp://127.0.0.1\"]}", "some brokers with TLS and some without"),
        ("{kafka: [\"tls://a.test\"], topic: \"a b\"}", "not a name of a topic"),
        ("{kafka: [\"tls://a.test\"], authorization: b}", "only what speaks HTTP has it"),
    ] {
        let error = parsed(output).expect_err(output).to_string();
        let told = match bartizan_core::outputs::KAFKA || told == "expected a list" || told.starts_with("only") {
            true => told,
            false => "this `bartizan` was built without Kafka; build it with `cargo build",
        };
        assert!(error.contains(told), "{output}: {error}");
    }
    let good =
        "{elasticsearch: \"http://127.0.0.1:9200\", classes: [request], outcomes: [denied], services: [a, gateway]}";
    let fleet = parsed(good).unwrap_or_else(|errors| panic!("{errors}"));
    let (name, output) = fleet.outputs.first_key_value().unwrap();
    assert_eq!((name.as_str(), output.to.as_str(), output.only.services.len()), ("x", "elasticsearch", 2));
}

#[test]
fn a_ledger_is_bounded_by_an_archive_and_by_nothing_else() {
    let head = "fleet: bank\ntrust_domain: bank.example\nservices:\n  a: { listen: \"127.0.0.1:7001\", protocol: http, owner: o }\n";
    let with = |ledger: &str| parse(&format!("{head}ledger: {ledger}\n"), "fleet.yaml");
    for (ledger, said) in [
        ("{bytes: 1G}", "archive: is missing; name a folder for what is beyond"),
        ("{archive: old/}", "bytes: is missing; say what may stay"),
        ("{bytes: 15M, archive: old/}", "not a size from 16M to 64T"),
        ("{bytes: 1000, archive: old/}", "not a size from 16M to 64T"),
        ("{bytes: 1G, archive: ''}", "is empty"),
        ("{bytes: 1G, archive: old/, keep: 30d}", "keep: unknown key"),
        ("{bytes: 1G, archive: old/, when_full: drop}", "when_full: unknown key"),
    ] {
        let refused = with(ledger).unwrap_err().to_string();
        assert!(refused.contains(said), "{ledger}: {refused}");
    }
    let kept = with("{bytes: 1G, archive: /mnt/old}").unwrap().ledger.unwrap();
    assert_eq!((kept.bytes_max, kept.archive.as_str()), (1 << 30, "/mnt/old"));
    assert_eq!(parse(head, "fleet.yaml").unwrap().ledger, None, "all of it stays where nothing is said");
}
