//! Whether a new version of a service is as good as the one beside it, while calls are shared out between both by chance: by the share
//! of calls that fail, that policy denies, and that are slow, with how sure that is. And whether it may get more of them.
//!
//! Slow is what takes longer than all but a twentieth of the old version's calls, so that all questions are one: by how much do two
//! shares differ? The answer is Newcombe's interval for the difference of two shares (Statistics in Medicine 17 (1998), 873–890,
//! method 10), of Wilson's intervals for each. Whoever looks again and again finds a difference by chance sooner or later; the
//! interval is of 99.9 % therefore, and a version is good only where the whole of it is within what is put up with. Where few calls fail
//! such an interval is narrower than it says; a version is bad only where the exact chance says so as well.
//!
//! Before there is a verdict a version gets a canary's part and no more; a bad one gets no more of anything. A larger part has a budget
//! of its own: from then on as many of its calls may fail as of the old one's, and a little more. Where that burns too fast, it is not
//! raised again, whatever the last hour as a whole says.

use crate::burn::{Burn, Pace, Urgency};
use crate::exact::chance;
use crate::limits::{
    CANARY_PART_MAX, VERSION_BURN_MAX, VERSION_BURN_OVER, VERSION_CALLS_MIN, VERSION_CHANCE_MAX,
    VERSION_DENIED_MORE_MAX, VERSION_FAILS_MORE_MAX, VERSION_SLOT, VERSION_SLOTS, VERSION_SLOW_SHARE,
    VERSION_SLOWER_MAX, VERSION_Z, VERSIONS_COUNTED_MAX,
};
use crate::objective::Objective;
use crate::series::Series;
use crate::shares::{Raise, part, raises};
use crate::tally::Tally;
use bartizan_core::event::{Event, SeenBy, What};
use bartizan_core::stats::Histogram;
use bartizan_core::versions::{Held, HeldBy, Judgement, VersionCounts, VersionStatus};
use bartizan_core::{ServiceName, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// What sums of parts may be beside by rounding.
const ROUNDING: f64 = 1e-9;

/// How calls are shared out, by whom callers name.
pub type Splits = BTreeMap<ServiceName, Vec<(ServiceName, u16)>>;

/// What makes a service another program, by its name: equal for what is the same.
pub type Programs = BTreeMap<ServiceName, String>;

/// What was counted of the versions of a fleet, for an hour. It begins anew with the process.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    splits: Splits,
    counted: BTreeMap<ServiceName, Counted>,
    /// By whom callers name, and the version.
    parts: BTreeMap<(ServiceName, ServiceName), Part>,
}

/// Of one service.
#[derive(Clone, Debug, Default)]
struct Counted {
    program: String,
    slots: VecDeque<Slot>,
}

#[derive(Clone, Debug)]
struct Slot {
    number: u64,
    failed: u64,
    denied: u64,
    took: Histogram,
}

/// What a version gets, from when on, and what became of it.
#[derive(Clone, Debug)]
struct Part {
    raised: Timestamp,
    calls: u64,
    /// Calls that failed or were denied, of all.
    since: Series,
    /// Whether somebody was told that it is bad.
    told: bool,
}

/// How one call to a service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was answered, and how long that took, in microseconds.
    Answered(u32),
    /// With a status from 500 on, or not at all.
    Failed(u32),
    /// Policy denied it.
    Denied,
}

/// By how much two shares differ, first less second: as counted, and where that lies with a chance that was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Difference {
    counted: f64,
    /// How likely at least as much is where they do not.
    chance: f64,
    between: (f64, f64),
}

impl Difference {
    /// Whether the first is larger, and that is no chance.
    fn is_sure(&self) -> bool {
        self.between.0 > 0.0 && self.chance <= VERSION_CHANCE_MAX
    }
}

/// Everything of a version that still counts.
#[derive(Clone, Debug, Default)]
struct Sum {
    failed: u64,
    denied: u64,
    took: Histogram,
}

