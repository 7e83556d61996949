//! A thousand roll-outs, fifty of them bad, by the engine that a reload asks and the indicator that counts what failed. Traffic is
//! simulated: calls are shared out, fail, are denied and are slow by chance, from a seed. Real programs are rolled out by the whole-fleet
//! tests.

use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_indicators::limits::CANARY_PART_MAX;
use bartizan_indicators::versions::{Ended, Programs, Splits};
use bartizan_indicators::{Board, Indicator, Place, Raise, Tally, Versions, indicator::Part};
use std::time::Duration;

const ROLLOUTS: u64 = 1_000;
/// One in so many is bad.
const BAD_IN: u64 = 20;
const MINUTE: Duration = Duration::from_secs(60);
/// From one roll-out to the next: all of them lie within the month that the indicator looks back on.
const APART: Duration = Duration::from_secs(30 * 60);
const CALLS_A_MINUTE: u64 = 6_000;
/// Whoever has no verdict by then gives up.
const MINUTES_MAX: u32 = 60;
/// For how long somebody looks at a version that has all calls.
const WATCHED_MINUTES: u32 = 10;
const FAST_US: u32 = 1_000;
const SLOW_US: u32 = 50_000;

/// SplitMix64 (Steele, Lea, Flood 2014): a seed makes all of it happen again.
struct Chance(u64);

impl Chance {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, neither included.
    fn share(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// How many of `n` happen that each happen with a chance of `p`: from one that happens to the next it is a geometric step.
    fn of(&mut self, n: u64, p: f64) -> u64 {
        if p <= 0.0 {
            return 0;
        }
        if p > 0.5 {
            return n - self.of(n, 1.0 - p);
        }
        let (mut at, mut found) = (0.0, 0);
        loop {
            at += (self.share().ln() / (1.0 - p).ln()).floor() + 1.0;
            if at > n as f64 {
                return found;
            }
            found += 1;
        }
    }
}

/// How calls to a program end, as shares of them.
#[derive(Clone, Copy, Debug)]
struct Program {
    fails: f64,
    denies: f64,
    slow: f64,
}

/// What is wrong with a version.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Fails(f64),
    Denies(f64),
    IsSlow(f64),
    /// It does well until it gets more than a canary's part.
    FailsUnderLoad(f64),
}

impl Program {
    /// As good as all others, within what is usual for services.
    fn usual(chance: &mut Chance) -> Self {
        let usual = [0.0, 0.0005, 0.002, 0.005];
        let one_of = |chance: &mut Chance| usual[(chance.bits() % 4) as usize];
        Self { fails: one_of(chance), denies: one_of(chance), slow: 0.01 + 0.03 * chance.share() }
    }

    fn with(self, fault: Option<Fault>, part: f64) -> Self {
        match fault {
            Some(Fault::Fails(more)) => Self { fails: self.fails + more, ..self },
            Some(Fault::Denies(more)) => Self { denies: self.denies + more, ..self },
            Some(Fault::IsSlow(more)) => Self { slow: self.slow + more, ..self },
            Some(Fault::FailsUnderLoad(more)) if part > CANARY_PART_MAX => Self { fails: self.fails + more, ..self },
            Some(Fault::FailsUnderLoad(_)) | None => self,
        }
    }

    fn answers(self, it: &mut Versions, name: &ServiceName, calls: u64, chance: &mut Chance, now: Timestamp) {
        let denied = chance.of(calls, self.denies);
        let failed = chance.of(calls - denied, self.fails);
        let slow = chance.of(calls - denied - failed, self.slow);
        for (ended, count) in [
            (Ended::Denied, denied),
            (Ended::Failed(FAST_US), failed),
            (Ended::Answered(SLOW_US), slow),
            (Ended::Answered(FAST_US), calls - denied - failed - slow),
        ] {
            it.count(name, ended, count, now);
        }
    }
}

