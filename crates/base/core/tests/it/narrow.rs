//! Narrowing in the fleet file: what is taken, what is refused, and in which words.

use bartizan_core::fleet::parse;
use bartizan_core::narrow::Narrow;

const USERS: &str = "users:
  audience: https://api.test
  issuers: [{ issuer: \"https://login.test\", keys: login.jwks }]
gateway:
  listen: 127.0.0.1:8443
  routes: [{ path: /**, to: a, auth: user }]
";

fn fleet(protocol: &str, narrow: &str, more: &str) -> String {
    format!(
        "fleet: bank
trust_domain: bank.example
services:
  a: {{ listen: \"127.0.0.1:7001\", protocol: http, owner: o, calls: [{{ to: b, narrow: {narrow} }}] }}
  b: {{ listen: \"127.0.0.1:7002\", protocol: {protocol}, owner: o }}
{more}"
    )
}

#[test]
fn refuses_what_narrows_nothing_or_could_not_be_narrowed() {
    for (protocol, narrow, more, expected) in [
        ("http", "{}", USERS, "services.a.calls[0].narrow: it narrows nothing"),
        ("http", "[pay]", USERS, "expected a map"),
        ("http", "{ scope: [pay] }", USERS, "unknown key; did you mean `scopes`? known here: scopes, life"),
        ("http", "{ scopes: ['a b'] }", USERS, "not a scope"),
        ("http", "{ life: 500ms }", USERS, "not a time from 1s to 60s"),
        ("http", "{ life: 2min }", USERS, "not a time from 1s to 60s"),
        ("tcp", "{ scopes: [pay] }", USERS, "the callee speaks tcp"),
        ("http", "{ scopes: [pay] }", "", "no route of the gateway asks for a user"),
        (
            "http",
            "{ scopes: [pay] }",
            &format!("{USERS}guards: [b]\n"),
            "`a` has no guard (`guards`), so nobody narrows what it hands on",
        ),
    ] {
        let error = parse(&fleet(protocol, narrow, more), "f").map(drop).unwrap_err().to_string();
        assert!(error.contains(expected), "{narrow}: {error}");
    }
}

#[test]
fn takes_scopes_none_of_them_and_a_nearer_end() {
    for (narrow, scopes, life_s) in [
        ("{ scopes: [pay, \"accounts:read\"] }", Some(vec!["pay", "accounts:read"]), None),
        ("{ scopes: [] }", Some(vec![]), None),
        ("{ life: 5s }", None, Some(5)),
    ] {
        let read = parse(&fleet("http", narrow, USERS), "f").unwrap_or_else(|errors| panic!("{narrow}: {errors}"));
        let a = read.services.iter().find(|(name, _)| name.as_str() == "a").unwrap().1;
        let scopes = scopes.map(|all| all.into_iter().map(str::to_owned).collect());
        assert_eq!(a.calls[0].narrow, Some(Narrow { scopes, life_s }), "{narrow}");
    }
}
