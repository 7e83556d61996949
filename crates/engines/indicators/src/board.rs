//! All series of a fleet, fed by the counters of its guards.

use crate::count::{OfEdge, attacks, of_service};
use crate::indicator::{Indicator, Part, Place};
use crate::limits::{CANARY_PART_MAX, PARTS_MAX, SERIES_MAX};
use crate::rollouts::Rollouts;
use crate::series::Series;
use crate::tally::Tally;
use crate::totals::Totals;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::stats::{EdgeStats, ProxyStats};
use bartizan_core::synthetic::Synthetic;
use bartizan_core::{Member, ServiceName, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was counted, where, since when. It can be written down and read back: then nothing counts twice and nothing is left
/// out, however long nobody looked, as long as the guards live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    since: Timestamp,
    series: BTreeMap<(Indicator, Place), Series>,
    seen: BTreeMap<(Member, Indicator, Place), Totals>,
    /// Places that have no series of their own, since there were too many; they count for the fleet.
    left_out: u64,
    rollouts: Rollouts,
    parts: BTreeMap<(Part, Place), Series>,
    /// The counters of each edge to a guard as they were looked at last, by the guard and who calls.
    edges: BTreeMap<(Member, String), SeenEdge>,
}

/// See [`Board::edges`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SeenEdge {
    process: u64,
    last: EdgeStats,
}

impl SeenEdge {
    /// What came since the last look at `process`; all of it where that was not looked at before.
    fn added(&mut self, process: u64, now: &EdgeStats) -> EdgeStats {
        let before = if self.process == process { self.last } else { EdgeStats::default() };
        *self = Self { process, last: *now };
        now.since(&before)
    }
}

/// As it was written down before edges were remembered whole.
#[derive(Deserialize)]
struct BeforeParts {
    since: Timestamp,
    series: BTreeMap<(Indicator, Place), Series>,
    seen: BTreeMap<(Member, Indicator, Place), Totals>,
    left_out: u64,
    rollouts: Rollouts,
}

impl From<BeforeParts> for Board {
    fn from(it: BeforeParts) -> Self {
        let BeforeParts { since, series, seen, left_out, rollouts } = it;
        Self { since, series, seen, left_out, rollouts, parts: BTreeMap::new(), edges: BTreeMap::new() }
    }
}

/// As it was written down before snapshots were remembered.
#[derive(Deserialize)]
struct Earlier {
    since: Timestamp,
    series: BTreeMap<(Indicator, Place), Series>,
    seen: BTreeMap<(Member, Indicator, Place), Totals>,
    left_out: u64,
}

impl From<Earlier> for Board {
    fn from(it: Earlier) -> Self {
        let Earlier { since, series, seen, left_out } = it;
        BeforeParts { since, series, seen, left_out, rollouts: Rollouts::default() }.into()
    }
}

impl Board {
    /// Nothing so far.
    pub fn new(now: Timestamp) -> Self {
        let (series, seen) = (BTreeMap::new(), BTreeMap::new());
        BeforeParts { since: now, series, seen, left_out: 0, rollouts: Rollouts::default() }.into()
    }

    /// Takes in the counters of a guard; `process` differs for each life of it. `labels` says who calls without needing the answer.
    pub fn count(
        &mut self,
        member: &Member,
        process: u64,
        stats: &ProxyStats,
        labels: &BTreeMap<ServiceName, Synthetic>,
        now: Timestamp,
    ) {
        let here = Place::Service(member.service().clone());
        for (indicator, tally) in of_service(stats) {
            let added = self.added(member, indicator, &here, process, tally);
            self.add_here(indicator, &here, added, now);
        }
        let attacks = self.added(member, Indicator::M3, &here, process, Tally::new(attacks(stats), 0));
        self.add_part_here(Part::Attack, &here, attacks, now);
        for (from, edge) in &stats.inbound {
            let added = self.edges.entry((member.clone(), from.clone())).or_default().added(process, edge);
            if added == EdgeStats::default() {
                continue;
            }
            let label = ServiceName::parse(from).ok().and_then(|from| labels.get(&from).copied());
            self.count_edge(&here, Place::Edge(from.clone(), member.service().clone()), OfEdge::of(&added, label), now);
        }
    }