/// Of the nth bad one: each kind, from barely more than is put up with to most of all calls.
fn fault(nth: u64, chance: &mut Chance) -> Fault {
    let more = |least: f64, most: f64, chance: &mut Chance| least + (most - least) * chance.share();
    match nth {
        16 | 33 | 49 => Fault::FailsUnderLoad(more(0.05, 0.5, chance)),
        _ if nth.is_multiple_of(3) => Fault::Denies(more(0.01, 0.9, chance)),
        _ if nth % 3 == 1 => Fault::IsSlow(more(0.1, 0.8, chance)),
        _ => Fault::Fails(more(0.01, 0.9, chance)),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    /// All calls go to the new version.
    through: u64,
    /// No verdict in time.
    given_up: u64,
    /// Found bad, and taken back.
    reverted: u64,
    /// While it did badly, it had more than a canary's part.
    beyond: u64,
}

struct World {
    board: Board,
    chance: Chance,
    epoch: u64,
}

impl World {
    /// A reload that shares calls out so.
    fn share_out(&mut self, it: &mut Versions, new: u16, now: Timestamp) {
        it.set(weights(new), &Programs::new(), now);
        self.epoch += 1;
        self.board.published(Kind::Directory, Epoch(self.epoch), now);
    }

    /// Somebody asks for more every minute, step by step or for all of it at once, and takes back what is found bad.
    fn roll_out(&mut self, steps: &[u16], fault: Option<Fault>, begin: Timestamp) -> Ends {
        let (old, new) = (name("api"), name("api-v2"));
        let (mut it, mut ends, mut at) = (Versions::default(), Ends::default(), 0);
        let usual = Program::usual(&mut self.chance);
        it.set(Splits::new(), &Programs::new(), begin);
        let (mut part, mut watched) = (0.0, 0);
        for minute in 0..MINUTES_MAX {
            let now = begin.plus(MINUTE * minute);
            let wanted = f64::from(steps[at]) / 100.0;
            let more = Raise { service: old.clone(), version: new.clone(), part: wanted, beside: Vec::new() };
            if wanted > part && it.may_get(&more, "", now).is_ok() {
                self.share_out(&mut it, steps[at], now);
                part = wanted;
                at = (at + 1).min(steps.len() - 1);
            }
            watched += u32::from(part >= 1.0);
            if watched > WATCHED_MINUTES {
                break;
            }
            let does = usual.with(fault, part);
            let to_new = self.chance.of(CALLS_A_MINUTE, part);
            usual.answers(&mut it, &old, CALLS_A_MINUTE - to_new, &mut self.chance, now);
            does.answers(&mut it, &new, to_new, &mut self.chance, now);
            let is_bad = match fault {
                Some(Fault::FailsUnderLoad(_)) => part > CANARY_PART_MAX,
                fault => fault.is_some(),
            };
            ends.beyond |= u64::from(is_bad && part > CANARY_PART_MAX);
            let all = it.judge(now);
            if let Some(bad) = it.newly_bad(&all).first() {
                self.board.found_bad((Kind::Directory, Epoch(self.epoch)), bad.part, now);
                self.share_out(&mut it, 0, now);
                ends.reverted = 1;
                return ends;
            }
        }
        let is_through = part >= 1.0;
        (ends.through, ends.given_up) = (u64::from(is_through), u64::from(!is_through));
        ends
    }
}

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

fn weights(new: u16) -> Splits {
    [(name("api"), vec![(name("api"), 100 - new), (name("api-v2"), new)])].into()
}

#[test]
fn of_a_thousand_roll_outs_fifty_are_bad_and_at_most_four_of_those_go_beyond_the_canary() {
    let first = Timestamp::from_secs(1_700_000_000);
    let mut world = World { board: Board::new(first), chance: Chance(9), epoch: 0 };
    let (mut good, mut bad, mut count) = (Ends::default(), Ends::default(), 0);
    let add = |all: &mut Ends, it: Ends| {
        all.through += it.through;
        all.given_up += it.given_up;
        all.reverted += it.reverted;
        all.beyond += it.beyond;
    };
    for n in 0..ROLLOUTS {
        let begin = first.plus(APART * u32::try_from(n).unwrap());
        // Every other one is asked for at once; the first step is as much as a canary may have.
        let steps: &[u16] = if n % 2 == 0 { &[10, 50, 100] } else { &[10, 100] };
        if n % BAD_IN == 7 {
            let fault = fault(count, &mut world.chance);
            count += 1;
            let ends = world.roll_out(steps, Some(fault), begin);
            assert_eq!(ends.reverted, 1, "{n}: {fault:?} {ends:?}");
            add(&mut bad, ends);
        } else {
            add(&mut good, world.roll_out(steps, None, begin));
        }
    }
    println!("good: {good:?}\nbad: {bad:?}\nsnapshots: {}", world.epoch);
    assert_eq!((count, bad.reverted, bad.through), (50, 50, 0), "each is found and taken back: {bad:?}");
    assert!(bad.beyond <= 4, "{bad:?}");
    assert!(good.reverted < 10 && good.through + good.reverted == 950, "good ones go through: {good:?}");

    // Counted, each once: what went too far as failed, what was stopped in time beside it.
    let now = first.plus(APART * u32::try_from(ROLLOUTS).unwrap());
    let month = Duration::from_secs(30 * 24 * 3600);
    let m9 = world.board.series(Indicator::M9, &Place::Fleet).unwrap().over(now, month);
    let stopped = world.board.part(Part::Stopped, &Place::Fleet).unwrap().over(now, month);
    println!("M9: {m9:?}, stopped: {stopped:?}");
    assert_eq!(m9.bad + stopped.bad, bad.reverted + good.reverted, "M9 {m9:?}, stopped {stopped:?}");
    assert!(m9.bad >= bad.beyond && m9.bad <= bad.beyond + good.reverted, "M9 {m9:?}, {bad:?}");
    assert!(m9.ratio().is_some_and(|it| it < 0.005), "{m9:?}");
    let share = Tally::new(bad.beyond, ROLLOUTS).ratio().unwrap();
    assert!(share < 0.005, "{share}");
}
