//! Whether a new version of a service is as good as the one beside it, while calls are shared out between both by chance: by the share
//! of calls that fail, and of those that are slow, with how sure that is.
//!
//! Slow is what takes longer than all but a twentieth of the old version's calls, so that both questions are one: by how much do two
//! shares differ? The answer is Newcombe's interval for the difference of two shares (Statistics in Medicine 17 (1998), 873–890,
//! method 10), of Wilson's intervals for each. Whoever looks again and again finds a difference by chance sooner or later; the
//! interval is of 99.9 % therefore, and a version is good only where the whole of it is within what is put up with.

use crate::limits::{
    VERSION_CALLS_MIN, VERSION_FAILS_MORE_MAX, VERSION_SLOT, VERSION_SLOTS, VERSION_SLOW_SHARE, VERSION_SLOWER_MAX,
    VERSION_Z, VERSIONS_COUNTED_MAX,
};
use crate::tally::Tally;
use bartizan_core::event::{Event, SeenBy, What};
use bartizan_core::stats::Histogram;
use bartizan_core::versions::{Judgement, VersionCounts, VersionStatus};
use bartizan_core::{ServiceName, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// How calls are shared out, by whom callers name.
pub type Splits = BTreeMap<ServiceName, Vec<(ServiceName, u16)>>;

/// What was counted of the versions of a fleet, for an hour. It begins anew with the process.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    splits: Splits,
    counted: BTreeMap<ServiceName, VecDeque<Slot>>,
}

#[derive(Clone, Debug)]
struct Slot {
    number: u64,
    failed: u64,
    took: Histogram,
}

/// Everything of a version that still counts.
#[derive(Clone, Debug, Default)]
struct Sum {
    failed: u64,
    took: Histogram,
}

impl Versions {
    /// What the fleet file says now. Who is in no split is not counted any more.
    pub fn set(&mut self, splits: Splits) {
        let names =
            splits.iter().flat_map(|(service, split)| std::iter::once(service).chain(split.iter().map(|it| &it.0)));
        let known: BTreeMap<ServiceName, ()> =
            names.take(VERSIONS_COUNTED_MAX).map(|name| (name.clone(), ())).collect();
        self.counted.retain(|name, _| known.contains_key(name));
        for name in known.into_keys() {
            self.counted.entry(name).or_default();
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
        let Some(slots) = event.service.as_ref().and_then(|service| self.counted.get_mut(service)) else { return };
        // What policy denies says nothing of a version.
        if it.decision.as_ref().is_some_and(|decision| decision.verdict == bartizan_core::decision::Verdict::Deny) {
            return;
        }
        let number = slot_of(now);
        if slots.back().is_none_or(|slot| slot.number != number) {
            slots.retain(|slot| slot.number < number && slot.number + VERSION_SLOTS as u64 > number);
            slots.push_back(Slot { number, failed: 0, took: Histogram::default() });
        }
        if let Some(slot) = slots.back_mut() {
            slot.took.record(it.took_us.into());
            slot.failed += u64::from(it.status >= 500 || it.error.is_some());
        }
    }

    /// What is thought of each version.
    pub fn judge(&self, now: Timestamp) -> Vec<VersionStatus> {
        let mut all = Vec::new();
        for (service, split) in &self.splits {
            let sum: u32 = split.iter().map(|(_, weight)| u32::from(*weight)).sum();
            let old = self.sum(service, now);
            for (version, weight) in split.iter().filter(|(version, _)| version != service) {
                let part = f64::from(*weight) / f64::from(sum.max(1));
                all.push(judged(service, version, part, &old, &self.sum(version, now)));
            }
        }
        all
    }

    fn sum(&self, service: &ServiceName, now: Timestamp) -> Sum {
        let number = slot_of(now);
        let slots = self.counted.get(service).into_iter().flatten();
        let mut sum = Sum::default();
        for slot in slots.filter(|slot| slot.number <= number && slot.number + VERSION_SLOTS as u64 > number) {
            sum.failed += slot.failed;
            sum.took = sum.took.plus(&slot.took);
        }
        sum
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
            p50_us: at(0.5),
            p95_us: at(1.0 - VERSION_SLOW_SHARE),
        }
    }

    fn failed(&self) -> Tally {
        Tally::new(self.failed, self.took.count())
    }

    fn slow(&self, than_us: u64) -> Tally {
        Tally::new(self.took.above(than_us), self.took.count())
    }
}

