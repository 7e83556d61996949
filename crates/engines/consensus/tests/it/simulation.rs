//! Hundreds of lives of small groups in which messages are lost, late, doubled and swapped, members die between any two steps and
//! come back with what their disks had, or with none, networks part and join, and clocks run a fifth too fast or too slow. At every millisecond
//! of them: one leader in a term, one member at most that may answer, and it knows everything that was ever acknowledged; and
//! what counts once is the same for all, for ever.

use crate::world::{Broken, World};
use bartizan_consensus::Settings;

const TROUBLE_MS: u64 = 12_000;
/// Long enough for an election by the slowest clocks, and for whoever is behind to be told all.
const PEACE_MS: u64 = 4_000;

fn settings() -> Settings {
    Settings::new(50, 300, 200).unwrap()
}

fn life(seed: u64, count: u8, settings: Settings, broken: Broken) -> Result<World, String> {
    let mut world = World::new(seed, count, settings, broken);
    world.live(TROUBLE_MS)?;
    world.calm_down();
    world.live(PEACE_MS)?;
    Ok(world)
}

fn whole_life(seed: u64, count: u8) -> World {
    let ended = life(seed, count, settings(), Broken::Nothing);
    let mut world = ended.unwrap_or_else(|why| panic!("{count} members, seed {seed}: {why}"));
    assert!(world.leader().is_some(), "{count} members, seed {seed}: nobody leads in peace");
    let told = world.told;
    world.live(500).unwrap_or_else(|why| panic!("{count} members, seed {seed}: {why}"));
    assert!(world.told > told, "{count} members, seed {seed}: nothing is acknowledged in peace");
    world
}

#[test]
fn whatever_breaks_nothing_that_was_acknowledged_is_lost_and_one_answers_at_a_time() {
    let (mut told, mut crashes, mut installed, mut disks) = (0, 0, 0, 0);
    for seed in 0..60 {
        for count in [1, 3, 5] {
            let world = whole_life(seed, count);
            (told, crashes) = (told + world.told, crashes + world.crashes);
            (installed, disks) = (installed + world.installed, disks + world.disks);
        }
    }
    // Else it would be no test: all of it has to have happened, often.
    println!("{told} entries acknowledged, {crashes} crashes, {disks} disks lost, {installed} states sent whole");
    assert!(told > 20_000 && crashes > 2_000 && installed > 200 && disks > 50, "{told} {crashes} {installed} {disks}");
}

#[test]
fn all_have_the_same_in_the_end() {
    for seed in 1_000..1_030 {
        let mut world = whole_life(seed, 3);
        // What was added last is on its way still; a look is enough in which it arrived.
        let agreed = (0..500).any(|_| world.live(1).is_ok() && world.all_agree().is_ok());
        assert!(agreed, "seed {seed}: {:?}", world.all_agree());
    }
}

/// The first complaint among many lives.
fn noticed(settings: Settings, broken: Broken) -> String {
    let first = (0..400).find_map(|seed| life(seed, 3, settings, broken).err());
    first.unwrap_or_else(|| panic!("{broken:?} with {settings:?} was not noticed"))
}

#[test]
fn what_the_rules_are_for_is_noticed_where_one_is_broken() {
    let twice = noticed(settings(), Broken::VotesAreForgotten);
    assert!(twice.contains("both lead") || twice.contains("answer") || twice.contains("applied"), "{twice}");
    let lost = noticed(settings(), Broken::EntriesAreForgotten);
    assert!(lost.contains("applied") || lost.contains("knows") || lost.contains("counts"), "{lost}");
    let emptied = noticed(settings(), Broken::LostDisksVote);
    assert!(emptied.contains("applied") || emptied.contains("knows") || emptied.contains("both"), "{emptied}");
    let long = noticed(Settings::dangerous_unchecked(50, 300, 900), Broken::Nothing);
    assert!(long.contains("answer"), "{long}");
}

/// A leader hears nobody any more, and the others, who heard it just now, forget that: they start anew.
fn forgotten(seed: u64, broken: Broken) -> Result<(), String> {
    let mut world = World::new(seed, 3, settings(), broken);
    world.calm_down();
    world.live(3_000)?;
    let old = world.leader().ok_or("nobody leads")?;
    world.cut_off(old);
    for other in world.others(old) {
        world.start_anew(other);
    }
    world.live(3_000)?;
    world.leader().map(drop).ok_or_else(|| "the others do not go on".to_owned())
}

#[test]
fn who_starts_anew_votes_for_nobody_until_no_lease_can_count_that_it_does_not_know_of() {
    for seed in 0..40 {
        forgotten(seed, Broken::Nothing).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    let noticed = (0..40).filter_map(|seed| forgotten(seed, Broken::NoPauseAfterStart).err());
    let noticed: Vec<_> = noticed.filter(|why| why.contains("answer at the same moment")).collect();
    assert!(!noticed.is_empty(), "nobody would notice where this was not so");
}

#[test]
fn a_leader_that_is_cut_off_stops_answering_before_another_one_begins_and_disturbs_nobody_when_it_is_back() {
    for seed in 0..40 {
        let mut world = World::new(seed, 3, settings(), Broken::Nothing);
        world.calm_down();
        world.live(3_000).unwrap();
        let old = world.leader().unwrap_or_else(|| panic!("seed {seed}: nobody leads"));
        world.cut_off(old);
        let mut both_silent = false;
        for _ in 0..3_000 {
            world.live(1).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
            both_silent |= world.leader().is_none();
        }
        let new = world.leader().unwrap_or_else(|| panic!("seed {seed}: the two others do not go on"));
        assert!(new != old && both_silent && !world.may_answer(old), "seed {seed}");
        let (told, term) = (world.told, world.term(new));
        world.join_up();
        world.live(1_000).unwrap();
        assert_eq!((world.leader(), world.term(old)), (Some(new), term), "seed {seed}: it follows, in the same term");
        assert!(world.told > told, "seed {seed}");
    }
}
