//! What the fleet file says of senders of signed events.

use bartizan_core::fleet::{Auth, parse};
use bartizan_core::signed::Scheme;

/// A service and a gateway with `senders` in line 8 and one route with `keys`.
fn file(senders: &str, keys: &str) -> String {
    format!(
        "fleet: f\ntrust_domain: f.test\nservices:\n  a: {{at: \"127.0.0.1:7001\", protocol: http, owner: o}}\n\ngateway:\n  \
         listen: 127.0.0.1:8443\n  senders: {senders}\n  routes: [{{path: /, to: a, {keys}}}]\n"
    )
}

const GOOD: &str = "{hub: {scheme: github, secret_file: hub}, bill: {scheme: standard, secret_file: s/bill, tolerance: 2min}, p: {scheme: http-signatures, keys_file: p.jwks}}";

#[test]
fn refuses_what_makes_no_sense_or_could_not_be_enforced() {
    for (senders, keys, said) in [
        ("{}", "events: [hub]", "gateway.senders: there have to be 1 to 64; name one, or delete the line"),
        (
            "{hub: {secret_file: hub}}",
            "auth: none",
            "gateway.senders.hub.scheme: is missing; choose among standard, github, stripe, slack, http-signatures",
        ),
        ("{hub: {scheme: githab, secret_file: hub}}", "auth: none", "not a way to sign events; did you mean `github`?"),
        ("{Hub: {scheme: github, secret_file: hub}}", "auth: none", "not a name"),
        ("{hub: {scheme: github}}", "auth: none", "gateway.senders.hub.secret_file: is missing; name the file"),
        (
            "{hub: {scheme: github, keys_file: hub}}",
            "auth: none",
            "gateway.senders.hub.keys_file: cannot be used with this scheme; write `secret_file`",
        ),
        (
            "{p: {scheme: http-signatures, secret_file: p}}",
            "auth: none",
            "gateway.senders.p.secret_file: cannot be used with this scheme; write `keys_file`",
        ),
        (
            "{hub: {scheme: github, secret_file: hub, tolerance: 1min}}",
            "auth: none",
            "do not say when they were signed, so this could not be enforced",
        ),
        (
            "{b: {scheme: stripe, secret_file: b, tolerance: 16min}}",
            "auth: none",
            "not a time from 10s to 15min; write it as `2min` or `90s`",
        ),
        ("{b: {scheme: stripe, secret_file: b, tolerance: 9s}}", "auth: none", "not a time from 10s to 15min"),
        ("{b: {scheme: stripe, secret_file: b, tolerance: 5h}}", "auth: none", "not a time from 10s to 15min"),
        (
            "{b: {scheme: stripe, secret_file: x}, c: {scheme: slack, secret_file: x}}",
            "auth: none",
            "`b` signs by the same file, so nobody could tell which of them sent something",
        ),
        (GOOD, "events: [hubb]", "no such sender; did you mean `hub`?"),
        (GOOD, "events: []", "gateway.routes[0].events: there have to be 1 to 8"),
        (GOOD, "events: [hub, hub]", "named twice; delete one"),
        (
            GOOD,
            "events: [hub], auth: key",
            "gateway.routes[0].auth: the route takes signed events, and nothing else; delete the line, or `events`",
        ),
        (GOOD, "events: [hub], scopes: [a]", "scopes are of users and keys, and the route takes signed events"),
        (GOOD, "event_bytes_max: 5", "there are no `events` here"),
        (GOOD, "events: [hub], event_bytes_max: 0", "not a whole number from 1 to 8388608"),
        (GOOD, "events: [hub], event_bytes_max: 8388609", "not a whole number from 1 to 8388608"),
    ] {
        let errors = parse(&file(senders, keys), "fleet.yaml").expect_err(said).to_string();
        assert!(errors.contains(said), "{senders} {keys}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{senders} {keys}: {errors}");
    }
}

#[test]
fn senders_come_in_by_the_routes_that_name_them() {
    let fleet = parse(
        &file(GOOD, "events: [hub, bill], event_bytes_max: 4096, limits: [{per: [user], rate: 5/s}]"),
        "fleet.yaml",
    );
    let gateway = fleet.unwrap().gateway.unwrap();
    let senders: Vec<_> =
        gateway.senders.iter().map(|(name, it)| (name.as_str(), it.scheme, &*it.file, it.tolerance_s)).collect();
    assert_eq!(
        senders,
        [
            ("bill", Scheme::Standard, "s/bill", 120),
            ("hub", Scheme::Github, "hub", 300),
            ("p", Scheme::HttpSignatures, "p.jwks", 300)
        ]
    );
    let route = &gateway.routes[0];
    let rule = route.events.as_ref().unwrap();
    assert_eq!(
        (rule.from.iter().map(|name| name.as_str()).collect::<Vec<_>>(), rule.bytes_max),
        (vec!["hub", "bill"], 4096)
    );
    assert_eq!(route.auth, Auth::Event);
    assert!(
        !route.auth.is_none() && !route.auth.takes_key() && !route.auth.takes_user() && route.auth.is_vouched_here()
    );
}
