//! All series of a fleet, fed by the counters of its guards.

use crate::count::counted;
use crate::indicator::Indicator;
use crate::indicator::Place;
use crate::limits::SERIES_MAX;
use crate::rollouts::Rollouts;
use crate::series::Series;
use crate::tally::Tally;
use crate::totals::Totals;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::stats::ProxyStats;
use bartizan_core::{Member, Timestamp};
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
        Self { since, series, seen, left_out, rollouts: Rollouts::default() }
    }
}

impl Board {
    /// Nothing so far.
    pub fn new(now: Timestamp) -> Self {
        Self { since: now, series: BTreeMap::new(), seen: BTreeMap::new(), left_out: 0, rollouts: Rollouts::default() }
    }

    /// Takes in the counters of a guard; `process` differs for each life of it.
    pub fn count(&mut self, member: &Member, process: u64, stats: &ProxyStats, now: Timestamp) {
        for (indicator, place, tally) in counted(member.service(), stats) {
            let seen = self.seen.entry((member.clone(), indicator, place.clone())).or_default();
            let added = seen.added(process, tally);
            if !matches!(place, Place::Edge(..)) {
                self.add(indicator, Place::Fleet, added, now);
            }
            self.add(indicator, place, added, now);
        }
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

    /// Forgets guards that are not in the fleet any more, and what is older than a month.
    pub fn tidy(&mut self, is_member: impl Fn(&Member) -> bool, now: Timestamp) {
        self.seen.retain(|(member, ..), _| is_member(member));
        let (hour, slots) = crate::limits::RINGS[crate::limits::RINGS.len() - 1];
        self.series.retain(|_, series| series.last().is_some_and(|last| now.since(last) < hour * slots as u32));
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
        let earlier = || postcard::take_from_bytes::<Earlier>(bytes).ok().map(|(board, rest)| (board.into(), rest));
        let now = postcard::take_from_bytes::<Self>(bytes).ok();
        let board = now.and_then(whole).or_else(|| earlier().and_then(whole))?;
        (board.rollouts.len() <= crate::limits::ROLLOUTS_MAX
            && board.series.len() <= SERIES_MAX + 16
            && board.series.values().all(Series::is_sound))
        .then_some(board)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::ServiceName;
    use bartizan_core::stats::EdgeStats;
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
        board.count(&member("ledger"), 1, &stats(100, 1), now());
        board.count(&member("audit"), 2, &stats(50, 0), now());
        board.count(&member("ledger"), 1, &stats(110, 2), now());
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
        board.count(&member("ledger"), 1, &stats(100, 1), now());
        let mut back = Board::from_bytes(&board.to_bytes()).unwrap();
        assert_eq!(back, board);
        back.count(&member("ledger"), 1, &stats(120, 1), now());
        assert_eq!(denied(&back, &Place::Fleet), Tally::new(1, 120), "the first hundred do not count twice");
        back.count(&member("ledger"), 9, &stats(7, 0), now());
        assert_eq!(denied(&back, &Place::Fleet), Tally::new(1, 127), "a new life of the guard counts from nothing");
        assert_eq!(Board::from_bytes(b"rubbish"), None);
        assert_eq!(Board::from_bytes(&[board.to_bytes(), vec![0]].concat()), None);
    }

    #[test]
    fn what_an_earlier_version_wrote_down_is_read() {
        let mut board = Board::new(now());
        board.count(&member("ledger"), 1, &stats(100, 1), now());
        // The map of snapshots stands last, and an empty one is a byte.
        let bytes = board.to_bytes();
        assert_eq!(Board::from_bytes(&bytes[..bytes.len() - 1]), Some(board.clone()));
        board.published(Kind::Policies, Epoch(1), now());
        board.refused(Kind::Policies, Epoch(1), now());
        let mut back = Board::from_bytes(&board.to_bytes()).unwrap();
        back.published(Kind::Policies, Epoch(1), now());
        back.refused(Kind::Policies, Epoch(1), now());
        let hour = back.series(Indicator::M9, &Place::Fleet).map(|it| it.over(now(), HOUR));
        assert_eq!(hour, Some(Tally::new(1, 1)), "refused pairs are known after a restart");
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