impl Versions {
    /// What the fleet file says now. Who is in no split is not counted any more, and another program begins anew.
    pub fn set(&mut self, splits: Splits, programs: &Programs, now: Timestamp) {
        let names =
            splits.iter().flat_map(|(service, split)| std::iter::once(service).chain(split.iter().map(|it| &it.0)));
        let mut known = BTreeMap::new();
        let mut anew = Vec::new();
        for name in names.take(VERSIONS_COUNTED_MAX) {
            let program = programs.get(name).cloned().unwrap_or_default();
            let held = self.counted.remove(name).filter(|it| it.program == program);
            if held.is_none() && !known.contains_key(name) {
                anew.push(name.clone());
            }
            if let Some(counted) = held.or_else(|| (!known.contains_key(name)).then(Counted::default)) {
                known.insert(name.clone(), Counted { program, ..counted });
            }
        }
        self.counted = known;
        let raised = raises(&self.splits, &splits);
        let mut before = std::mem::take(&mut self.parts);
        for (service, split) in &splits {
            for version in split.iter().map(|(version, _)| version).filter(|version| *version != service) {
                let key = (service.clone(), version.clone());
                let is_raised = raised.iter().any(|it| it.service == *service && it.version == *version);
                let held = before.remove(&key).filter(|_| !is_raised && !anew.contains(version));
                self.parts.insert(key, held.unwrap_or_else(|| Part::from(now)));
            }
        }
        self.splits = splits;
    }

    /// Takes in what a guard says of a call into its service.
    pub fn note(&mut self, event: &Event, now: Timestamp) {
        // Of callers in the fleet alone: theirs are the calls that are shared out by chance.
        let What::Request(it) = &event.what else { return };
        if event.seen_by != SeenBy::Inbound || it.peer.is_none() {
            return;
        }
        let Some(service) = &event.service else { return };
        let is_denied = it.decision.as_ref().is_some_and(|it| it.verdict == bartizan_core::decision::Verdict::Deny);
        let ended = match it.status >= 500 || it.error.is_some() {
            _ if is_denied => Ended::Denied,
            true => Ended::Failed(it.took_us),
            false => Ended::Answered(it.took_us),
        };
        self.count(service, ended, 1, now);
    }

    /// Takes in so many calls to a service that ended alike.
    pub fn count(&mut self, service: &ServiceName, ended: Ended, calls: u64, now: Timestamp) {
        let Some(Counted { slots, .. }) = self.counted.get_mut(service) else { return };
        let number = slot_of(now);
        if slots.back().is_none_or(|slot| slot.number != number) {
            slots.retain(|slot| slot.number < number && slot.number + VERSION_SLOTS as u64 > number);
            slots.push_back(Slot { number, failed: 0, denied: 0, took: Histogram::default() });
        }
        if let Some(slot) = slots.back_mut() {
            slot.failed += if matches!(ended, Ended::Failed(_)) { calls } else { 0 };
            match ended {
                Ended::Answered(us) | Ended::Failed(us) => slot.took.record_times(us.into(), calls),
                Ended::Denied => slot.denied += calls,
            }
        }
        let bad = if matches!(ended, Ended::Answered(_)) { 0 } else { calls };
        for (_, part) in self.parts.iter_mut().filter(|((_, version), _)| version == service) {
            part.calls += calls;
            part.since.add(now, Tally::new(bad, calls));
        }
    }

    /// What is thought of each version.
    pub fn judge(&self, now: Timestamp) -> Vec<VersionStatus> {
        let mut all = Vec::new();
        for (service, split) in &self.splits {
            let old = self.sum(service, now);
            for (version, _) in split.iter().filter(|(version, _)| version != service) {
                all.push(self.judged(service, version, &old, now));
            }
        }
        all
    }

