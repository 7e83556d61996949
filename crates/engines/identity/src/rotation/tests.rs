//! What must never happen, from any state and by any facts; and the way of an ordinary rotation.

use super::simulation::{NEW, OLD, World};
use super::{Released, Roots, TurnError, slots};
use bartizan_core::Timestamp;
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::rotation::{Phase, Rotated, Watched};
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn an_ordinary_rotation_goes_canary_waves_end() {
    let mut world = World::new(10, Rotated::Root, Some("s004"));
    world.control();
    assert_eq!(world.rotation.phase, Phase::Published);
    world.run(60);
    assert_eq!((world.rotation.phase, world.published), (Phase::Retired, Roots::New));
    assert_eq!(world.rotation.waves_begun, 5, "nine beside the canary, two of ten at a time");
    let notes: Vec<&str> = world.rotation.history.iter().map(|it| it.note.as_str()).collect();
    assert!(notes.iter().any(|note| note.contains("canary s004")), "{notes:?}");
    assert!(world.fleet.iter().all(|one| one.member.issuer.as_deref() == Some(NEW)));
}

#[test]
fn the_issuing_ca_is_replaced_without_touching_the_roots() {
    let mut world = World::new(5, Rotated::Issuing, None);
    world.run(60);
    assert_eq!((world.rotation.phase, world.published, world.epoch), (Phase::Retired, Roots::Old, 1));
}

#[test]
fn a_straggler_blocks_and_is_named_until_its_identity_runs_out_or_somebody_forces() {
    let mut world = World::new(4, Rotated::Root, None);
    world.toggle(2); // before the new bundle reaches it
    world.run(30);
    assert_eq!(world.rotation.phase, Phase::Published);
    let waiting = &world.plan.as_ref().unwrap().waiting_for;
    assert_eq!(waiting.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["s002"]);
    assert!(waiting[0].why.contains("bundle 1") && !waiting[0].breaks.is_empty(), "{waiting:?}");

    let mut forced = world.clone();
    let facts = forced.facts();
    let left = forced.rotation.force(&facts, forced.now).unwrap();
    assert_eq!(left.len(), 1);
    assert!(forced.rotation.forced[0].contains("s002"), "{:?}", forced.rotation.forced);
    forced.run(60);
    assert_eq!(forced.rotation.phase, Phase::Retired);

    world.pass(LEAF_TTL);
    world.run(60);
    assert_eq!(world.rotation.phase, Phase::Retired, "what ran out is waited for no longer");
    assert!(world.rotation.forced.is_empty());
}

#[test]
fn the_old_root_stays_for_as_long_as_programs_hold_something_of_it() {
    let mut world = World::new(3, Rotated::Root, None);
    world.others_until = Some(world.now.plus(Duration::from_secs(600)));
    world.run(300);
    assert_eq!(world.rotation.phase, Phase::Retiring);
    assert_eq!(world.plan.as_ref().unwrap().waiting_for[0].name, "programs");
    world.run(310);
    assert_eq!(world.rotation.phase, Phase::Retired);
}

#[test]
fn nobody_goes_over_before_other_trust_domains_had_time_to_look() {
    let mut world = World::new(3, Rotated::Root, None);
    world.abroad_until = Some(world.now.plus(Duration::from_secs(130)));
    world.run(120);
    assert_eq!((world.rotation.phase, world.rotation.began_issuing), (Phase::Published, false));
    assert_eq!(world.plan.as_ref().unwrap().waiting_for[0].name, "other trust domains");
    let mut forced = world.clone();
    let facts = forced.facts();
    forced.rotation.force(&facts, forced.now).unwrap();
    forced.run(60);
    assert_eq!(forced.rotation.phase, Phase::Retired);
    world.run(70);
    assert_eq!(world.rotation.phase, Phase::Retired);
}

#[test]
fn failing_handshakes_halt_and_lead_back_and_the_rest_was_never_touched() {
    let mut world = World::new(10, Rotated::Root, Some("s000"));
    world.run(4);
    assert_eq!(world.rotation.phase, Phase::Active);
    world.handshakes = Watched { completed: 900, failed: 4 };
    world.control();
    assert_eq!(world.rotation.phase, Phase::Active, "four are no alarm");
    world.handshakes = Watched { completed: 900, failed: 5 };
    world.control();
    assert_eq!(world.rotation.phase, Phase::Reverting);
    assert!(world.rotation.halted.as_ref().unwrap().contains("5 of 905"));
    let touched = world.fleet.iter().filter(|one| one.member.issuer.as_deref() == Some(NEW)).count();
    assert_eq!(touched, 1, "the canary alone");
    world.run(20);
    assert_eq!((world.rotation.phase, world.published), (Phase::Reverted, Roots::Old));
    assert!(world.fleet.iter().all(|one| one.member.issuer.as_deref() == Some(OLD)));
}

#[test]
fn many_good_handshakes_outweigh_a_few_bad_ones() {
    let mut world = World::new(3, Rotated::Root, None);
    world.run(4);
    world.handshakes = Watched { completed: 100_000, failed: 60 };
    world.control();
    assert_ne!(world.rotation.phase, Phase::Reverting);
}

