//! What a fleet file says of destinations outside: what is taken, what is refused, and in which words.

use bartizan_core::ServiceName;
use bartizan_core::egress::{Destination, Egress, HostName, Outside, Range, Refusal, Seen, suggestion};
use bartizan_core::fleet::{ServiceEgress, parse};

/// One service; `egress` stands in line 6 and below, behind four spaces.
fn file(egress: &str) -> String {
    format!("fleet: f\ntrust_domain: f.test\nservices:\n  a:\n    at: 127.0.0.1:7001\n{egress}")
}

fn read(egress: &str) -> Option<ServiceEgress> {
    let fleet = parse(&file(egress), "f.yaml").unwrap();
    fleet.services[&ServiceName::parse("a").unwrap()].egress.clone()
}

fn refused(egress: &str) -> String {
    parse(&file(egress), "f.yaml").expect_err(egress).to_string()
}

#[test]
fn what_cannot_be_held_to_is_refused_where_it_is_written() {
    for (egress, message) in [
        (
            "    egress: everything\n",
            "f.yaml:6:13: services.a.egress = `everything`: not a list of destinations; write a list of destinations, `learn`, or `[]` for none",
        ),
        (
            "    egress: [\"https://a.test/x\"]\n",
            "f.yaml:6:14: services.a.egress[0] = `https://a.test/x`: not a host: its labels hold 1 to 63 letters, digits, `-` and `_`, with a `.` between two; write the name alone; ports go under `ports`",
        ),
        (
            "    egress: [\"*.com\"]\n",
            "f.yaml:6:14: services.a.egress[0] = `*.com`: not a host: behind `*.` at least two labels are named; such as `api.example.com` or `*.example.com`",
        ),
        (
            "    egress: [127.0.0.1]\n",
            "f.yaml:6:14: services.a.egress[0] = `127.0.0.1`: not a host: it is, or looks like, an address; addresses go under `addresses`, with `protocol: tcp` where there is no name",
        ),
        (
            "    egress: [{ host: a.test, paths: [/v1/**] }]\n",
            "f.yaml:6:37: services.a.egress[0].paths: cannot be enforced: in `https` the guard passes TLS on and sees no request; let the guard speak the TLS with `https_originate: true`, or delete it",
        ),
        (
            "    egress: [{ host: a.test, protocol: http, header: { name: authorization, file: t } }]\n",
            "f.yaml:6:54: services.a.egress[0].header: cannot be enforced: the guard speaks no TLS there; let the guard speak the TLS with `https_originate: true`, or delete it",
        ),
        (
            "    egress: [{ host: a.test, protocol: https, https_originate: true }]\n",
            "f.yaml:6:40: services.a.egress[0].protocol = `https`: with `https_originate` the program speaks plain HTTP with its guard; write `protocol: http`, or delete the line",
        ),
        (
            "    egress: [{ host: \"*.a.test\", https_originate: true, header: { name: authorization, file: t } }]\n",
            "f.yaml:6:14: services.a.egress[0]: a credential for `*.` would go to hosts that nobody named; name each host that may have it",
        ),
        (
            "    egress: [{ host: a.test, https_originate: true, header: { name: Host, file: t } }]\n",
            "f.yaml:6:69: services.a.egress[0].header.name = `Host`: this header says how a request is framed or routed; choose another",
        ),
        (
            "    egress: [{ host: a.test, token: \"https://a.test\" }]\n",
            "f.yaml:6:37: services.a.egress[0].token: cannot be enforced: the guard speaks no TLS there; let the guard speak the TLS with `https_originate: true`, or delete it",
        ),
        (
            "    egress: [{ host: \"*.a.test\", https_originate: true, token: \"https://a.test\" }]\n",
            "f.yaml:6:14: services.a.egress[0]: a credential for `*.` would go to hosts that nobody named; name each host that may have it",
        ),
        (
            "    egress: [{ host: a.test, https_originate: true, token: a }]\n",
            "f.yaml:6:60: services.a.egress[0].token = `a`: this is somebody of this fleet, who would believe whoever got the token outside; use the name by which the other side calls itself",
        ),
        (
            "    egress: [{ host: a.test, https_originate: true, token: { audience: \"spiffe://f.test/svc/a\" } }]\n",
            "f.yaml:6:72: services.a.egress[0].token.audience = `spiffe://f.test/svc/a`: this is somebody of this fleet, who would believe whoever got the token outside; use the name by which the other side calls itself",
        ),
        (
            "    egress: [{ host: a.test, https_originate: true, token: \"a b\" }]\n",
            "f.yaml:6:60: services.a.egress[0].token = `a b`: not an audience: 1 to 512 visible characters of ASCII; such as `https://api.partner.example`",
        ),
        (
            "    egress: [{ host: a.test, https_originate: true, token: { header: x } }]\n",
            "f.yaml:6:60: services.a.egress[0].token.audience: is missing; say who is to believe the token, such as `https://api.partner.example`",
        ),
        (
            "    egress: [{ host: a.test, https_originate: true, token: { audience: p, header: Host } }]\n",
            "f.yaml:6:83: services.a.egress[0].token.header = `Host`: this header says how a request is framed or routed; choose another",
        ),
        (
            "    egress: [{ host: a.test, https_originate: true, token: { audience: p, life: 59s } }]\n",
            "f.yaml:6:81: services.a.egress[0].token.life = `59s`: not a time from 1m to 1h; write it as `5m`",
        ),
        (
            "    egress: [{ host: a.test, https_originate: true, token: { audience: p, life: 61m } }]\n",
            "f.yaml:6:81: services.a.egress[0].token.life = `61m`: not a time from 1m to 1h; write it as `5m`",
        ),
        (
            "    egress: [{ host: a.test, https_originate: true, token: p, header: { name: Authorization, file: t } }]\n",
            "f.yaml:6:60: services.a.egress[0].token: `header` says what stands in `authorization` already; choose one of the two, or another header for the token",
        ),
        (
            "    egress: [{ host: db.test, protocol: tcp, ports: [5432] }]\n",
            "f.yaml:6:14: services.a.egress[0]: in `tcp` there is nothing to check a name by; name its `addresses`; where it speaks TLS, `protocol: https` goes by the name",
        ),
        (
            "    egress: [{ protocol: tcp, addresses: [203.0.113.7] }]\n",
            "f.yaml:6:14: services.a.egress[0]: in `tcp` no port goes without saying; name its `ports`",
        ),
        (
            "    egress: [{ addresses: [203.0.113.7] }]\n",
            "f.yaml:6:14: services.a.egress[0]: a destination in `https` has a name; name the `host`; addresses alone are for `protocol: tcp`",
        ),
        (
            "    egress: [{ host: a.test, addresses: [0.0.0.0/0] }]\n",
            "f.yaml:6:42: services.a.egress[0].addresses[0] = `0.0.0.0/0`: a range of every address is no range; such as `203.0.113.7` or `10.1.0.0/16`; leave `addresses` out for every outside address",
        ),
        (
            "    egress: [{ host: a.test, ports: [443, 443] }]\n",
            "f.yaml:6:43: services.a.egress[0].ports[1] = `443`: the port is named twice; delete one",
        ),
        (
            "    egress:\n      - a.test\n      - { host: A.test, ports: [8443, 443] }\n",
            "f.yaml:8:9: services.a.egress[1]: `a.test` with port 443 has a rule already, in line 7; make one rule of the two, or name other ports",
        ),
        (
            "    egress: { learn: true }\n",
            "f.yaml:6:13: services.a.egress.to: is missing; list the destinations, or write `to: []` for none",
        ),
        (
            "    egress: { to: [], proxy: 10.0.0.1:3128 }\n",
            "f.yaml:6:30: services.a.egress.proxy = `10.0.0.1:3128`: not a loopback address; only loopback is allowed here, such as `127.0.0.1:3128`",
        ),
        (
            "    egress: { to: [], proxy: 127.0.0.1:7001 }\n",
            "f.yaml:6:30: services.a.egress.proxy = `127.0.0.1:7001`: the address is taken by services.a.at (line 5); give each a port of its own",
        ),
        (
            "    egress: [{ hots: a.test }]\n",
            "f.yaml:6:16: services.a.egress[0].hots: unknown key; did you mean `host`? known here: host, protocol, ports, addresses, methods, paths, https_originate, roots, header, token",
        ),
    ] {
        assert_eq!(refused(egress), message);
    }
}

