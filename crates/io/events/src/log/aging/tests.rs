//! On the log itself, with a clock of the test's own: what must be there is there, what must be gone is gone, whatever comes between.

use super::*;
use crate::event::{Filter, Order, StoredEvent};
use bartizan_core::ServiceName;
use bartizan_core::event::{Class, EventId, Upshot};
use proptest::prelude::*;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

const HOUR: u64 = 3_600;
const DAY: u64 = 24;

fn hours(n: u64) -> Duration {
    Duration::from_secs(n * HOUR)
}

fn at(hour: u64) -> Timestamp {
    Timestamp::from_secs(hour * HOUR)
}

fn service(n: u64) -> Option<ServiceName> {
    ServiceName::parse(&format!("s{n}")).ok()
}

/// Event number `n` of this sort at this hour.
fn event(n: u64, hour: u64, sort: Sort) -> StoredEvent {
    let (class, upshot) = match sort {
        Sort::Calls => (Class::Request, Upshot::Ok),
        Sort::Telemetry => (Class::Telemetry, Upshot::Ok),
        Sort::Denied => (Class::Request, Upshot::Denied),
        Sort::People => (Class::Person, Upshot::Ok),
        Sort::Changes => (Class::Config, Upshot::Ok),
        Sort::Findings => (Class::Alert, Upshot::Ok),
    };
    let (id, at, service) = (EventId(7, n), at(hour), service(n % 3));
    StoredEvent { id, at, service, class: Some(class), upshot, ..crate::tests::event(n) }
}

/// What hardly can be packed, a kilobyte of it.
fn heavy(n: u64, sort: Sort) -> StoredEvent {
    let noise = (0..1_000u64).map(|at| ((n * 1_000 + at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8);
    StoredEvent { record: noise.collect(), ..event(n, n, sort) }
}

fn tend(log: &Log, hour: u64) {
    while log.tend(at(hour)) {}
}

/// All that is there, from the oldest on.
fn held(log: &Log) -> Vec<StoredEvent> {
    let mut filter = Filter { order: Order::Oldest, ..Filter::default() };
    let mut all = Vec::new();
    loop {
        let page = log.find(&filter).unwrap();
        all.extend(page.events);
        match page.next {
            Some(next) => filter.from = Some(next),
            None => return all,
        }
    }
}

fn numbers(log: &Log) -> Vec<u64> {
    held(log).iter().map(|it| it.id.1).collect()
}

fn each(ages: &[(Sort, u64)]) -> [Option<Duration>; Sort::COUNT] {
    let mut each: [Option<Duration>; Sort::COUNT] = Default::default();
    ages.iter().for_each(|(sort, age)| each[*sort as usize] = Some(hours(*age)));
    each
}

/// Every hour of `of`, an event of each of these sorts.
fn filled(log: &Log, of: std::ops::Range<u64>, sorts: &[Sort]) {
    for hour in of {
        let count = sorts.len() as u64;
        let batch = sorts.iter().zip(0..).map(|(sort, n)| event(hour * count + n, hour, *sort)).collect();
        log.append(batch).unwrap();
        tend(log, hour);
    }
}

#[test]
fn an_audit_finds_what_is_a_day_short_of_its_age_and_nothing_that_is_a_partition_over_it() {
    let dir = tempfile::tempdir().unwrap();
    let (calls, denied) = (7 * DAY, 30 * DAY);
    let retention =
        Retention { keep_each: each(&[(Sort::Calls, calls), (Sort::Denied, denied)]), ..Retention::default() };
    let log = Log::open(&dir.path().join("events"), retention, &[]).unwrap();
    let now = 100 * DAY;
    filled(&log, 0..now, &[Sort::Calls, Sort::Denied, Sort::People]);
    tend(&log, now);
    let partition = 7 * DAY / 8; // an eighth of the shortest age
    let asked = |class: Class, upshot, from: u64, until: u64| {
        let filter = Filter {
            classes: vec![class],
            upshots: vec![upshot],
            since: Some(at(from)),
            until: Some(at(until)),
            ..Filter::default()
        };
        log.find(&filter).unwrap().events.len() as u64
    };
    for (class, upshot, age) in [(Class::Request, Upshot::Ok, calls), (Class::Request, Upshot::Denied, denied)] {
        assert_eq!(asked(class, upshot, now - age + DAY, now), age - DAY, "a day before the limit, of {upshot}");
        assert_eq!(asked(class, upshot, 0, now - age - partition - 1), 0, "behind the limit, of {upshot}");
    }
    assert_eq!(asked(Class::Person, Upshot::Ok, 0, now), now, "what has no age stays");
    let status = log.status();
    let left = |sort: Sort| status.aged_each.get(&sort).copied().unwrap_or(0);
    assert_eq!(left(Sort::Calls), now - asked(Class::Request, Upshot::Ok, 0, now));
    assert_eq!(left(Sort::Denied), now - asked(Class::Request, Upshot::Denied, 0, now));
    assert_eq!((left(Sort::People), status.aged), (0, left(Sort::Calls) + left(Sort::Denied)), "{status:?}");
    assert_eq!(status.events + status.aged, 3 * now, "nothing went uncounted");
}

#[test]
fn what_is_held_outlives_its_age_and_a_start_and_goes_when_it_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("events");
    let retention = Retention { keep: Some(hours(8)), ..Retention::default() };
    let log = Log::open(&dir, retention, &[]).unwrap();
    filled(&log, 0..40, &[Sort::Calls]);
    let scope = HoldScope { from: Some(at(36)), until: Some(at(39)), service: service(0), ..HoldScope::default() };
    log.set_holds(std::slice::from_ref(&scope));
    tend(&log, 1_000);
    tend(&log, 1_010);
    assert_eq!(numbers(&log), [36], "what is under the hold, and nothing beside it");
    log.close();
    let log = Log::open(&dir, retention, &[scope]).unwrap();
    tend(&log, 2_000);
    assert_eq!((numbers(&log), log.status().holds), (vec![36], 1));
    log.set_holds(&[]);
    tend(&log, 2_000);
    assert_eq!(numbers(&log), [0; 0]);
}

#[test]
fn a_hold_that_came_while_a_partition_was_written_anew_counts() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { keep_each: each(&[(Sort::Calls, 8)]), ..Retention::default() };
    let log = Log::open(&dir.path().join("events"), retention, &[]).unwrap();
    filled(&log, 0..20, &[Sort::Calls, Sort::Denied]);
    let before = numbers(&log);
    let next = log.state().next_by_age(at(1_000)).unwrap();
    let thinned = pack::thin(&log.dir, &next.segment, |it| it.sort() == Sort::Calls);
    log.set_holds(&[HoldScope::default()]);
    assert!(!log.state().put_thinned(&next, thinned));
    tend(&log, 1_000);
    assert_eq!(numbers(&log), before);
}