    /// Whether a version may get a larger part of a service's calls, while it is this program: another one than before has no verdict.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_get(&self, more: &Raise, program: &str, now: Timestamp) -> Result<(), Held> {
        let (service, version) = (&more.service, &more.version);
        let is_same = self.counted.get(version).is_some_and(|it| it.program == program);
        let known = is_same && self.parts.contains_key(&(service.clone(), version.clone()));
        let status = known.then(|| self.judged(service, version, &self.sum(service, now), now));
        // Of several versions that nobody knows anything of, all together are the canary.
        let unsure = |(other, _): &&(ServiceName, f64)| self.has_no_good_verdict(service, other, now);
        let beside: f64 = more.beside.iter().filter(unsure).map(|(_, part)| part).sum();
        let is_canary = more.part + beside <= CANARY_PART_MAX + ROUNDING;
        match status.map(|it| it.held) {
            Some(Some(held)) if held.by == HeldBy::NotYet && is_canary => Ok(()),
            Some(Some(held)) => Err(held),
            Some(None) => Ok(()),
            None if is_canary => Ok(()),
            None => Err(not_yet("it had no calls yet")),
        }
    }

    fn has_no_good_verdict(&self, service: &ServiceName, version: &ServiceName, now: Timestamp) -> bool {
        let known = self.parts.contains_key(&(service.clone(), version.clone()));
        !known || self.judged(service, version, &self.sum(service, now), now).held.is_some()
    }

    /// Those of which nobody was told yet that they fail or burn, each once for the part that they have.
    pub fn newly_bad(&mut self, all: &[VersionStatus]) -> Vec<VersionStatus> {
        let mut bad = Vec::new();
        for it in all.iter().filter(|it| it.is_found_bad()) {
            let part = self.parts.get_mut(&(it.service.clone(), it.version.clone()));
            if part.is_some_and(|part| !std::mem::replace(&mut part.told, true)) {
                bad.push(it.clone());
            }
        }
        bad
    }

    fn judged(&self, service: &ServiceName, version: &ServiceName, old: &Sum, now: Timestamp) -> VersionStatus {
        let new = self.sum(version, now);
        let mut status = judged(service, version, part(&self.splits, service, version), old, &new);
        let Some(since) = self.parts.get(&(service.clone(), version.clone())) else { return status };
        (status.raised, status.calls_since) = (Some(since.raised), since.calls);
        let burns = since.burns(old, now);
        status.burn = burns.first().and_then(|it| it.rate);
        status.held = held(&status, burns.iter().find(|it| it.alight));
        status
    }

    fn sum(&self, service: &ServiceName, now: Timestamp) -> Sum {
        let number = slot_of(now);
        let slots = self.counted.get(service).into_iter().flat_map(|it| &it.slots);
        let mut sum = Sum::default();
        for slot in slots.filter(|slot| slot.number <= number && slot.number + VERSION_SLOTS as u64 > number) {
            sum.failed += slot.failed;
            sum.denied += slot.denied;
            sum.took = sum.took.plus(&slot.took);
        }
        sum
    }
}

impl Part {
    fn from(raised: Timestamp) -> Self {
        Self { raised, calls: 0, since: Series::default(), told: false }
    }

    /// How fast it uses up what may fail since it is so large, the shortest window first.
    fn burns(&self, old: &Sum, now: Timestamp) -> [Burn; 2] {
        let usual = old.bad().ratio().unwrap_or_default();
        let objective = Objective { bad_max: usual + VERSION_FAILS_MORE_MAX, window: VERSION_BURN_OVER[1] };
        let [short, _] = VERSION_BURN_OVER;
        VERSION_BURN_OVER
            .map(|long| Pace { long, short, rate: VERSION_BURN_MAX, urgency: Urgency::Page })
            .map(|pace| pace.burn(&objective, &self.since, now))
    }
}

fn slot_of(now: Timestamp) -> u64 {
    now.as_secs() / VERSION_SLOT.as_secs()
}

impl Sum {
    fn counts(&self) -> VersionCounts {
        let at = |share: f64| self.took.quantile(share);
        VersionCounts {
            calls: self.took.count(),
            failed: self.failed,
            denied: self.denied,
            p50_us: at(0.5),
            p95_us: at(1.0 - VERSION_SLOW_SHARE),
        }
    }

    fn failed(&self) -> Tally {
        Tally::new(self.failed, self.took.count())
    }

    fn denied(&self) -> Tally {
        Tally::new(self.denied, self.took.count() + self.denied)
    }

    fn bad(&self) -> Tally {
        Tally::new(self.failed + self.denied, self.took.count() + self.denied)
    }

    fn slow(&self, than_us: u64) -> Tally {
        Tally::new(self.took.above(than_us), self.took.count())
    }
}

