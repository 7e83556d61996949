//! Queries that are too much, or none; then those that are not.

use super::*;
use proptest::prelude::*;

const LIMITS: GraphqlLimits = GraphqlLimits { depth: 4, aliases: 3, cost: 50, introspection: false, batch: 2 };

fn check(query: &str) -> Result<Measure, String> {
    super::check(Carried::Plain(query.as_bytes()), &LIMITS).map_err(|refusal| refusal.0)
}

fn json(body: &str) -> Result<Measure, String> {
    super::check(Carried::Json(body.as_bytes()), &LIMITS).map_err(|refusal| refusal.0)
}

#[test]
fn refuses_what_is_too_much() {
    for (query, why) in [
        ("{a{b{c{d{e}}}}}", "5 fields deep, and may be 4"),
        ("{...F} fragment F on T {a{b{c{d{e}}}}}", "5 fields deep"),
        ("{a:x b:x c:x d:x}", "4 aliases, and may have 3"),
        ("{...F ...F} fragment F on T {a:x b:x}", "4 aliases"),
        ("{users(first: 100) {name}}", "costs 101, and may cost 50"),
        ("{a(first: 8) {b(last: 8) {c}}}", "costs 73"),
        ("query($n: Int = 60) {a(limit: $n) {b}}", "costs 61"),
        ("{a(first: 99999999999999999999) {b}}", "costs"),
        ("{__schema {types {name}}}", "introspection is switched off"),
        ("{a {...F}} fragment F on T {__type(name: \"x\") {name}}", "introspection is switched off"),
        ("{x: __schema {y}}", "introspection is switched off"),
    ] {
        let found = check(query).unwrap_err();
        assert!(found.contains(why), "{query}: {found}");
    }
    let doubling: String = (0..40).map(|i| format!("fragment F{i} on T {{a {{...F{0} ...F{0}}}}} ", i + 1)).collect();
    let found = check(&format!("{{...F0}} {doubling} fragment F40 on T {{x}}")).unwrap_err();
    assert!(found.contains("fields deep"), "{found}");
}

#[test]
fn refuses_what_cannot_be_measured() {
    for (query, why) in [
        ("", "no operation"),
        ("fragment F on T {a}", "no operation"),
        ("{...F} fragment F on T {a {...F}}", "leads back to itself"),
        ("{...A} fragment A on T {...B} fragment B on T {...A}", "leads back to itself"),
        ("{...F}", "not there"),
        ("{a} {b}", "a name of its own"),
        ("query A {a} query A {b}", "a name of its own"),
        ("{...F} fragment F on T {a} fragment F on T {b}", "two fragments have one name"),
        ("{}", "nothing between"),
        ("{a", "a name is missing"),
        ("{a(b)}", "`:` is missing"),
        ("{a(b:)}", "a value is missing"),
        ("type T {a: Int}", "an operation or a fragment is expected"),
        ("{a(b: \"x)}", "without its end"),
        ("{a(b: \"\\x\")}", "escape"),
        ("{a(b: 01)}", "a number that is none"),
        ("{a(b: 1x)}", "a number that is none"),
        ("{a;b}", "means nothing"),
        ("{ä}", "means nothing"),
    ] {
        let found = check(query).unwrap_err();
        assert!(found.contains(why), "{query}: {found}");
    }
    let deep = format!("{}x{}", "{a".repeat(100), "}".repeat(100));
    assert!(check(&deep).unwrap_err().contains("nested too deep"));
    let deep = format!("{{a(b: {}1{})}}", "[".repeat(100), "]".repeat(100));
    assert!(check(&deep).unwrap_err().contains("nested too deep"));
    assert!(check(&"a ".repeat(20_000)).unwrap_err().contains("too many tokens"));
}

#[test]
fn refuses_bodies_that_hide_a_query_or_bring_too_many() {
    assert!(json("{").unwrap_err().contains("not JSON"));
    assert!(json(r#"{"query": 5}"#).unwrap_err().contains("no `query`"));
    assert!(
        json(r#"{"extensions": {"persistedQuery": {"sha256Hash": "x"}}}"#).unwrap_err().contains("by its hash alone")
    );
    assert!(json(r#"{"query": "{a}", "query": "{__schema{x}}"}"#).unwrap_err().contains("not JSON"));
    assert!(json(r#"[{"query":"{a}"},{"query":"{a}"},{"query":"{a}"}]"#).unwrap_err().contains("3 requests in one"));
    assert!(json("[]").unwrap_err().contains("0 requests in one"));
    assert!(
        json(r#"{"query": "query($n:Int){a(first:$n){b}}", "variables": {"n": 200}}"#)
            .unwrap_err()
            .contains("costs 201")
    );
    let half = r#"{"query": "{a(first:30){b}}"}"#;
    assert!(json(&format!("[{half},{half}]")).unwrap_err().contains("costs 62"), "together no more than one");
    assert!(json(&format!("[{half}]")).is_ok());
}

#[test]
fn refuses_urls_that_hide_a_query() {
    let url = |query: &str| super::check(Carried::Url(query), &LIMITS).map_err(|refusal| refusal.0);
    assert!(url("x=1").unwrap_err().contains("no `query`"));
    assert!(url("query={a}&query={__schema{x}}").unwrap_err().contains("twice"));
    assert!(url("quer%79=%7B__schema%7Bx%7D%7D").unwrap_err().contains("introspection"));
    assert!(url("query=query($n:Int){a(first:$n){b}}&variables={\"n\":300}").unwrap_err().contains("costs 301"));
    assert_eq!(url("query=%7Ba+b%7D&variables=").unwrap().cost, 2);
}

#[test]
fn measures_what_people_write() {
    let query = r#"
        # all of it
        query Orders($n: Int! = 5, $tags: [String!] = ["a"]) @live {
          orders(first: $n, filter: {state: OPEN, tags: $tags, note: """a "quoted" \""" text"""}) {
            ... on Order @include(if: true) { id, total { ...Money } }
            other: lines(last: 2) { __typename sku }
          }
        }
        fragment Money on Money { amount currency }
    "#;
    let measure = check(query).unwrap();
    assert_eq!(measure, Measure { depth: 3, aliases: 1, cost: 1 + 5 * (1 + 1 + 2 + 1 + 2 * 2) });
    assert_eq!(check("mutation {pay}").unwrap().cost, 1);
}

proptest! {
    /// A fragment in place of what it holds changes nothing.
    #[test]
    fn fragments_count_as_what_they_hold(inner in "[a-c]( [a-c]){0,3}", times in 1_usize..4) {
        let limits = GraphqlLimits { depth: 100, aliases: 100, cost: 10_000, introspection: true, batch: 1 };
        let plain = format!("{{{}}}", format!("x {{{inner}}} ").repeat(times));
        let with = format!("{{{}}} fragment F on T {{x {{{inner}}}}}", "...F ".repeat(times));
        let of = |query: &str| super::check(Carried::Plain(query.as_bytes()), &limits).unwrap();
        prop_assert_eq!(of(&plain), of(&with));
    }

    #[test]
    fn any_text_has_a_verdict(query in "[{}()\\[\\]:!$@|&.\"\\\\# a-cqf_0-9-]{0,60}") {
        let _ = check(&query);
    }
}