#[test]
fn where_room_is_short_plain_events_go_before_what_an_audit_asks_for_and_nothing_that_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { bytes_max: Some(1 << 20), when_full: WhenFull::Drop, ..Retention::default() };
    let held_scope = HoldScope { until: Some(at(50)), ..HoldScope::default() };
    let log = Log::open(&dir.path().join("events"), retention, &[held_scope]).unwrap();
    log.open_reader("slow", None);
    let sort = |n: u64| if n.is_multiple_of(10) { Sort::Denied } else { Sort::Calls };
    for n in 0..4_000 {
        log.append(vec![heavy(n, sort(n))]).unwrap();
        if n % 64 == 0 {
            tend(&log, n);
        }
        let status = log.status();
        assert!(status.bytes <= 1 << 20, "{status:?}");
        let it = log.reading("slow").unwrap();
        assert_eq!(it.received, it.read + it.missed + it.waiting, "{it:?}");
    }
    let kept = numbers(&log);
    assert!(kept.is_sorted());
    assert_eq!(kept[..50], (0..50).collect::<Vec<_>>(), "all that is held");
    let denied: Vec<u64> = kept.iter().copied().filter(|n| sort(*n) == Sort::Denied).collect();
    assert_eq!(denied, (0..400).map(|n| n * 10).collect::<Vec<_>>(), "no denial went, since plain events sufficed");
    let status = log.status();
    assert_eq!((status.displaced, status.events), (4_000 - kept.len() as u64, kept.len() as u64));
    assert_eq!(status.displaced_each, BTreeMap::from([(Sort::Calls, status.displaced)]));

    // All of it held: no room for anything, until one is released.
    log.set_holds(&[HoldScope::default()]);
    let mut refused = false;
    for n in 4_000..6_000 {
        refused |= log.append(vec![heavy(n, Sort::Calls)]).is_err();
    }
    assert!(refused && log.status().displaced == status.displaced, "{:?}", log.status());
    assert!(matches!(log.append(vec![heavy(9_000, Sort::Denied)]), Err(crate::EventsError::Full { .. })));
    log.set_holds(&[]);
    log.append(vec![heavy(9_000, Sort::Denied)]).unwrap();
}

