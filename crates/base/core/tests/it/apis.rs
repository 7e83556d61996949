//! Documents of APIs and limits of GraphQL in the fleet file: what is taken, what is refused, and in which words.

use bartizan_core::api::{GraphqlLimits, OnRequest, OnResponse, OnUnknown};
use bartizan_core::fleet::{GatewayRoute, parse};

/// A gateway with a route that says `more`, in line 9.
fn route(more: &str) -> Result<GatewayRoute, String> {
    let text = format!(
        "fleet: bank
trust_domain: bank.example
services:
  a: {{ listen: \"127.0.0.1:7001\", protocol: http, owner: o }}
gateway:
  listen: 127.0.0.1:8443
  routes:
    - path: /**
      {more}
      to: a
"
    );
    parse(&text, "fleet.yaml").map(|fleet| fleet.gateway.unwrap().routes.remove(0)).map_err(|errors| errors.to_string())
}

#[test]
fn refuses_what_makes_no_sense() {
    for (more, expected) in [
        ("api: [a]", "fleet.yaml:9:12: gateway.routes[0].api: expected a text, found a list"),
        ("api: ''", "gateway.routes[0].api = ``: is empty"),
        ("api: {}", "gateway.routes[0].api.document: is missing; name the file of an OpenAPI document"),
        (
            "api: { document: a, request: refuse }",
            "unknown key; did you mean `requests`? known here: document, base, requests, responses, unknown",
        ),
        (
            "api: { document: a, requests: deny }",
            "not one of the words that may stand here; write one of refuse, report",
        ),
        ("api: { document: a, responses: stopp }", "did you mean `stop`? write one of off, report, mask, stop"),
        ("api: { document: a, unknown: mask }", "write one of refuse, strip, allow"),
        ("api: { document: a, base: v1 }", "not a path: path does not begin with `/`; write one such as `/v1`"),
        ("api: { document: a, base: /a/../b }", "not a path"),
        ("graphql: yes", "expected a map"),
        ("graphql: { depth: 0 }", "expected a whole number from 1 to 64"),
        ("graphql: { cost: many }", "expected a whole number from 1 to 1000000"),
        ("graphql: { introspection: maybe }", "not one of the words"),
        ("graphql: { dept: 1 }", "unknown key; did you mean `depth`?"),
    ] {
        let error = route(more).unwrap_err();
        assert!(error.contains(expected), "{more}: {error}");
    }
}

#[test]
fn takes_a_file_alone_or_with_what_becomes_of_what_differs() {
    let plain = route("api: pay.yaml").unwrap().api.unwrap();
    assert_eq!(
        (plain.requests, plain.responses, plain.unknown),
        (OnRequest::Refuse, OnResponse::Off, OnUnknown::Refuse)
    );
    let full =
        route("api: { document: pay.yaml, base: /v1/, requests: report, responses: mask, unknown: strip }").unwrap();
    let full = full.api.unwrap();
    assert_eq!((full.document.as_str(), full.base.as_deref()), ("pay.yaml", Some("/v1")));
    assert_eq!((full.requests, full.responses, full.unknown), (OnRequest::Report, OnResponse::Mask, OnUnknown::Strip));
    assert_eq!(route("api: { document: a, responses: off }").unwrap().api.unwrap().responses, OnResponse::Off);
    let graphql = route("graphql: { depth: 8, aliases: 0, introspection: true }").unwrap().graphql.unwrap();
    assert_eq!(graphql, GraphqlLimits { depth: 8, aliases: 0, introspection: true, ..GraphqlLimits::default() });
    assert_eq!(route("limits: [{ rate: 1/s }]").unwrap().graphql, None);
}

/// A service that speaks `protocol` and says `api`.
fn service(protocol: &str, api: &str, more: &str) -> String {
    format!(
        "fleet: bank
trust_domain: bank.example
services:
  a: {{ listen: \"127.0.0.1:7001\", protocol: http, owner: o, calls: [b] }}
  b: {{ listen: \"127.0.0.1:7002\", protocol: {protocol}, owner: o, {api} }}
{more}"
    )
}

#[test]
fn a_service_has_a_document_where_its_guard_sees_requests_that_one_can_describe() {
    let told = |text: &str| parse(text, "fleet.yaml").map(drop).unwrap_err().to_string();
    for (protocol, more, expected) in [
        ("tcp", "", "requests are looked at, and with `protocol: tcp` a guard may see bytes alone"),
        ("auto", "", "with `protocol: auto` a guard may see bytes alone"),
        ("grpc", "", "it speaks grpc, and a document of OpenAPI describes JSON and forms"),
        ("http", "guards: [a]", "`b` has no guard (`guards`), so nobody looks at its calls"),
    ] {
        let error = told(&service(protocol, "api: pay.yaml", more));
        assert!(error.contains(expected), "{protocol}: {error}");
        assert!(error.contains("services.b.api"), "{error}");
    }
    let fleet = parse(&service("http", "api: { document: pay.yaml, responses: stop }", ""), "fleet.yaml").unwrap();
    let b = fleet.services.iter().find(|(name, _)| name.as_str() == "b").unwrap().1;
    assert_eq!(b.api.as_ref().unwrap().responses, OnResponse::Stop);
}