fn judged(service: &ServiceName, version: &ServiceName, part: f64, old: &Sum, new: &Sum) -> VersionStatus {
    let slow_us = old.took.quantile(1.0 - VERSION_SLOW_SHARE);
    let fails_more = difference(new.failed(), old.failed(), VERSION_Z);
    let denied_more = difference(new.denied(), old.denied(), VERSION_Z);
    let slower = slow_us.and_then(|us| difference(new.slow(us), old.slow(us), VERSION_Z));
    let (judgement, why) = judgement(old, new, [fails_more, denied_more, slower]);
    let (service, version) = (service.clone(), version.clone());
    let (old, new) = (old.counts(), new.counts());
    VersionStatus {
        service,
        version,
        part,
        judgement,
        why,
        old,
        new,
        fails_more: fails_more.map(|it| it.between),
        denied_more: denied_more.map(|it| it.between),
        slow_us,
        slower: slower.map(|it| it.between),
        raised: None,
        calls_since: 0,
        burn: None,
        held: None,
    }
}

fn judgement(old: &Sum, new: &Sum, differences: [Option<Difference>; 3]) -> (Judgement, String) {
    let seen = |it: &Sum| it.took.count() + it.denied;
    let least = seen(old).min(seen(new));
    let asked =
        [("fail", VERSION_FAILS_MORE_MAX), ("are denied", VERSION_DENIED_MORE_MAX), ("are slow", VERSION_SLOWER_MAX)];
    let answered = asked.into_iter().zip(differences).filter_map(|((what, most), it)| Some((what, it?, most)));
    let questions: Vec<(&str, Difference, f64)> = answered.collect();
    let said = |(what, Difference { between: (from, to), .. }, most): (&str, Difference, f64)| {
        format!(
            "{:+.2} to {:+.2} % more of its calls {what}; {:.1} % are put up with",
            from * 100.0,
            to * 100.0,
            most * 100.0
        )
    };
    // More than is put up with, and surely more at all. As counted: the middle of where it may lie is far off where few calls fail.
    let worse = questions.iter().copied().find(|(_, it, most)| it.is_sure() && it.counted > *most);
    if let Some(worse) = worse.filter(|_| least >= VERSION_CALLS_MIN) {
        return (Judgement::Bad, said(worse));
    }
    // One that denies everything answers nothing, and is judged by that.
    if questions.len() < asked.len() {
        return (Judgement::NotYet, "there are no calls of both yet".to_owned());
    }
    if least < VERSION_CALLS_MIN {
        return (
            Judgement::NotYet,
            format!("{least} calls of one of both are too few; {VERSION_CALLS_MIN} are the least"),
        );
    }
    match questions.iter().copied().find(|(_, it, most)| it.between.1 > *most) {
        Some(unsure) => (Judgement::NotYet, said(unsure)),
        None => (Judgement::Good, said(questions[0])),
    }
}

/// Why a version gets no more than it has, or than a canary's part.
fn held(it: &VersionStatus, burning: Option<&Burn>) -> Option<Held> {
    if it.judgement == Judgement::Bad {
        return Some(Held { by: HeldBy::Bad, why: format!("it is bad: {}", it.why) });
    }
    if let Some(burn) = burning {
        let (rate, minutes) = (burn.rate.unwrap_or_default(), burn.pace.long.as_secs() / 60);
        let why = format!(
            "since it has its part, its calls fail {rate:.1} times as often as they may (over {minutes} minutes): {} of {}",
            burn.long.bad, burn.long.all
        );
        return Some(Held { by: HeldBy::Burning, why });
    }
    if it.judgement == Judgement::NotYet {
        return Some(not_yet(&it.why));
    }
    let few = it.calls_since < VERSION_CALLS_MIN;
    few.then(|| {
        not_yet(&format!(
            "{} calls since it has its part are too few; {VERSION_CALLS_MIN} are the least",
            it.calls_since
        ))
    })
}

fn not_yet(why: &str) -> Held {
    let most = CANARY_PART_MAX * 100.0;
    Held { by: HeldBy::NotYet, why: format!("there is no verdict yet, and before it gets {most:.0} % at most: {why}") }
}

