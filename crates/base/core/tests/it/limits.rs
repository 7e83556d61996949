//! Limits in the fleet file: what is taken, what is refused, and in which words.

use bartizan_core::fleet::{FleetErrors, parse};
use bartizan_core::limit::{Limit, Measure, Per};

/// A service `a` and a gateway with a route to it that says `limits`, in line 9.
fn at_route(limits: &str) -> String {
    at_route_with("", limits)
}

fn at_route_with(more: &str, limits: &str) -> String {
    format!(
        "fleet: bank
trust_domain: bank.example
services:
  a: {{ listen: \"127.0.0.1:7001\", protocol: http, owner: o }}
gateway:
  listen: 127.0.0.1:8443
  routes:
    - path: /**
      limits: [{limits}]
      to: a
{more}"
    )
}

fn at_service(protocol: &str, limits: &str) -> String {
    format!(
        "fleet: bank
trust_domain: bank.example
services:
  a: {{ listen: \"127.0.0.1:7001\", protocol: http, owner: o, calls: [b] }}
  b:
    owner: o
    listen: 127.0.0.1:7002
    protocol: {protocol}
    limits: [{limits}]
"
    )
}

const USERS: &str = "      auth: user
users:
  audience: https://api.test
  issuers: [{ issuer: \"https://login.test\", keys: login.jwks }]
";

fn told(text: &str) -> String {
    parse(text, "f").map_or_else(|errors: FleetErrors| errors.to_string(), |_| "no error".to_owned())
}

fn limits(text: &str) -> Vec<Limit> {
    let fleet = parse(text, "f").unwrap_or_else(|errors| panic!("{errors}"));
    let gateway = fleet.gateway.into_iter().flat_map(|gateway| gateway.routes).flat_map(|route| route.limits);
    gateway.chain(fleet.services.into_values().flat_map(|service| service.limits)).collect()
}

#[test]
fn refuses_limits_that_limit_nothing_or_cannot_be_read() {
    for (limit, report) in [
        (
            "{ per: [address] }",
            "f:9:16: gateway.routes[0].limits[0]: it limits nothing; give one of `rate: 100/s`, `quota: 10000/d`, `concurrency: 50`, and a limit of its own for each further one",
        ),
        (
            "{ rate: 1/s, quota: 5/d }",
            "f:9:16: gateway.routes[0].limits[0]: it limits several things at once; give one of `rate: 100/s`, `quota: 10000/d`, `concurrency: 50`, and a limit of its own for each further one",
        ),
        (
            "{ rate: 0/s }",
            "f:9:24: gateway.routes[0].limits[0].rate = `0/s`: not a whole number up to 1000000000 in a time, which is one of `/s`, `/min`, `/h`, `/d`; write it as `100/s`",
        ),
        (
            "{ rate: 1.5/s }",
            "f:9:24: gateway.routes[0].limits[0].rate = `1.5/s`: not a whole number up to 1000000000 in a time, which is one of `/s`, `/min`, `/h`, `/d`; write it as `100/s`",
        ),
        (
            "{ rate: 5/week }",
            "f:9:24: gateway.routes[0].limits[0].rate = `5/week`: not a whole number up to 1000000000 in a time, which is one of `/s`, `/min`, `/h`, `/d`; write it as `100/s`",
        ),
        (
            "{ quota: 5/s }",
            "f:9:25: gateway.routes[0].limits[0].quota = `5/s`: not a whole number up to 1000000000 in a time, which is one of `/h`, `/d`; write it as `10000/d`",
        ),
        (
            "{ concurrency: 0 }",
            "f:9:31: gateway.routes[0].limits[0].concurrency = `0`: not a whole number from 1 to 1000000000; delete the line for the default",
        ),
        (
            "{ quota: 5/d, burst: 3 }",
            "f:9:37: gateway.routes[0].limits[0].burst = `3`: a burst is of a `rate`; give `rate`, or delete the line",
        ),
        (
            "{ rate: 1/d, burst: 400 }",
            "f:9:36: gateway.routes[0].limits[0].burst = `400`: a burst of that rate takes more than a year to come back; make it smaller, or the rate larger",
        ),
        (
            "{ rate: 5/s, cost: { POST: 6 } }",
            "f:9:43: gateway.routes[0].limits[0].cost.POST = `6`: not a whole number from 0 to 5, the most that may come at once; such a request would never be let through",
        ),
        (
            "{ rate: 5/s, cost: { post: 2 } }",
            "f:9:37: gateway.routes[0].limits[0].cost.post: no method of a request; known are GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE",
        ),
        (
            "{ concurrency: 5, cost: { POST: 2 } }",
            "f:9:40: gateway.routes[0].limits[0].cost: a request that is under way counts once, whatever it is; delete the line",
        ),
        (
            "{ rate: 5/s, name: \"Two words\" }",
            "f:9:35: gateway.routes[0].limits[0].name = `Two words`: not a name: 1 to 63 of a-z, 0-9 and `-`; such as `per-client`",
        ),
        (
            "{ rate: 5/s }, { rate: 10/min }",
            "f:9:31: gateway.routes[0].limits[1]: there is a limit `rate` already, in line 9; give it another `name`",
        ),
        ("", "f:9:15: gateway.routes[0].limits: there have to be 1 to 16 limits; name one, or delete the line"),
    ] {
        assert_eq!(told(&at_route(limit)), report, "{limit}");
    }
}

#[test]
fn refuses_counts_for_each_of_what_is_not_known_there() {
    for (text, report) in [
        (
            at_route("{ rate: 5/s, per: [user] }"),
            "f:9:35: gateway.routes[0].limits[0].per[0] = `user`: the route lets in everybody, so no user is known; write `auth: user` at the route, or use `client`",
        ),
        (
            at_route("{ rate: 5/s, per: [tenant] }"),
            "f:9:35: gateway.routes[0].limits[0].per[0] = `tenant`: the route lets in everybody, so no user is known; write `auth: user` at the route, or use `client`",
        ),
        (
            at_route("{ rate: 5/s, per: [caller] }"),
            "f:9:35: gateway.routes[0].limits[0].per[0] = `caller`: the route asks nobody for a certificate; write `from:` at the route, or use `client`",
        ),
        (
            at_route("{ rate: 5/s, per: [clint] }"),
            "f:9:35: gateway.routes[0].limits[0].per[0] = `clint`: nothing that requests can be told apart by; did you mean `client`? known are client, caller, user, tenant, key, route, address",
        ),
        (
            at_route("{ rate: 5/s, per: [client, client] }"),
            "f:9:43: gateway.routes[0].limits[0].per[1] = `client`: named twice; delete one",
        ),
        (
            at_service("http", "{ rate: 5/s, per: [user] }"),
            "f:9:33: services.b.limits[0].per[0] = `user`: no route of the gateway asks for a user, so none is known; write `auth: user` at one, or use `caller`",
        ),
        (
            at_service("http", "{ rate: 5/s, per: [address] }"),
            "f:9:33: services.b.limits[0].per[0] = `address`: calls come from the addresses of guards; use `caller`, or limit addresses at the gateway",
        ),
        (
            at_service("tcp", "{ rate: 5/s }"),
            "f:9:13: services.b.limits: requests are counted, and with `protocol: tcp` a guard may see bytes alone; say `protocol: http` or `grpc`, or delete the limits",
        ),
        (
            at_service("auto", "{ rate: 5/s }"),
            "f:9:13: services.b.limits: requests are counted, and with `protocol: auto` a guard may see bytes alone; say `protocol: http` or `grpc`, or delete the limits",
        ),
        (
            at_service("http", "{ rate: 5/s }") + "guards: [a]\n",
            "f:9:13: services.b.limits: `b` has no guard (`guards`), so nobody counts its calls; name the service under `guards`, or delete the line",
        ),
    ] {
        let all = told(&text);
        assert!(all.lines().any(|line| line == report), "{all}\n{report}");
    }
}

#[test]
fn adaptive_is_true_or_false() {
    let with = |word: &str| at_route("{ rate: 5/s }").replace("  routes:", &format!("  adaptive: {word}\n  routes:"));
    let report = "f:7:13: gateway.adaptive = `yes`: neither true nor false; delete the line for: no";
    assert_eq!(told(&with("\"yes\"")), report);
    let adaptive = |text: &str| parse(text, "f").unwrap().gateway.unwrap().adaptive;
    assert!(adaptive(&with("true")) && !adaptive(&with("false")) && !adaptive(&at_route("{ rate: 5/s }")));
}

#[test]
fn takes_what_is_declared_and_fills_in_the_rest() {
    let read = limits(&at_route_with(
        USERS,
        "{ rate: 100/s, burst: 200, per: [tenant, user], cost: { POST: 5, GET: 0 } }, { quota: 10000/d, per: [client] }, { concurrency: 8, name: all }",
    ));
    let costs = [("GET".into(), 0), ("POST".into(), 5)].into();
    let rate = Measure::Rate { count: 100, period_s: 1, burst: 200 };
    assert_eq!(
        read,
        [
            Limit {
                name: "user-tenant-rate".into(),
                per: vec![Per::User, Per::Tenant],
                measure: rate,
                cost: costs,
                shared: false
            },
            Limit {
                name: "client-quota".into(),
                per: vec![Per::Client],
                measure: Measure::Quota { count: 10_000, window_s: 24 * 3600 },
                cost: Default::default(),
                shared: false,
            },
            Limit {
                name: "all".into(),
                per: vec![],
                measure: Measure::Concurrency { most: 8 },
                cost: Default::default(),
                shared: false,
            },
        ]
    );
    let read = limits(&at_service("grpc", "{ rate: 30/min, per: [caller, route] }"));
    assert_eq!(read[0].measure, Measure::Rate { count: 30, period_s: 60, burst: 30 });
    assert_eq!(read[0].to_string(), "30/min, 30 at once for each caller and route");
}

#[test]
fn refuses_to_share_what_cannot_be_shared() {
    let route = |limit: &str, counts: &str| told(&at_route_with(counts, limit));
    let rate = "{ rate: 10/s, shared: true }";
    for (told, report) in [
        (
            route(rate, ""),
            "f:9:38: gateway.routes[0].limits[0].shared = `true`: the fleet file does not say where shared counts lie; name a Redis under `counts`, such as `counts: { redis: \"127.0.0.1:6379\" }`",
        ),
        (
            route("{ concurrency: 5, shared: true }", "counts: { redis: \"127.0.0.1:6379\" }"),
            "f:9:42: gateway.routes[0].limits[0].shared = `true`: what is under way is counted by each guard alone; delete the line, or limit a `rate`",
        ),
        (
            route("{ rate: 10/s, shared: yes }", "counts: { redis: \"127.0.0.1:6379\" }"),
            "f:9:38: gateway.routes[0].limits[0].shared = `yes`: neither true nor false; delete the line for: no",
        ),
        (route(rate, "counts: {}"), "f:11:9: counts.redis: is missing; say where it listens, such as `127.0.0.1:6379`"),
        (
            route(rate, "counts: { redis: here }"),
            "f:11:18: counts.redis = `here`: not a host and a port; say where it listens, such as `127.0.0.1:6379`",
        ),
        (
            route(rate, "counts: { redis: \"redis.bank.example:6379\", password_file: p }"),
            "f:11:18: counts.redis = `redis.bank.example:6379`: counts and password would go over the network in plain; name its `roots`, so that it is spoken to over TLS, or use one on this machine",
        ),
        (
            route(rate, "counts: { redis: \"127.0.0.1:6379\", away: locl }"),
            "f:11:42: counts.away = `locl`: nothing that guards could do while it is away; did you mean `local`? write `local` or `refuse`",
        ),
    ] {
        assert_eq!(told, report);
    }
    for counts in ["{ redis: \"[::1]:6379\" }", "{ redis: \"redis.bank.example:6380\", roots: ca.pem, away: refuse }"] {
        assert!(limits(&at_route_with(&format!("counts: {counts}"), rate))[0].shared, "{counts}");
    }
}
