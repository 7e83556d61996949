//! Limits together: who shares a count with whom, and that a refusal takes nothing.

use super::*;
use bartizan_core::limit::{Limit, Measure, Per};
use bartizan_core::user::User;
use std::net::IpAddr;

const NOW: Now = Now { steady_ns: 1_000_000_000, utc_s: 1_000_000 };

fn limit(name: &str, per: &[Per], measure: Measure) -> Limit {
    Limit { name: name.into(), per: per.to_vec(), measure, cost: Default::default(), shared: false }
}

fn rate(count: u32, burst: u32) -> Measure {
    Measure::Rate { count, period_s: 1, burst }
}

fn user(subject: &str, tenant: Option<&str>) -> User {
    User { issuer: "i".into(), subject: subject.into(), tenant: tenant.map(str::to_owned), ..User::default() }
}

fn asked<'a>(caller: Option<&'a str>, user: Option<&'a User>, address: &str) -> Asked<'a> {
    Asked { caller, user, address: address.parse::<IpAddr>().unwrap(), route: None, method: "GET" }
}

/// How many of three requests of each go through where one is let through for each count.
fn passed(per: &[Per], who: &[Asked<'_>]) -> usize {
    let rule = Rule::new(limit("x", per, rate(1, 1)), "", NOW);
    who.iter().cycle().take(3 * who.len()).filter(|asked| rule.take(asked, NOW).0.passed).count()
}

#[test]
fn who_shares_a_count_with_whom() {
    let (alice, bob, carol) = (user("alice", Some("t")), user("bob", Some("t")), user("carol", None));
    let all = [
        asked(None, Some(&alice), "1.1.1.1"),
        asked(None, Some(&bob), "1.1.1.1"),
        asked(None, Some(&carol), "1.1.1.2"),
        asked(Some("report"), None, "1.1.1.1"),
        asked(None, None, "1.1.1.1"),
        asked(None, None, "1.1.1.2"),
        asked(None, None, "2001:db8:1:2::1"),
        asked(None, None, "2001:db8:1:2:ffff::"),
        asked(None, None, "2001:db8:1:3::1"),
        asked(None, None, "::ffff:1.1.1.1"),
    ];
    assert_eq!(passed(&[], &all), 1, "all together");
    assert_eq!(passed(&[Per::Address], &all), 4, "two of IPv4, two networks of IPv6");
    assert_eq!(passed(&[Per::User], &all), 4, "three, and those who are nobody");
    assert_eq!(passed(&[Per::Tenant], &all), 3, "one, those without, and those who are nobody");
    assert_eq!(passed(&[Per::Caller], &all), 2);
    assert_eq!(passed(&[Per::Client], &all), 3 + 1 + 4);
    assert_eq!(passed(&[Per::Caller, Per::Address], &all), 5);
    let namesake = user("report", None);
    let same = [asked(Some("report"), None, "1.1.1.1"), asked(None, Some(&namesake), "1.1.1.1")];
    assert_eq!(passed(&[Per::Client], &same), 2, "a user is no caller of the same name");
}

#[test]
fn what_a_later_limit_refuses_costs_nothing_at_an_earlier_one() {
    let mut directory = directory();
    let of = |limits: Vec<Limit>, directory: &mut bartizan_core::snapshot::Directory| {
        directory.own.inbound.as_mut().unwrap().limits = limits;
        Limits::of(directory, &Limits::default(), NOW)
    };
    let (wide, narrow) = (limit("wide", &[], rate(1, 3)), limit("narrow", &[Per::Caller], rate(1, 1)));
    let limits = of(vec![wide, narrow], &mut directory);
    let (a, b, c) = (asked(Some("a"), None, "::1"), asked(Some("b"), None, "::1"), asked(Some("c"), None, "::1"));
    let take = |asked: &Asked<'_>| limits.service().unwrap().take(asked, NOW);
    assert!(take(&a).is_ok());
    for _ in 0..20 {
        let refused = take(&a).unwrap_err();
        assert_eq!((&*refused.rule.limit.name, refused.wait_s), ("narrow", 1));
    }
    assert!(take(&b).is_ok() && take(&c).is_ok(), "what `a` was refused is there for the others");
    assert_eq!(&*take(&asked(Some("d"), None, "::1")).unwrap_err().rule.limit.name, "wide");
    let stats = limits.stats();
    assert_eq!((stats["wide"].refused, stats["narrow"].refused), (1, 20));
}

#[test]
fn a_limit_that_stays_as_it_was_goes_on_with_what_was_used() {
    let mut directory = directory();
    let a = asked(Some("a"), None, "::1");
    let is_ok = |limits: &Limits| limits.service().unwrap().take(&a, NOW).is_ok();
    directory.own.inbound.as_mut().unwrap().limits = vec![limit("x", &[], rate(1, 1))];
    let before = Limits::of(&directory, &Limits::default(), NOW);
    assert!(is_ok(&before));
    let same = Limits::of(&directory, &before, NOW);
    assert!(!is_ok(&same));
    directory.own.inbound.as_mut().unwrap().limits = vec![limit("x", &[], rate(2, 1))];
    assert!(is_ok(&Limits::of(&directory, &same, NOW)), "another number begins anew");
}

#[test]
fn a_request_costs_what_its_method_costs() {
    let costly = Limit { cost: [("POST".into(), 5), ("OPTIONS".into(), 0)].into(), ..limit("x", &[], rate(1, 6)) };
    let rule = Rule::new(costly, "", NOW);
    let take = |method| rule.take(&Asked { method, ..asked(None, None, "::1") }, NOW).0;
    assert_eq!((take("POST").left, take("OPTIONS").left), (1, 1));
    assert!(!take("POST").passed);
    assert!(take("GET").passed);
    assert!(!take("GET").passed && take("OPTIONS").passed);
}

fn directory() -> bartizan_core::snapshot::Directory {
    let json = serde_json::json!({
        "fleet": "test", "mode": "full", "trust": { "grace_s": 0, "silence_s": 60 }, "peers": {},
        "own": {
            "name": "api", "id": "spiffe://test/svc/api", "outbound": {}, "gateway": null,
            "inbound": { "mesh": "127.0.0.1:1", "program": "127.0.0.1:2", "protocol": "http", "routes": [] },
        },
    });
    serde_json::from_value(json).unwrap()
}