#[test]
fn a_name_is_https_and_nothing_is_nothing() {
    assert_eq!(read(""), None);
    assert_eq!(read("    egress: []\n").unwrap().rules, Egress::default());
    let learning = read("    egress: learn\n").unwrap().rules;
    assert!(learning.learn && learning.to.is_empty());
    let rules = read("    egress: [api.example.com, { host: \"*.files.example\", ports: [8443] }]\n").unwrap().rules;
    let host = |text| HostName::parse(text).unwrap();
    assert!(rules.named(&host("api.example.com"), 443, &[Outside::Https]).is_ok());
    assert!(rules.named(&host("x.files.example"), 8443, &[Outside::Https]).is_ok());
    assert_eq!(rules.named(&host("x.files.example"), 443, &[Outside::Https]), Err(Refusal::Undeclared));
    let full = "    egress:\n      to: [{ host: p.test, https_originate: true, roots: r.pem, paths: [/v1/**], header: { name: X-Api-Key, file: k } }]\n      learn: true\n      proxy: 127.0.0.1:3128\n      dns: 127.0.0.1:5353\n";
    let full = read(full).unwrap();
    assert_eq!((full.proxy.unwrap().port(), full.dns.unwrap().port(), full.rules.learn), (3128, 5353, true));
    let Destination { protocol, ports, http, .. } = &full.rules.to[0];
    assert_eq!((*protocol, ports.as_slice()), (Outside::Http, &[443][..]));
    assert!(http.admits("GET", "/v1/x") && !http.admits("GET", "/v2/x"));
    assert_eq!(http.originate.as_ref().unwrap().header.as_ref().unwrap().name, "x-api-key");
}