#[test]
fn denials_alone_go_the_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { bytes_max: Some(1 << 20), when_full: WhenFull::Drop, ..Retention::default() };
    let log = Log::open(&dir.path().join("events"), retention, &[]).unwrap();
    for n in 0..3_000 {
        log.append(vec![heavy(n, Sort::Denied)]).unwrap();
    }
    let kept = numbers(&log);
    assert!(kept[0] > 0 && kept == (kept[0]..3_000).collect::<Vec<_>>(), "{kept:?}");
    assert_eq!(log.status().displaced_each, BTreeMap::from([(Sort::Denied, kept[0])]));
}

/// A store of before knows nothing of sorts: they are looked up, and then it is as every other.
#[test]
fn a_partition_whose_index_says_nothing_of_sorts_is_looked_up_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("events");
    let log = Log::open(&dir, Retention::default(), &[]).unwrap();
    filled(&log, 0..200, &[Sort::Calls, Sort::Denied]);
    tend(&log, 400);
    log.close();
    let log = Log::open(&dir, Retention::default(), &[]).unwrap();
    {
        let mut state = log.state();
        for at in 0..state.closed.len() {
            let mut blind = Segment::indexed(state.closed[at].number, &state.closed[at].path).unwrap();
            blind.outline.sorts = None;
            state.closed[at] = Arc::new(blind);
        }
    }
    tend(&log, 400);
    log.set_retention(Retention { keep_each: each(&[(Sort::Calls, 24)]), ..Retention::default() });
    tend(&log, 1_000);
    assert_eq!(numbers(&log), (0..200).map(|n| n * 2 + 1).collect::<Vec<_>>());
}

/// The writing end of the test below: events of a day, then what is too old goes, until it is killed.
#[test]
fn thinner_that_is_killed() {
    let Some(dir) = std::env::var_os("BARTIZAN_TEST_THINNED") else { return };
    let retention = Retention { keep_each: each(&[(Sort::Calls, 24)]), ..Retention::default() };
    let log = Log::open(Path::new(&dir), retention, &[]).unwrap();
    let from = held(&log).iter().map(|it| it.id.1 / 20 + 1).max().unwrap_or(0);
    for day in from.. {
        let sort = |n: u64| if n.is_multiple_of(2) { Sort::Denied } else { Sort::Calls };
        log.append((day * 20..(day + 1) * 20).map(|n| event(n, day * DAY, sort(n))).collect()).unwrap();
        println!("stored {day}");
        tend(&log, day * DAY);
    }
}

#[test]
fn a_kill_while_a_partition_is_written_anew_costs_nothing_that_stays() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("events");
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["log::aging::tests::thinner_that_is_killed", "--exact", "--nocapture"])
            .env("BARTIZAN_TEST_THINNED", &dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let days = lines.filter_map(|line| line.rsplit_once("stored ")?.1.parse::<u64>().ok());
        let last = days.take(5 + 3 * round).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let log = Log::open(&dir, Retention::default(), &[]).unwrap();
        let (denied, calls): (Vec<_>, Vec<_>) = held(&log).into_iter().partition(|it| it.sort() == Sort::Denied);
        let denied: Vec<u64> = denied.iter().map(|it| it.id.1).collect();
        assert!(denied.len() as u64 >= (last + 1) * 10, "round {round}");
        assert_eq!(denied, (0..denied.len() as u64).map(|n| n * 2).collect::<Vec<_>>(), "round {round}: each once");
        assert!(
            calls.iter().filter(|it| it.at == at(last * DAY)).count() == 10,
            "round {round}: the last day is whole"
        );
        log.close();
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Hours that pass, and the sorts of a batch at the end of them.
    Append(u64, Vec<Sort>),
    /// What the store does by itself.
    Tend,
    /// Long enough that every partition is closed.
    Settle,
    Hold(u64, u64, Option<u64>),
    Release(usize),
    Keep(Option<u64>, Vec<(Sort, u64)>),
    /// With a half-written file, as after a kill.
    Reopen,
}

fn a_sort() -> impl Strategy<Value = Sort> {
    (0..Sort::COUNT).prop_map(|n| Sort::ALL[n])
}