    fn count_edge(&mut self, here: &Place, edge: Place, it: OfEdge, now: Timestamp) {
        for (indicator, tally) in it.indicators() {
            self.add_here(indicator, here, tally, now);
            self.add(indicator, edge.clone(), tally, now);
        }
        self.add_here(Indicator::M8, here, it.m8, now);
        for (part, tally) in it.parts() {
            self.add_part_here(part, here, tally, now);
            self.add_part(part, edge.clone(), tally, now);
        }
    }

    fn added(&mut self, member: &Member, indicator: Indicator, place: &Place, process: u64, tally: Tally) -> Tally {
        self.seen.entry((member.clone(), indicator, place.clone())).or_default().added(process, tally)
    }

    /// For a service, and the fleet that it is of.
    fn add_here(&mut self, indicator: Indicator, here: &Place, tally: Tally, now: Timestamp) {
        self.add(indicator, Place::Fleet, tally, now);
        self.add(indicator, here.clone(), tally, now);
    }

    fn add_part_here(&mut self, part: Part, here: &Place, tally: Tally, now: Timestamp) {
        self.add_part(part, Place::Fleet, tally, now);
        self.add_part(part, here.clone(), tally, now);
    }

    fn add_part(&mut self, part: Part, place: Place, tally: Tally, now: Timestamp) {
        if tally == Tally::default() {
            return;
        }
        let key = (part, place);
        if self.parts.len() >= PARTS_MAX && !self.parts.contains_key(&key) && key.1 != Place::Fleet {
            self.left_out += 1;
            return;
        }
        self.parts.entry(key).or_default().add(now, tally);
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, indicator: Indicator, place: Place, tally: Tally, now: Timestamp) {
        if tally == Tally::default() {
            return;
        }
        let key = (indicator, place);
        if self.series.len() >= SERIES_MAX && !self.series.contains_key(&key) && key.1 != Place::Fleet {
            self.left_out += 1;
            return;
        }
        self.series.entry(key).or_default().add(now, tally);
    }

    /// A snapshot is published: see [`Rollouts`].
    pub fn published(&mut self, kind: Kind, epoch: Epoch, now: Timestamp) {
        let tally = self.rollouts.published(kind, epoch, now);
        self.add(Indicator::M9, Place::Fleet, tally, now);
    }

    /// A guard refused a snapshot: see [`Rollouts`].
    pub fn refused(&mut self, kind: Kind, epoch: Epoch, now: Timestamp) {
        let tally = self.rollouts.refused(kind, epoch, now);
        self.add(Indicator::M9, Place::Fleet, tally, now);
    }

    /// A version was found bad, which this snapshot gave this part of the calls: a failed roll-out, unless it had a canary's part and no
    /// more. That one was stopped in time, which is what canaries are for, and is counted beside.
    pub fn found_bad(&mut self, (kind, epoch): (Kind, Epoch), part: f64, now: Timestamp) {
        if part > CANARY_PART_MAX {
            self.refused(kind, epoch, now);
        } else {
            self.add_part(Part::Stopped, Place::Fleet, Tally::new(1, 1), now);
        }
    }

    /// Forgets guards that are not in the fleet any more, and what is older than a month.
    pub fn tidy(&mut self, is_member: impl Fn(&Member) -> bool, now: Timestamp) {
        self.seen.retain(|(member, ..), _| is_member(member));
        self.edges.retain(|(member, _), _| is_member(member));
        let (hour, slots) = crate::limits::RINGS[crate::limits::RINGS.len() - 1];
        let is_young = |series: &Series| series.last().is_some_and(|last| now.since(last) < hour * slots as u32);
        self.series.retain(|_, series| is_young(series));
        self.parts.retain(|_, series| is_young(series));
    }

    /// Since when anything is counted.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Tallies that have no series.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// One series.
    pub fn series(&self, indicator: Indicator, place: &Place) -> Option<&Series> {
        self.series.get(&(indicator, place.clone()))
    }

