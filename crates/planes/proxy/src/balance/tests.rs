//! The picker as a whole, against time and chance that the tests make.

use super::*;
use bartizan_core::ServiceName;
use bartizan_core::edge::{Edge, Instance, Outlier, Retry, RetryOn, Share};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::time::Duration;

fn callee() -> ServiceName {
    ServiceName::parse("ledger").unwrap()
}

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn instance(port: u16, zone: Option<&str>) -> Instance {
    Instance { mesh: addr(port), zone: zone.map(Box::from), weight: 1 }
}

fn picker(settings: Edge, instances: &[Instance]) -> Picker {
    let mut picker = Picker::default();
    picker.update(Some("a"), [(&callee(), &settings, instances)].into_iter());
    picker
}

fn id(picker: &Picker) -> EdgeId {
    picker.edge(&callee()).unwrap()
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Numbers without a pattern that matters here.
fn random(n: u64) -> u64 {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[test]
fn who_is_not_known_is_refused() {
    let mut empty = picker(Edge::default(), &[]);
    assert_eq!(empty.edge(&ServiceName::parse("other").unwrap()), None);
    let edge = id(&empty);
    assert_eq!(empty.pick(edge, &mut Tried::default(), at(0), 0).unwrap_err(), Refused::Unknown);
    empty.update(None, std::iter::empty());
    assert_eq!(empty.pick(edge, &mut Tried::default(), at(0), 0).unwrap_err(), Refused::Unknown, "it was there before");
    assert!(!empty.may_retry(edge, true, Outcome::Unsent, &Tried::default()));
}

#[test]
fn an_instance_that_is_gone_costs_no_request() {
    let mut picker = picker(Edge::default(), &[instance(1, None), instance(2, None)]);
    let edge = id(&picker);
    let (mut failed, mut to_the_dead) = (0, 0);
    for n in 0..1000u64 {
        let (now, mut tried) = (at(n), Tried::default());
        loop {
            let chance = random(n * 7 + u64::from(tried.count()));
            let pick = picker.pick(edge, &mut tried, now, chance).unwrap();
            let dead = pick.mesh == addr(1);
            to_the_dead += usize::from(dead);
            let outcome = if dead { Outcome::Unsent } else { Outcome::Status(200) };
            picker.ended(pick, outcome, now);
            if !dead {
                break;
            }
            if !picker.may_retry(edge, false, outcome, &tried) {
                failed += 1;
                break;
            }
        }
    }
    assert_eq!((failed, to_the_dead), (0, 5), "five failures in a row, then it gets nothing");
}

#[test]
fn load_goes_to_the_less_loaded_and_what_is_known_outlives_an_update() {
    let mut picker = picker(Edge::default(), &[instance(1, None), instance(2, None)]);
    let edge = id(&picker);
    let picks: Vec<Pick> =
        (0..10).map(|n| picker.pick(edge, &mut Tried::default(), at(0), random(n)).unwrap()).collect();
    assert_eq!(picks.iter().filter(|pick| pick.mesh == addr(1)).count(), 5, "evenly, while nothing ends");
    // A third one comes: it has no load yet, so it is taken whenever it is drawn.
    let more = [instance(3, None), instance(2, None), instance(1, None)];
    picker.update(Some("a"), [(&callee(), &Edge::default(), &more[..])].into_iter());
    let next: Vec<Pick> = (0..5).map(|n| picker.pick(edge, &mut Tried::default(), at(0), random(n)).unwrap()).collect();
    assert!(next.iter().filter(|pick| pick.mesh == addr(3)).count() >= 3, "{next:?}");
    // The first one goes. Its calls under way end as if nothing were.
    picker.update(None, [(&callee(), &Edge::default(), &more[..2])].into_iter());
    for pick in picks {
        assert_eq!(picker.ended(pick, Outcome::Status(200), at(1)), Effects::default());
    }
    for n in 0..50 {
        let pick = picker.pick(edge, &mut Tried::default(), at(2), random(n)).unwrap();
        assert_ne!(pick.mesh, addr(1), "drained: nothing new");
        picker.ended(pick, Outcome::Status(200), at(2));
    }
    picker.update(None, std::iter::empty());
    assert_eq!(picker.edges().count(), 0);
}

#[test]
fn the_own_zone_first_and_another_while_it_is_not_well() {
    let all = [instance(1, Some("a")), instance(2, Some("b"))];
    let mut picker = picker(Edge::default(), &all);
    let edge = id(&picker);
    let mut taken = |now, outcome| {
        let pick = picker.pick(edge, &mut Tried::default(), now, random(now.as_millis() as u64)).unwrap();
        let mesh = pick.mesh;
        picker.ended(pick, outcome, now);
        mesh.port()
    };
    assert!((0..50).all(|ms| taken(at(ms), Outcome::Status(200)) == 1));
    (50..55).for_each(|ms| assert_eq!(taken(at(ms), Outcome::Status(500)), 1));
    assert!((55..100).all(|ms| taken(at(ms), Outcome::Status(200)) == 2), "the own one is out");
    assert_eq!(taken(at(5100), Outcome::Status(200)), 1, "and comes back");
}

#[test]
fn never_more_than_the_stated_share_of_instances_is_out() {
    let settings = Edge { outlier: Outlier { failures: 1, ..Outlier::default() }, ..Edge::default() };
    for (count, most) in [(1u16, 0), (2, 1), (3, 1), (4, 2), (9, 4)] {
        let all: Vec<Instance> = (1..=count).map(|port| instance(port, None)).collect();
        let mut picker = picker(settings, &all);
        let edge = id(&picker);
        for n in 0..200 {
            let Ok(pick) = picker.pick(edge, &mut Tried::default(), at(n / 100), random(n)) else { break };
            picker.ended(pick, Outcome::Status(500), at(n / 100));
        }
        let (_, out, _) = picker.state(edge, at(2)).unwrap();
        assert_eq!(out, most, "of {count}");
    }
}

#[test]
fn an_open_breaker_refuses_and_says_when_it_changed() {
    let mut picker = picker(Edge::default(), &[instance(1, None)]);
    let edge = id(&picker);
    let mut effects = Vec::new();
    for ms in 0..3000u64 {
        match picker.pick(edge, &mut Tried::default(), at(ms), 0) {
            Ok(pick) => {
                let outcome = if ms < 500 { Outcome::Timeout } else { Outcome::Status(200) };
                let it = picker.ended(pick, outcome, at(ms));
                if it != Effects::default() {
                    effects.push((ms, it.opened, it.closed));
                }
            }
            Err(refused) => assert_eq!(refused, Refused::BreakerOpen),
        }
    }
    assert_eq!(effects, [(19, true, false), (1021, false, true)], "after 20 calls; three went well a second later");
    assert_eq!(picker.state(edge, at(3000)).unwrap().0, BreakerState::Closed);
}

#[test]
fn a_request_is_not_tried_more_often_than_the_file_says() {
    for attempts in [0u8, 1, 3] {
        let retry = Retry { attempts, budget: Share::ALL, ..Retry::default() };
        let settings = Edge { retry, ..Edge::default() };
        let mut picker = picker(settings, &[instance(1, None)]);
        let edge = id(&picker);
        let mut tried = Tried::default();
        loop {
            let pick = picker.pick(edge, &mut tried, at(0), 0).unwrap();
            picker.ended(pick, Outcome::Unsent, at(0));
            if !picker.may_retry(edge, false, Outcome::Unsent, &tried) {
                break;
            }
        }
        assert_eq!(tried.count(), attempts + 1);
    }
}

#[test]
fn an_instance_that_ends_does_not_use_up_the_budget() {
    for (share, again) in [(0, false), (1, true)] {
        let retry = Retry { budget: Share::per_mille(share), ..Retry::default() };
        let breaker = bartizan_core::edge::Breaker { calls: 0, ..Default::default() };
        let mut picker = picker(Edge { retry, breaker, ..Edge::default() }, &[instance(1, None), instance(2, None)]);
        let edge = id(&picker);
        for n in 0..500 {
            let mut tried = Tried::default();
            let pick = picker.pick(edge, &mut tried, at(0), n).unwrap();
            picker.ended(pick, Outcome::Unsent, at(0));
            assert_eq!(picker.may_retry(edge, false, Outcome::Unsent, &tried), again, "{n}, with {share}");
        }
    }
}

proptest! {
    /// Whatever happens, tries are at most requests and their budget, beside one for each that nobody got at first; and what must
    /// not be repeated is not.
    #[test]
    fn tries_never_exceed_the_budget(
        share in 0u16..=1000, attempts in 0u8..10,
        requests in prop::collection::vec((any::<bool>(), 0u8..5, any::<u64>()), 0..300),
    ) {
        let on = RetryOn { connect: true, reset: true, status_5xx: true, timeout: true };
        let breaker = bartizan_core::edge::Breaker { calls: 0, ..Default::default() };
        let retry = Retry { attempts, on, budget: Share::per_mille(share) };
        let mut picker = picker(Edge { retry, breaker, ..Edge::default() }, &[instance(1, None), instance(2, Some("a"))]);
        let edge = id(&picker);
        let (mut tries, mut free, count) = (0u64, 0u64, requests.len() as u64);
        for (n, (repeatable, kind, chance)) in requests.into_iter().enumerate() {
            let outcome = [
                Outcome::Unsent, Outcome::Reset, Outcome::Timeout, Outcome::Status(503), Outcome::Status(200),
            ][usize::from(kind)];
            let mut tried = Tried::default();
            free += u64::from(outcome == Outcome::Unsent && share > 0);
            loop {
                let pick = picker.pick(edge, &mut tried, at(n as u64), chance).unwrap();
                picker.ended(pick, outcome, at(n as u64));
                tries += 1;
                if !picker.may_retry(edge, repeatable, outcome, &tried) {
                    break;
                }
            }
            prop_assert!(tried.count() <= attempts + 1);
            prop_assert!(repeatable || outcome == Outcome::Unsent || tried.count() == 1, "sent twice");
        }
        prop_assert!(tries <= count + free + 10 + Share::per_mille(share).of(count));
    }
}