fn an_age() -> impl Strategy<Value = u64> {
    proptest::sample::select(vec![8, 30, 5 * DAY, 20 * DAY])
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..40u64, proptest::collection::vec(a_sort(), 1..6)).prop_map(|(hours, sorts)| Step::Append(hours, sorts)),
        3 => Just(Step::Tend),
        2 => Just(Step::Settle),
        1 => (0..400u64, 1..200u64, proptest::option::of(0..3u64)).prop_map(|(from, span, of)| Step::Hold(from, span, of)),
        1 => (0..4usize).prop_map(Step::Release),
        1 => (proptest::option::of(an_age()), proptest::collection::vec((a_sort(), an_age()), 0..4))
            .prop_map(|(keep, ages)| Step::Keep(keep, ages)),
        1 => Just(Step::Reopen),
    ]
}

/// What was stored, and what of it may be gone.
struct Model {
    stored: Vec<(StoredEvent, bool)>,
    holds: Vec<HoldScope>,
    retention: Retention,
    now: u64,
}

impl Model {
    fn is_held(&self, event: &StoredEvent) -> bool {
        crate::hold::Held::of(&self.holds).has(event)
    }

    /// Too old by so many hours.
    fn is_old(&self, event: &StoredEvent, by: u64) -> bool {
        let keep = self.retention.age(event.sort());
        keep.is_some_and(|keep| event.at < at(self.now).minus(keep).minus(hours(by))) && !self.is_held(event)
    }

    fn tend(&mut self, log: &Log) {
        tend(log, self.now);
        for n in 0..self.stored.len() {
            let may_go = self.is_old(&self.stored[n].0, 0);
            self.stored[n].1 |= may_go;
        }
    }

    fn check(&self, log: &Log, is_settled: bool) -> Result<(), TestCaseError> {
        let there = held(log);
        prop_assert!(there.is_sorted_by(|a, b| a.cursor() < b.cursor()), "in order, each once");
        let find = |event: &StoredEvent| there.binary_search_by_key(&event.cursor(), StoredEvent::cursor).ok();
        let mut known = 0;
        for (event, may_be_gone) in &self.stored {
            let found = find(event);
            known += usize::from(found.is_some());
            match found {
                Some(n) => prop_assert_eq!(&there[n], event),
                None => prop_assert!(may_be_gone, "{:?} at {} went", event, self.now),
            }
            // A partition spans a day at most.
            prop_assert!(
                !is_settled || found.is_none() || !self.is_old(event, DAY),
                "{event:?} is there at {}",
                self.now
            );
        }
        prop_assert_eq!(known, there.len());
        let status = log.status();
        prop_assert_eq!(status.events, there.len() as u64);
        prop_assert_eq!(status.aged_each.values().sum::<u64>(), status.aged);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn what_must_be_there_is_there_and_what_must_be_gone_is_gone(steps in proptest::collection::vec(a_step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("events");
        let mut log = Log::open(&dir, Retention::default(), &[]).unwrap();
        let mut it = Model { stored: Vec::new(), holds: Vec::new(), retention: Retention::default(), now: 0 };
        for step in steps {
            let mut is_settled = false;
            match step {
                Step::Append(passed, sorts) => {
                    it.now += passed;
                    let first = it.stored.len() as u64;
                    let batch: Vec<_> = sorts.iter().zip(first..).map(|(sort, n)| event(n, it.now, *sort)).collect();
                    log.append(batch.clone()).unwrap();
                    it.stored.extend(batch.into_iter().map(|event| (event, false)));
                }
                Step::Tend => it.tend(&log),
                Step::Settle => {
                    it.tend(&log);
                    it.now += 2 * DAY;
                    it.tend(&log);
                    is_settled = true;
                }
                Step::Hold(from, span, of) => {
                    let service = of.and_then(service);
                    it.holds.push(HoldScope { from: Some(at(from)), until: Some(at(from + span)), service, identity: None });
                    log.set_holds(&it.holds);
                }
                Step::Release(n) if n < it.holds.len() => {
                    it.holds.remove(n);
                    log.set_holds(&it.holds);
                }
                Step::Release(_) => {}
                Step::Keep(keep, ages) => {
                    it.retention = Retention { keep: keep.map(hours), keep_each: each(&ages), ..Retention::default() };
                    log.set_retention(it.retention);
                }
                Step::Reopen => {
                    log.close();
                    drop(log);
                    std::fs::write(dir.join("000000000001.new"), b"BZEVENT2 and a part").unwrap();
                    log = Log::open(&dir, it.retention, &it.holds).unwrap();
                }
            }
            it.check(&log, is_settled)?;
        }
    }
}
