//! Instances, edges and versions in the fleet file: what is taken, what is refused, and in which words.

use bartizan_core::ServiceName;
use bartizan_core::edge::{Edge, Mtls, Outlier, RetryOn, Share};
use bartizan_core::fleet::{Fleet, FleetErrors, parse};
use proptest::prelude::*;

/// A caller `web` whose body begins in line 5, and two services that it may call.
fn with_web(body: &str) -> String {
    format!(
        "fleet: bank
trust_domain: bank.example
services:
  web:
    owner: o
{body}
  a: {{ listen: \"127.0.0.1:7001\", protocol: http, owner: o }}
  db: {{ listen: \"127.0.0.1:7002\", protocol: tcp, owner: o }}
"
    )
}

fn calling(call: &str) -> String {
    with_web(&format!("    protocol: http\n    listen: 127.0.0.1:7000\n    calls:\n      - {call}"))
}

fn told(text: &str) -> String {
    parse(text, "f").map_or_else(|errors: FleetErrors| errors.to_string(), |_| "no error".to_owned())
}

#[test]
fn refuses_edges_that_cannot_be_kept() {
    for (call, report) in [
        (
            "{ to: a, timeout: 2 }",
            "f:9:27: services.web.calls[0].timeout = `2`: expected a text, found a number; put it in quotes where it is meant as text",
        ),
        (
            "{ to: a, timeout: 2m }",
            "f:9:27: services.web.calls[0].timeout = `2m`: not a time from 1ms to 3600s; write it as `250ms` or `2s`",
        ),
        (
            "{ to: a, timeout: 0s }",
            "f:9:27: services.web.calls[0].timeout = `0s`: not a time from 1ms to 3600s; write it as `250ms` or `2s`",
        ),
        (
            "{ to: a, timeout: 3601s }",
            "f:9:27: services.web.calls[0].timeout = `3601s`: not a time from 1ms to 3600s; write it as `250ms` or `2s`",
        ),
        (
            "{ to: a, timeout: 1s, try_timeout: 2s }",
            "f:9:44: services.web.calls[0].try_timeout = `2s`: longer than all tries together may take (`timeout: 1s`); make it shorter, or delete it",
        ),
        (
            "{ to: db, timeout: 1s }",
            "f:9:28: services.web.calls[0].timeout = `1s`: the callee speaks tcp, where no guard sees requests and answers; delete the line",
        ),
        (
            "{ to: db, retry: { on: [reset] } }",
            "f:9:33: services.web.calls[0].retry.on[0] = `reset`: the callee speaks tcp, where only a connection that was never made can be tried again; keep `connect` alone",
        ),
        (
            "{ to: a, retry: { on: [resets] } }",
            "f:9:32: services.web.calls[0].retry.on[0] = `resets`: nothing after which can be tried again; did you mean `reset`? known are `connect`, `reset`, `5xx` and `timeout`",
        ),
        (
            "{ to: a, retry: { attempts: 11 } }",
            "f:9:37: services.web.calls[0].retry.attempts = `11`: not a whole number from 0 to 10; delete the line for the default",
        ),
        (
            "{ to: a, retry: { budget: 120% } }",
            "f:9:35: services.web.calls[0].retry.budget = `120%`: not a share from 0% to 100%; write it as `20%`",
        ),
        (
            "{ to: a, breaker: { failures: 5 } }",
            "f:9:39: services.web.calls[0].breaker.failures = `5`: not a share from 0% to 100%; write it as `20%`",
        ),
        (
            "{ to: a, breaker: { calls: 0 } }",
            "f:9:36: services.web.calls[0].breaker.calls = `0`: not a whole number from 1 to 1000000; delete the line for the default",
        ),
        (
            "{ to: a, outlier: { failures: 0 } }",
            "f:9:39: services.web.calls[0].outlier.failures = `0`: not a whole number from 1 to 10000; delete the line for the default",
        ),
        (
            "{ to: a, outlier: { eject: never } }",
            "f:9:36: services.web.calls[0].outlier.eject = `never`: not a time from 1ms to 3600s; write it as `250ms` or `2s`",
        ),
    ] {
        assert_eq!(told(&calling(call)), report, "{call}");
    }
}

fn at_gateway(calls: &str) -> String {
    format!(
        "{}gateway:\n  listen: 127.0.0.1:8443\n  routes: [{{ path: /**, to: web }}]\n  calls: {calls}\n",
        with_web("    protocol: http\n    listen: 127.0.0.1:7000\n")
    )
}

#[test]
fn the_gateway_calls_services_as_is_said_there() {
    let fleet = parse(&at_gateway("[{ to: web, timeout: 2s, retry: { attempts: 0 } }]"), "f").unwrap();
    let calls = fleet.gateway.unwrap().calls;
    let edge = calls[&ServiceName::parse("web").unwrap()];
    assert_eq!((calls.len(), edge.timeout_ms, edge.retry.attempts), (1, Some(2000), 0));
    assert_eq!(edge.breaker, Edge::default().breaker);
    for (calls, report) in [
        ("[web]", "gateway.calls[0] = `web`: expected a map, found a text"),
        (
            "[{ to: a }]",
            "gateway.calls[0].to = `a`: no route leads there; name one that a route leads to, or delete it",
        ),
        ("[{ to: wbe }]", "gateway.calls[0].to = `wbe`: no route leads there; did you mean `web`?"),
        ("[{ timeout: 1s }]", "gateway.calls[0].to: is missing; name the service that routes lead to"),
        ("[{ to: web }, { to: web }]", "gateway.calls[1].to = `web`: named twice; delete one"),
        ("[{ to: web, via: \"127.0.0.1:9\" }]", "gateway.calls[0].via: unknown"),
        ("[{ to: web, timeout: 0s }]", "gateway.calls[0].timeout = `0s`: not a time from 1ms to 3600s"),
    ] {
        let told = told(&at_gateway(calls));
        assert!(told.contains(report), "{calls}: {told}");
    }
}

#[test]
fn refuses_instances_that_cannot_be_had() {
    let run = "    protocol: http\n    run: [x]\n    listen: 127.0.0.1:7000\n";
    for (body, report) in [
        (
            format!("{run}    instances: 0"),
            "f:9:16: services.web.instances = `0`: not a whole number from 1 to 100; delete the line for the default",
        ),
        (
            format!("{run}    instances: 101"),
            "f:9:16: services.web.instances = `101`: not a whole number from 1 to 100; delete the line for the default",
        ),
        (
            format!("{run}    mesh: 0.0.0.0:9\n    instances: 2"),
            "f:9:11: services.web.mesh = `0.0.0.0:9`: one address for several instances; delete it, or start the instances elsewhere and list them under `at`",
        ),
        (format!("{run}    zones: []"), "f:9:12: services.web.zones: there is no zone; name one, or delete the key"),
        (
            format!("{run}    zones: [A]"),
            "f:9:13: services.web.zones[0] = `A`: not a zone: 1 to 63 lower-case letters, digits and `-`; such as `a` or `rack-7`",
        ),
        (
            "    protocol: http\n    at: []".to_owned(),
            "f:7:9: services.web.at: there is no address; say where the program listens",
        ),
        (
            "    protocol: http\n    at: [127.0.0.1:7001]\n".to_owned(),
            "f:9:16: services.a.listen = `127.0.0.1:7001`: the address is taken by services.web.at[0] (line 7); give each a port of its own",
        ),
        (
            "    protocol: http\n    at: [{ zone: a }]".to_owned(),
            "f:7:10: services.web.at[0].at: is missing; say where it listens, such as `127.0.0.1:7102`",
        ),
        (
            "    protocol: http\n    at: [{ at: 127.0.0.1:1, weight: 0 }]".to_owned(),
            "f:7:37: services.web.at[0].weight = `0`: not a whole number from 1 to 1000; delete the line for the default",
        ),
        (
            "    protocol: http\n    at: [127.0.0.1:1, 127.0.0.1:2]\n    mesh: 0.0.0.0:9".to_owned(),
            "f:8:11: services.web.mesh = `0.0.0.0:9`: one address for several instances; give each its own: `{ at: 127.0.0.1:7102, mesh: 0.0.0.0:15102 }`",
        ),
        (
            "    protocol: http\n    at: 127.0.0.1:1\n    instances: 2".to_owned(),
            "f:8:16: services.web.instances = `2`: there is no `run`; list the instances under `at`, each with its zone",
        ),
    ] {
        assert_eq!(told(&with_web(&body)), report, "{body}");
    }
}

#[test]
fn refuses_versions_that_make_no_sense() {
    let web = "    protocol: http\n    listen: 127.0.0.1:7000\n";
    for (body, report) in [
        (
            "split: { web: 90, web2: 10 }",
            "f:8:23: services.web.split.web2 = `web2`: no such service; did you mean `web`? declare it under services, or delete it here",
        ),
        (
            "split: { web: 0, a: 0 }",
            "f:8:12: services.web.split: nobody gets anything; give one a weight, or delete `split`",
        ),
        (
            "split: { web: 1001 }",
            "f:8:19: services.web.split.web = `1001`: not a whole number from 0 to 1000; weights are parts of their sum, such as 90 and 10",
        ),
        (
            "split: { web: 9, db: 1 }",
            "f:8:22: services.web.split.db: it speaks another protocol than `web`; give both the same `protocol`",
        ),
        (
            "mirror: { to: web }",
            "f:8:19: services.web.mirror.to = `web`: a service gets no copies of its own calls; name another",
        ),
        (
            "mirror: { to: a, share: 10 }",
            "f:8:29: services.web.mirror.share = `10`: expected a text, found a number; put it in quotes where it is meant as text",
        ),
        (
            "mtls: off",
            "f:8:11: services.web.mtls = `off`: neither `strict` nor `permissive`; delete the line for `strict`",
        ),
    ] {
        assert_eq!(told(&with_web(&format!("{web}    {body}"))), report, "{body}");
    }
    let taken = with_web(web).replace("  a: ", "  unauthenticated: ");
    assert!(told(&taken).contains("policies know callers without mutual TLS by it"), "{}", told(&taken));
}

fn service<'a>(fleet: &'a Fleet, name: &str) -> &'a bartizan_core::fleet::Service {
    &fleet.services[&ServiceName::parse(name).unwrap()]
}

#[test]
fn reads_all_of_it() {
    let text = r#"
fleet: bank
trust_domain: bank.example
services:
  web:
    run: [web]
    listen: 127.0.0.1:7000
    protocol: http
    owner: o
    instances: 3
    zones: [a, b]
    calls:
      - ledger
      - to: accounts
        timeout: 2s
        try_timeout: 500ms
        retry: { attempts: 1, on: [connect, 5xx], budget: 12.5% }
        breaker: { failures: 30%, calls: 50, open: 250ms }
        outlier: { failures: off }
  accounts:
    at:
      - 127.0.0.1:7001
      - { at: "127.0.0.1:7002", zone: b, weight: 3, mesh: "0.0.0.0:15002" }
    protocol: http
    owner: o
    split: { accounts: 90, accounts-v2: 10 }
    mirror: { to: shadow, share: 5% }
    mtls: permissive
  accounts-v2: { listen: "127.0.0.1:7003", protocol: http, owner: o }
  shadow: { listen: "127.0.0.1:7004", protocol: http, owner: o }
  ledger: { listen: "127.0.0.1:7005", protocol: http, owner: o, calls: [{ to: accounts, via: "127.0.0.1:9" }] }
gateway:
  listen: 127.0.0.1:8443
  routes: [{ path: /**, to: web }, { path: /a/**, to: accounts }]
"#;
    let fleet = parse(text, "f").unwrap();
    let (web, accounts) = (service(&fleet, "web"), service(&fleet, "accounts"));
    let zones: Vec<_> = (1..=web.count()).map(|n| web.placing(n).unwrap().zone.as_deref().unwrap()).collect();
    assert_eq!(zones, ["a", "b", "a"], "dealt out in turn");
    assert!(web.instances.more.iter().all(|it| it.listen.is_none() && it.mesh.is_none()), "chosen at start");
    let edge = web.calls[1].edge;
    assert_eq!((edge.timeout_ms, edge.try_timeout_ms), (Some(2000), Some(500)));
    assert_eq!(edge.retry.on, RetryOn { connect: true, status_5xx: true, ..RetryOn::default() });
    assert_eq!((edge.retry.attempts, edge.retry.budget), (1, Share::per_mille(125)));
    assert_eq!((edge.breaker.failures, edge.breaker.calls, edge.breaker.open_ms), (Share::per_mille(300), 50, 250));
    assert_eq!(edge.outlier, Outlier { failures: 0, ..Outlier::default() });
    assert_eq!(web.calls[0].edge, Edge::default());

    assert_eq!((accounts.listen.port(), accounts.mesh, accounts.count()), (7001, None, 2));
    let second = accounts.instance(2).unwrap();
    assert_eq!((second.listen.unwrap().port(), second.mesh.unwrap().port()), (7002, 15002));
    assert_eq!((second.placing.zone.as_deref(), second.placing.weight), (Some("b"), 3));
    assert_eq!(accounts.instance(1), None, "the first one is the service itself");
    assert_eq!((accounts.mtls, web.mtls), (Mtls::Permissive, Mtls::Strict));
    let members: Vec<_> = fleet.instances().map(|member| member.to_string()).collect();
    assert_eq!(members, ["accounts", "accounts.2", "accounts-v2", "ledger", "shadow", "web", "web.2", "web.3"]);

    // Who may call a service may call its other versions, and nobody calls itself.
    let edges: Vec<_> = fleet.edges().map(|(from, to)| format!("{from}>{to}")).collect();
    let expected = [
        "ledger>accounts",
        "ledger>accounts-v2",
        "ledger>shadow",
        "web>accounts",
        "web>accounts-v2",
        "web>ledger",
        "web>shadow",
        "gateway>accounts",
        "gateway>accounts-v2",
        "gateway>shadow",
        "gateway>web",
    ];
    assert_eq!(edges, expected);
    let said: Vec<_> = fleet.warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(said, ["services.accounts.mtls"], "what is permissive is worth a word each time");
}

#[test]
fn what_says_nothing_stays_as_it_was() {
    let fleet = parse(&calling("a"), "f").unwrap();
    let web = service(&fleet, "web");
    assert_eq!((web.count(), web.instance(2), web.placing(2)), (1, None, None));
    assert!(web.versions.is_none() && web.mtls.is_strict() && web.calls[0].edge.is_default());
}

proptest! {
    #[test]
    fn any_edge_is_read_or_refused_without_panic(key in "[a-z_]{2,12}", value in "[0-9a-z%.]{0,8}") {
        for inner in ["timeout", "try_timeout"] {
            let _ = parse(&calling(&format!("{{ to: a, {inner}: \"{value}\" }}")), "f");
        }
        for (map, known) in [("retry", "attempts"), ("retry", "budget"), ("breaker", "open"), ("outlier", &*key)] {
            let _ = parse(&calling(&format!("{{ to: a, {map}: {{ {known}: \"{value}\" }} }}")), "f");
        }
    }
}