/// By how much two shares differ, with a chance that `z` says; `None` where one of them has nothing to count.
fn difference(new: Tally, old: Tally, z: f64) -> Option<Difference> {
    let ((p1, (l1, u1)), (p2, (l2, u2))) = ((new.ratio()?, new.interval_at(z)?), (old.ratio()?, old.interval_at(z)?));
    let (d, down, up) = (p1 - p2, (p1 - l1).hypot(u2 - p2), (u1 - p1).hypot(p2 - l2));
    Some(Difference { counted: d, chance: chance(new, old), between: ((d - down).max(-1.0), (d + up).min(1.0)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::SpiffeId;
    use bartizan_core::decision::{Action, Verdict};
    use bartizan_core::event::{EventId, Judged, Request};
    use bartizan_core::snapshot::Epoch;
    use proptest::prelude::*;
    use std::time::Duration;

    const START: u64 = 1_700_000_000;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn call(to: &str, status: u16, took_us: u32) -> Event {
        let request = Request {
            peer: Some(SpiffeId::parse("spiffe://bank.test/svc/caller").unwrap()),
            to: name(to),
            method: "GET".into(),
            path: "/".into(),
            route: None,
            action: Action::Read,
            decision: None,
            status,
            error: None,
            took_us,
            added_us: 1,
            client: None,
            user: None,
            span: 1,
            parent_span: 0,
        };
        let (id, at) = (EventId(1, 1), Timestamp::from_secs(START));
        let service = Some(name(to));
        Event { id, at, service, seen_by: SeenBy::Inbound, request: None, what: What::Request(request) }
    }

    fn both() -> Versions {
        let mut it = Versions::default();
        it.set(weights(90, 10), &Programs::new(), Timestamp::from_secs(START));
        it
    }

    fn weights(old: u16, new: u16) -> Splits {
        [(name("api"), vec![(name("api"), old), (name("api-v2"), new)])].into()
    }

    /// `calls` of which one in `fails` fails and one in `slow` takes long; none where 0.
    fn fill(it: &mut Versions, to: &str, calls: u64, fails: u64, slow: u64) {
        for n in 0..calls {
            let every = |of: u64| of > 0 && n % of == of - 1;
            let took = if every(slow) { 90_000 } else { 900 + (n % 100) as u32 };
            it.note(&call(to, if every(fails) { 503 } else { 200 }, took), Timestamp::from_secs(START));
        }
    }

    fn verdict(old: (u64, u64, u64), new: (u64, u64, u64)) -> VersionStatus {
        let mut it = both();
        fill(&mut it, "api", old.0, old.1, old.2);
        fill(&mut it, "api-v2", new.0, new.1, new.2);
        it.judge(Timestamp::from_secs(START)).remove(0)
    }

    #[test]
    fn a_difference_lies_where_newcombe_says() {
        // Newcombe 1998, table II, method 10: 56/70 and 48/80 at 95 %.
        let (low, high) = difference(Tally::new(56, 70), Tally::new(48, 80), 1.959_964).unwrap().between;
        assert!((low - 0.052_4).abs() < 1e-4 && (high - 0.333_9).abs() < 1e-4, "{low} {high}");
        assert_eq!(difference(Tally::new(0, 0), Tally::new(1, 2), VERSION_Z), None);
    }

    #[test]
    fn nothing_is_said_before_there_is_something_to_say() {
        for (old, new, why) in [
            ((0, 0, 0), (0, 0, 0), "nothing"),
            ((10_000, 0, 0), (0, 0, 0), "nothing of the new one"),
            ((10_000, 0, 0), (99, 1, 0), "all of 99 fail"),
            ((10_000, 0, 0), (500, 0, 0), "500 good ones say nothing of a failure in 200"),
            ((10_000, 100, 0), (300, 60, 0), "1.7 % where 1 % is usual, of 300"),
            (
                (10_000, 0, 0),
                (700, 233, 0),
                "3 of 700, which is surely more than none and not more than is put up with",
            ),
        ] {
            let it = verdict(old, new);
            assert_eq!(it.judgement, Judgement::NotYet, "{why}: {it:?}");
        }
    }

    #[test]
    fn one_that_fails_or_is_slow_is_bad_and_one_that_does_as_well_is_good() {
        let bad = verdict((10_000, 1000, 0), (1_000, 10, 0));
        assert!(bad.judgement == Judgement::Bad && bad.why.contains("fail"), "{bad:?}");
        let slow = verdict((10_000, 0, 50), (1_000, 0, 5));
        assert!(slow.judgement == Judgement::Bad && slow.why.contains("slow"), "{slow:?}");
        let good = verdict((30_000, 1000, 50), (10_000, 1000, 50));
        assert_eq!(good.judgement, Judgement::Good, "{good:?}");
        assert!((good.part - 0.1).abs() < 1e-9 && good.old.calls == 30_000 && good.new.failed == 10, "{good:?}");
        let better = verdict((10_000, 20, 10), (10_000, 0, 0));
        assert_eq!(better.judgement, Judgement::Good, "{better:?}");
    }

    #[test]
    fn one_whose_own_policies_deny_more_is_bad() {
        let mut it = both();
        let now = Timestamp::from_secs(START);
        fill(&mut it, "api", 10_000, 0, 0);
        fill(&mut it, "api-v2", 900, 0, 0);
        it.count(&name("api-v2"), Ended::Denied, 100, now);
        let bad = it.judge(now).remove(0);
        assert!(bad.judgement == Judgement::Bad && bad.why.contains("are denied"), "{bad:?}");
        it.count(&name("api"), Ended::Denied, 1_000, now);
        let same = it.judge(now).remove(0);
        assert_eq!(same.judgement, Judgement::NotYet, "of both as many: {same:?}");
        let mut it = both();
        fill(&mut it, "api", 10_000, 0, 0);
        it.count(&name("api-v2"), Ended::Denied, 100, now);
        let all = it.judge(now).remove(0);
        assert!(all.judgement == Judgement::Bad && all.why.contains("are denied"), "denies everything: {all:?}");
    }

    fn more(part: f64) -> Raise {
        Raise { service: name("api"), version: name("api-v2"), part, beside: Vec::new() }
    }

    fn by(it: &Versions, part: f64, now: Timestamp) -> Result<(), HeldBy> {
        it.may_get(&more(part), "", now).map_err(|held| held.by)
    }

    #[test]
    fn without_a_verdict_a_version_gets_a_canary_and_no_more() {
        let now = Timestamp::from_secs(START);
        let mut it = Versions::default();
        assert_eq!(by(&it, 0.1, now), Ok(()), "nobody knows it");
        for part in [0.11, 0.5, 1.0] {
            assert_eq!(by(&it, part, now), Err(HeldBy::NotYet), "all at once: {part}");
        }
        it.set(weights(99, 1), &Programs::new(), now);
        fill(&mut it, "api", 10_000, 0, 0);
        fill(&mut it, "api-v2", 99, 0, 0);
        assert_eq!((by(&it, 0.1, now), by(&it, 0.5, now)), (Ok(()), Err(HeldBy::NotYet)), "too few");
        fill(&mut it, "api-v2", 9_000, 0, 0);
        assert_eq!((by(&it, 0.5, now), by(&it, 1.0, now)), (Ok(()), Ok(())), "good");
        let why = Versions::default().may_get(&more(1.0), "", now).unwrap_err().why;
        assert_eq!(why, "there is no verdict yet, and before it gets 10 % at most: it had no calls yet");
    }

    #[test]
    fn a_bad_one_gets_no_more_of_anything() {
        let mut it = both();
        let now = Timestamp::from_secs(START);
        fill(&mut it, "api", 10_000, 0, 0);
        fill(&mut it, "api-v2", 1_000, 5, 0);
        for part in [0.01, 0.1, 1.0] {
            assert_eq!(by(&it, part, now), Err(HeldBy::Bad), "{part}");
        }
        let all = it.judge(now);
        assert_eq!(it.newly_bad(&all).len(), 1);
        assert_eq!(it.newly_bad(&all), [], "told once");
        // Taken back, it stays what it is; another program of the same name is another one.
        it.set(weights(100, 0), &Programs::new(), now);
        assert_eq!(by(&it, 0.1, now), Err(HeldBy::Bad));
        let mended = |it: &Versions, part: f64| it.may_get(&more(part), "mended", now).map_err(|held| held.by);
        let anew = (Ok(()), Err(HeldBy::NotYet));
        assert_eq!((mended(&it, 0.1), mended(&it, 0.5)), anew, "before it is there");
        it.set(weights(100, 0), &[(name("api-v2"), "mended".to_owned())].into(), now);
        assert_eq!((mended(&it, 0.1), mended(&it, 0.5)), anew);
        // And so is the one that it is held against.
        fill(&mut it, "api-v2", 9_000, 0, 0);
        let both = |it: &str| [(name("api-v2"), "mended".to_owned()), (name("api"), it.to_owned())].into();
        it.set(weights(100, 0), &both("other"), now);
        assert_eq!(it.judge(now)[0].old.calls, 0);
    }

    #[test]
    fn each_larger_part_has_to_prove_itself_anew() {
        let mut it = both();
        let at = |minutes: u64| Timestamp::from_secs(START + 60 * minutes);
        it.count(&name("api"), Ended::Answered(900), 90_000, at(0));
        it.count(&name("api-v2"), Ended::Answered(900), 10_000, at(0));
        assert_eq!(by(&it, 0.5, at(0)), Ok(()));
        it.set(weights(50, 50), &Programs::new(), at(1));
        assert_eq!(by(&it, 1.0, at(1)), Err(HeldBy::NotYet), "good, and nothing of it since");
        assert_eq!(it.judge(at(1))[0].raised, Some(at(1)));
        // A hundred of a hundred thousand within the hour, and a fifth of those since it was raised.
        it.count(&name("api-v2"), Ended::Answered(900), 400, at(2));
        it.count(&name("api-v2"), Ended::Failed(900), 20, at(2));
        it.count(&name("api"), Ended::Answered(900), 400, at(2));
        let status = it.judge(at(2)).remove(0);
        assert_eq!(status.judgement, Judgement::Good, "over the hour: {status:?}");
        assert_eq!(by(&it, 1.0, at(2)), Err(HeldBy::Burning), "{status:?}");
        assert!(status.burn.is_some_and(|it| it > 9.0 && it < 10.0), "{status:?}");
        assert!(status.is_found_bad() && status.held.as_ref().unwrap().why.contains("20 of 420"), "{status:?}");
        // A smaller part keeps what it was raised to in mind; half an hour of good calls and it is over.
        it.set(weights(90, 10), &Programs::new(), at(3));
        assert_eq!(by(&it, 0.5, at(3)), Err(HeldBy::Burning));
        it.count(&name("api-v2"), Ended::Answered(900), 10_000, at(20));
        assert_eq!(by(&it, 0.5, at(20)), Ok(()));
    }

    #[test]
    fn what_others_say_and_what_is_old_does_not_count() {
        let mut it = both();
        let mut denied = call("api-v2", 403, 10);
        if let What::Request(request) = &mut denied.what {
            let (policies, reason, epoch) = (Vec::new(), None, Epoch(1));
            request.decision = Some(Judged { verdict: Verdict::Deny, policies, reason, epoch });
        }
        let outbound = Event { seen_by: SeenBy::Outbound, ..call("api-v2", 502, 10) };
        let now = Timestamp::from_secs(START);
        for event in [denied, outbound, call("other", 500, 1)] {
            it.note(&event, now);
        }
        let new = it.judge(now)[0].new;
        assert_eq!((new.calls, new.denied), (0, 1));
        it.note(&call("api-v2", 200, 10), now);
        assert_eq!(it.judge(now)[0].new.calls, 1);
        assert_eq!(it.judge(now.plus(Duration::from_secs(3_700)))[0].new.calls, 0, "an hour later");
        // A clock that went back: nothing of the future counts, and memory stays.
        assert_eq!(it.judge(now.minus(Duration::from_secs(3_700)))[0].new.calls, 0);
        it.set(Splits::new(), &Programs::new(), now);
        assert!(it.judge(now).is_empty() && it.counted.is_empty());
    }

    proptest! {
        #[test]
        fn an_interval_holds_what_was_counted(a in 0u64..500, n in 1u64..500, b in 0u64..500, m in 1u64..500) {
            let (new, old) = (Tally::new(a.min(n), n), Tally::new(b.min(m), m));
            let Difference { counted, between: (low, high), .. } = difference(new, old, VERSION_Z).unwrap();
            let d = new.ratio().unwrap() - old.ratio().unwrap();
            prop_assert_eq!(counted, d);
            prop_assert!((-1.0..=1.0).contains(&low) && low <= d + 1e-12 && d <= high + 1e-12 && high <= 1.0);
        }
    }
}