#[test]
fn a_token_is_for_an_audience_and_the_shortest_life_counts() {
    let rules = read(
        "    egress:\n      - { host: p.test, https_originate: true, token: \"https://p.test\" }\n      - { host: q.test, https_originate: true, token: { audience: \"https://p.test\", header: X-Token, life: 1m } }\n      - { host: r.test, https_originate: true, token: { audience: r, life: 1h } }\n",
    );
    let rules = rules.unwrap().rules;
    let said: Vec<_> = rules.tokens().map(|it| (&*it.audience, &*it.header, it.prefix(), it.life_s)).collect();
    let expected = [
        ("https://p.test", "authorization", "Bearer ", 300),
        ("https://p.test", "x-token", "", 60),
        ("r", "authorization", "Bearer ", 3_600),
    ];
    assert_eq!(said, expected);
    assert_eq!((rules.token_life_s("https://p.test"), rules.token_life_s("r")), (Some(60), Some(3_600)));
    assert_eq!((rules.token_life_s("https://q.test"), rules.token_life_s("")), (None, None));
    let many: String =
        (0..17).map(|n| format!("{{ host: p{n}.test, https_originate: true, token: p{n} }}, ")).collect();
    let refused = refused(&format!("    egress: [{many}]\n"));
    assert!(refused.contains("tokens for 17 audiences, more than the 16 of one service"), "{refused}");
}

/// What `bartizan egress suggest` prints is to be pasted.
#[test]
fn a_suggestion_reads_back_as_what_was_meant() {
    let seen = |host: &str, address: &str, port, protocol| Seen {
        host: HostName::parse(host).ok(),
        address: address.parse().ok(),
        port,
        protocol,
    };
    let now = read(
        "    egress: { learn: true, to: [{ host: p.test, https_originate: true, methods: [GET], header: { name: a, file: 'it''s \"k\"', prefix: \"Bearer \" }, token: { audience: 'it''s', life: 90s } }] }\n",
    );
    let all = [
        seen("api.example.com", "1.1.1.1", 443, Outside::Https),
        seen("api.example.com", "1.1.1.1", 8443, Outside::Https),
        seen("inner.example.com", "fd00::7", 443, Outside::Https),
        seen("p.test", "1.1.1.1", 443, Outside::Http),
        seen("u.test", "1.1.1.1", 80, Outside::Http),
        seen("", "192.0.2.7", 5432, Outside::Tcp),
    ];
    let suggested = suggestion(&now.unwrap().rules, &all);
    let read = read(&suggested.to_yaml(4)).unwrap().rules;
    assert_eq!(read, suggested, "{}", suggested.to_yaml(4));
    let pin = Range::parse("fd00::7").unwrap();
    assert!(read.to.iter().any(|rule| rule.addresses == [pin]), "inner addresses have to be named");
    assert!(read.to.iter().any(|rule| rule.http.originate.is_some()), "the credential is still added");
}