fn judged(service: &ServiceName, version: &ServiceName, part: f64, old: &Sum, new: &Sum) -> VersionStatus {
    let slow_us = old.took.quantile(1.0 - VERSION_SLOW_SHARE);
    let fails_more = difference(new.failed(), old.failed(), VERSION_Z);
    let slower = slow_us.and_then(|us| difference(new.slow(us), old.slow(us), VERSION_Z));
    let (judgement, why) = judgement(old, new, fails_more, slower);
    let (service, version) = (service.clone(), version.clone());
    let (old, new) = (old.counts(), new.counts());
    VersionStatus { service, version, part, judgement, why, old, new, fails_more, slow_us, slower }
}

fn judgement(old: &Sum, new: &Sum, fails_more: Option<(f64, f64)>, slower: Option<(f64, f64)>) -> (Judgement, String) {
    let least = old.took.count().min(new.took.count());
    let (Some(fails_more), Some(slower)) = (fails_more, slower) else {
        return (Judgement::NotYet, "there are no calls of both yet".to_owned());
    };
    let questions = [("fail", fails_more, VERSION_FAILS_MORE_MAX), ("are slow", slower, VERSION_SLOWER_MAX)];
    let said = |(what, (from, to), most): (&str, (f64, f64), f64)| {
        format!(
            "{:+.2} to {:+.2} % more of its calls {what}; {:.1} % are put up with",
            from * 100.0,
            to * 100.0,
            most * 100.0
        )
    };
    // More than is put up with, and surely more at all.
    let worse = questions.into_iter().find(|(_, (from, to), most)| *from > 0.0 && f64::midpoint(*from, *to) > *most);
    if let Some(worse) = worse.filter(|_| least >= VERSION_CALLS_MIN) {
        return (Judgement::Bad, said(worse));
    }
    if least < VERSION_CALLS_MIN {
        return (
            Judgement::NotYet,
            format!("{least} calls of one of both are too few; {VERSION_CALLS_MIN} are the least"),
        );
    }
    match questions.into_iter().find(|(_, (_, to), most)| to > most) {
        Some(unsure) => (Judgement::NotYet, said(unsure)),
        None => (Judgement::Good, said(questions[0])),
    }
}

/// Where the difference of two shares lies, first less second, with a chance that `z` says; `None` where one of them has nothing to count.
fn difference(new: Tally, old: Tally, z: f64) -> Option<(f64, f64)> {
    let ((p1, (l1, u1)), (p2, (l2, u2))) = ((new.ratio()?, new.interval_at(z)?), (old.ratio()?, old.interval_at(z)?));
    let (d, down, up) = (p1 - p2, (p1 - l1).hypot(u2 - p2), (u1 - p1).hypot(p2 - l2));
    Some(((d - down).max(-1.0), (d + up).min(1.0)))
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
        it.set([(name("api"), vec![(name("api"), 90), (name("api-v2"), 10)])].into());
        it
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
        let (low, high) = difference(Tally::new(56, 70), Tally::new(48, 80), 1.959_964).unwrap();
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
    fn what_policy_denies_what_others_say_and_what_is_old_does_not_count() {
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
        assert_eq!(it.judge(now)[0].new.calls, 0);
        it.note(&call("api-v2", 200, 10), now);
        assert_eq!(it.judge(now)[0].new.calls, 1);
        assert_eq!(it.judge(now.plus(Duration::from_secs(3_700)))[0].new.calls, 0, "an hour later");
        // A clock that went back: nothing of the future counts, and memory stays.
        assert_eq!(it.judge(now.minus(Duration::from_secs(3_700)))[0].new.calls, 0);
        it.set(Splits::new());
        assert!(it.judge(now).is_empty() && it.counted.is_empty());
    }

    proptest! {
        #[test]
        fn an_interval_holds_what_was_counted(a in 0u64..500, n in 1u64..500, b in 0u64..500, m in 1u64..500) {
            let (new, old) = (Tally::new(a.min(n), n), Tally::new(b.min(m), m));
            let (low, high) = difference(new, old, VERSION_Z).unwrap();
            let d = new.ratio().unwrap() - old.ratio().unwrap();
            prop_assert!((-1.0..=1.0).contains(&low) && low <= d + 1e-12 && d <= high + 1e-12 && high <= 1.0);
        }
    }
}