#[test]
fn a_canary_that_refuses_its_identity_halts() {
    let mut world = World::new(3, Rotated::Root, Some("s001"));
    world.run(4);
    world.fleet[1].member.refused = Some("untrusted issuer".to_owned());
    world.control();
    assert_eq!(world.rotation.phase, Phase::Reverting);
    assert!(world.rotation.halted.as_ref().unwrap().contains("s001 refused"));
}

#[test]
fn a_halt_without_a_way_back_waits_for_somebody() {
    let mut world = World::new(3, Rotated::Root, None);
    while world.rotation.phase != Phase::Retiring {
        world.run(1);
    }
    world.handshakes = Watched { completed: 0, failed: 9 };
    world.control();
    world.handshakes = Watched::default();
    world.run(30);
    assert_eq!(world.rotation.phase, Phase::Retiring);
    assert_eq!(world.rotation.revert(world.now), Err(TurnError::NotReversible { phase: Phase::Retiring }));
    world.rotation.resume(world.now).unwrap();
    world.run(30);
    assert_eq!(world.rotation.phase, Phase::Retired);
}

#[test]
fn what_is_over_or_goes_on_is_left_alone() {
    let mut world = World::new(3, Rotated::Root, None);
    assert!(matches!(world.rotation.resume(world.now), Err(TurnError::NotHalted { .. })));
    world.run(60);
    assert!(world.rotation.revert(world.now).is_err());
    let facts = world.facts();
    assert_eq!(world.rotation.force(&facts, world.now), Err(TurnError::NobodyToForce));
}

#[test]
fn slots_never_hold_more_than_a_second_may() {
    let names: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let slots = slots(&names, 20, Timestamp::from_secs(7));
    for (n, (_, at)) in slots.iter().enumerate() {
        assert!(slots.iter().skip(n).take_while(|(_, other)| other.since(*at) < Duration::from_secs(1)).count() <= 20);
    }
}

/// What may happen to a fleet in a moment.
#[derive(Clone, Debug)]
enum Happens {
    Control,
    Killed,
    Member(usize),
    Toggled(usize),
    Passes(u64),
    Reverted,
    Continued,
    Fails(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        8 => Just(Happens::Control),
        1 => Just(Happens::Killed),
        12 => (0usize..6).prop_map(Happens::Member),
        2 => (0usize..6).prop_map(Happens::Toggled),
        4 => (0u64..3_000).prop_map(Happens::Passes),
        1 => Just(Happens::Passes(LEAF_TTL.as_millis() as u64)),
        1 => Just(Happens::Reverted),
        1 => Just(Happens::Continued),
        1 => (0u64..12).prop_map(Happens::Fails),
    ]
}

fn happen(world: &mut World, what: &Happens) {
    match what {
        Happens::Control => world.control(),
        Happens::Killed => world.kill(),
        Happens::Member(at) => world.member(*at),
        Happens::Toggled(at) => world.toggle(*at),
        Happens::Passes(ms) => world.pass(Duration::from_millis(*ms)),
        Happens::Reverted => drop(world.rotation.revert(world.now)),
        Happens::Continued => drop(world.rotation.resume(world.now)),
        Happens::Fails(failed) => world.handshakes.failed += failed,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nobody_alive_ever_meets_somebody_it_does_not_trust(story in prop::collection::vec(happens(), 1..250)) {
        let mut world = World::new(6, Rotated::Root, None);
        for what in &story {
            let before = world.rotation.phase;
            happen(&mut world, what);
            prop_assert_eq!(world.strangers(), vec![], "after {:?} in {:?}", what, before);
            // An identity of the new issuer only where the bundle that everybody acknowledged had the new root.
            if world.rotation.desired().released != Released::Nobody {
                prop_assert!(world.published != Roots::Old || world.rotation.phase < Phase::Active);
            }
        }
    }

    #[test]
    fn a_way_back_always_ends_at_the_old_one(story in prop::collection::vec(happens(), 1..250)) {
        let mut world = World::new(6, Rotated::Root, None);
        story.iter().for_each(|what| happen(&mut world, what));
        if world.rotation.revert(world.now).is_err() && world.rotation.phase != Phase::Reverting {
            return Ok(());
        }
        world.pass(LEAF_TTL); // whoever is away runs out
        world.run(40);
        prop_assert_eq!((world.rotation.phase, world.published), (Phase::Reverted, Roots::Old));
        prop_assert!(world.fleet.iter().filter(|one| one.member.attached).all(|one| one.member.issuer.as_deref() == Some(OLD)));
    }

    #[test]
    fn whatever_happened_it_comes_to_an_end_once_the_fleet_is_well(story in prop::collection::vec(happens(), 1..250)) {
        let mut world = World::new(6, Rotated::Root, None);
        story.iter().for_each(|what| happen(&mut world, what));
        world.kill();
        world.pass(LEAF_TTL);
        for at in 0..6 {
            if !world.fleet[at].member.attached {
                world.toggle(at);
            }
        }
        if world.rotation.phase == Phase::Retiring && world.rotation.halted.is_some() {
            world.rotation.resume(world.now).unwrap();
        }
        world.run(80);
        prop_assert!(world.rotation.phase.is_over(), "{:?} {:?}", world.rotation.phase, world.plan);
    }
}