    /// One part beside an indicator.
    pub fn part(&self, part: Part, place: &Place) -> Option<&Series> {
        self.parts.get(&(part, place.clone()))
    }

    /// Where a part was counted.
    pub fn places_of_part(&self, part: Part) -> impl Iterator<Item = &Place> {
        let all = self.parts.range((part, Place::Fleet)..);
        all.take_while(move |((of, _), _)| *of == part).map(|((_, place), _)| place)
    }

    /// The series of an indicator, the fleet's first.
    pub fn of(&self, indicator: Indicator) -> impl Iterator<Item = (&Place, &Series)> {
        let all = self.series.range((indicator, Place::Fleet)..);
        all.take_while(move |((of, _), _)| *of == indicator).map(|((_, place), series)| (place, series))
    }

    /// As it is written down.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("maps of plain values can be written")
    }

    /// What was written down; `None` where it is nothing that [`Board::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let whole = |(board, rest): (Self, &[u8])| rest.is_empty().then_some(board);
        let before = || postcard::take_from_bytes::<BeforeParts>(bytes).ok().map(|(board, rest)| (board.into(), rest));
        let earlier = || postcard::take_from_bytes::<Earlier>(bytes).ok().map(|(board, rest)| (board.into(), rest));
        let now = postcard::take_from_bytes::<Self>(bytes).ok();
        let board = now.and_then(whole).or_else(|| before().and_then(whole)).or_else(|| earlier().and_then(whole))?;
        (board.rollouts.len() <= crate::limits::ROLLOUTS_MAX
            && board.series.len() <= SERIES_MAX + 16
            && board.parts.len() <= PARTS_MAX + 16
            && board.series.values().chain(board.parts.values()).all(Series::is_sound))
        .then_some(board)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3600);

    fn now() -> Timestamp {
        Timestamp::from_secs(1_700_000_000)
    }

    fn member(text: &str) -> Member {
        Member::parse(text).unwrap()
    }

    fn stats(calls: u64, denied: u64) -> ProxyStats {
        let edge = EdgeStats { calls, denied, ..EdgeStats::default() };
        ProxyStats { inbound: [("web".to_owned(), edge)].into(), ..ProxyStats::default() }
    }

    fn denied(board: &Board, place: &Place) -> Tally {
        board.series(Indicator::M3, place).map(|it| it.over(now(), HOUR)).unwrap_or_default()
    }

    #[test]
    fn the_fleet_is_the_sum_of_its_services() {
        let mut board = Board::new(now());
        board.count(&member("ledger"), 1, &stats(100, 1), &BTreeMap::new(), now());
        board.count(&member("audit"), 2, &stats(50, 0), &BTreeMap::new(), now());
        board.count(&member("ledger"), 1, &stats(110, 2), &BTreeMap::new(), now());
        let edge = Place::Edge("web".to_owned(), ServiceName::parse("ledger").unwrap());
        let ledger = Place::Service(ServiceName::parse("ledger").unwrap());
        assert_eq!(denied(&board, &ledger), Tally::new(2, 110));
        assert_eq!(denied(&board, &edge), Tally::new(2, 110));
        assert_eq!(denied(&board, &Place::Fleet), Tally::new(2, 160));
        assert_eq!(
            board.of(Indicator::M3).map(|(place, _)| place.to_string()).collect::<Vec<_>>().join(", "),
            "fleet, audit, ledger, web -> audit, web -> ledger"
        );
    }

    #[test]
    fn what_is_written_down_goes_on_where_it_was() {
        let mut board = Board::new(now());
        board.count(&member("ledger"), 1, &stats(100, 1), &BTreeMap::new(), now());
        let mut back = Board::from_bytes(&board.to_bytes()).unwrap();
        assert_eq!(back, board);
        back.count(&member("ledger"), 1, &stats(120, 1), &BTreeMap::new(), now());
        assert_eq!(denied(&back, &Place::Fleet), Tally::new(1, 120), "the first hundred do not count twice");
        back.count(&member("ledger"), 9, &stats(7, 0), &BTreeMap::new(), now());
        assert_eq!(denied(&back, &Place::Fleet), Tally::new(1, 127), "a new life of the guard counts from nothing");
        assert_eq!(Board::from_bytes(b"rubbish"), None);
        assert_eq!(Board::from_bytes(&[board.to_bytes(), vec![0]].concat()), None);
    }

    #[test]
    fn what_an_earlier_version_wrote_down_is_read() {
        let mut board = Board::new(now());
        board.add(Indicator::M3, Place::Fleet, Tally::new(1, 100), now());
        // The maps of parts, edges and snapshots stand last, and an empty one is a byte.
        let bytes = board.to_bytes();
        for younger in 1..=3 {
            assert_eq!(
                Board::from_bytes(&bytes[..bytes.len() - younger]),
                Some(board.clone()).filter(|_| younger != 1)
            );
        }
        board.published(Kind::Policies, Epoch(1), now());
        board.refused(Kind::Policies, Epoch(1), now());
        let mut back = Board::from_bytes(&board.to_bytes()).unwrap();
        back.published(Kind::Policies, Epoch(1), now());
        back.refused(Kind::Policies, Epoch(1), now());
        let hour = back.series(Indicator::M9, &Place::Fleet).map(|it| it.over(now(), HOUR));
        assert_eq!(hour, Some(Tally::new(1, 1)), "refused pairs are known after a restart");
    }

    #[test]
    fn what_a_drill_or_a_check_does_is_counted_apart() {
        let edge =
            |calls, denied, expected| EdgeStats { calls, denied, expected, unauthenticated: 1, ..EdgeStats::default() };
        let callers = [("web", edge(1000, 3, 2)), ("prober", edge(50, 1, 0)), ("red-team", edge(200, 200, 0))];
        let stats = ProxyStats {
            inbound: callers.map(|(from, edge)| (from.to_owned(), edge)).into(),
            attacks_refused: 7,
            ..ProxyStats::default()
        };
        let name = |text| ServiceName::parse(text).unwrap();
        let labels = [(name("prober"), Synthetic::Checks), (name("red-team"), Synthetic::Drill)].into();
        let mut board = Board::new(now());
        for _ in 0..3 {
            board.count(&member("ledger"), 1, &stats, &labels, now());
        }
        let over = |series: Option<&Series>| series.map(|it| it.over(now(), HOUR)).unwrap_or_default();
        for place in [Place::Fleet, Place::Service(name("ledger"))] {
            assert_eq!(over(board.series(Indicator::M1, &place)), Tally::new(1, 1000), "{place}");
            assert_eq!(over(board.series(Indicator::M3, &place)), Tally::new(2, 1050), "{place}");
            assert_eq!(over(board.series(Indicator::M8, &place)), Tally::new(204, 0), "{place}");
            let parts = Part::ALL.map(|part| over(board.part(part, &place)));
            assert_eq!(parts[..3], [Tally::new(2, 0), Tally::new(207, 0), Tally::new(2, 250)], "{place}");
        }
        let edge = |from: &str| Place::Edge(from.to_owned(), name("ledger"));
        assert_eq!(over(board.series(Indicator::M1, &edge("web"))), Tally::new(1, 1000));
        assert_eq!(board.series(Indicator::M1, &edge("prober")), None);
        assert_eq!(over(board.part(Part::Synthetic, &edge("prober"))), Tally::new(1, 50));
        assert_eq!(Board::from_bytes(&board.to_bytes()), Some(board));
    }

    #[test]
    fn there_are_not_more_series_than_that() {
        let mut board = Board::new(now());
        for n in 0..SERIES_MAX + 100 {
            board.add(
                Indicator::M3,
                Place::Edge(format!("s{n}"), member("x").service().clone()),
                Tally::new(0, 1),
                now(),
            );
        }
        board.add(Indicator::M9, Place::Fleet, Tally::new(0, 1), now());
        assert_eq!((board.left_out(), board.of(Indicator::M9).count()), (100, 1));
        board.tidy(|_| false, now().plus(HOUR * 24 * 40));
        assert!(board.series.is_empty() && board.seen.is_empty());
    }
}
