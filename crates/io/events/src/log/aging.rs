//! What goes: by age, each sort at its own, and to make room, plain before audit; and what never does, since it is held.
//!
//! A partition goes as a whole where all of it is to go. Else it is written anew without what is, once a sort of it is too old to its
//! last event: so a partition is written a few times in its life, and an event goes as late as its partition spans, at most.

use super::{Counts, Log, State};
use crate::limits::REWRITTEN_UNDER_LOCK_MAX;
use crate::pack::{self, Thinned};
use crate::segment::Segment;
use crate::sorts::EachSort;
use bartizan_core::Timestamp;
use bartizan_core::retention::{HoldScope, Retention, Sort, WhenFull};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Sorts, one bit each.
type Bits = u8;

/// Why events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// They are too old.
    Age,
    /// Newer ones need their room.
    Room,
}

/// Events that went since the log was opened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gone {
    pub(super) all: u64,
    each: EachSort,
}

impl Gone {
    /// By sort, as far as it is known, those of which none went left out.
    pub(super) fn by_sort(&self) -> BTreeMap<Sort, u64> {
        Sort::ALL.into_iter().map(|sort| (sort, self.each[sort as usize])).filter(|(_, count)| *count > 0).collect()
    }
}

/// What is known of partitions that are looked at for what is to go.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Which one is read or written without the lock; who holds that leaves it alone.
    busy: Option<u64>,
    /// How often it was said anew what stays.
    said: u64,
    /// Partitions in which nothing of these sorts may go, since it is held, with what was said then.
    stays: HashMap<u64, (u64, Bits)>,
}

impl Looked {
    /// Which one is read or written without the lock from now on; none any more.
    pub(super) fn begin(&mut self, segment: Option<&Segment>) {
        self.busy = segment.map(|it| it.number);
    }
}

/// A partition of which these sorts are to go.
struct Next {
    segment: Arc<Segment>,
    sorts: Bits,
    cause: Cause,
    said: u64,
}

const ALL: Bits = (1 << Sort::COUNT) - 1;

const fn bit(sort: Sort) -> Bits {
    1 << sort as u8
}

fn plain() -> Bits {
    Sort::ALL.into_iter().filter(|sort| !sort.is_audit()).map(bit).sum()
}

impl Log {
    /// What is to hold from now on.
    pub(crate) fn set_retention(&self, retention: Retention) {
        let mut state = self.state();
        if state.retention != retention {
            state.retention = retention;
            state.looked.said += 1;
        }
    }

    /// What stays from now on. Nothing of it goes any more once this has returned: not by who writes a partition anew at this moment
    /// either, which is waited for, since a start after a kill would find what that one wrote.
    pub(crate) fn set_holds(&self, scopes: &[HoldScope]) {
        let _alone = self.tending();
        let mut state = self.state();
        state.held = Arc::new(crate::hold::Held::of(scopes));
        state.looked.said += 1;
    }

    /// Looks up what of each sort is in one partition whose index does not say it. True where there was one.
    pub(super) fn look_up(&self) -> bool {
        let next = {
            let state = self.state();
            let unknown = |it: &&Arc<Segment>| it.outline.sorts.is_none() && !state.unpackable.contains(&it.number);
            state.closed.iter().find(unknown).cloned()
        };
        let Some(segment) = next else { return false };
        match pack::sorts(&segment).map(|sorts| segment.with_sorts(sorts)) {
            Ok(Some(told)) => {
                let mut state = self.state();
                if let Some(at) = state.closed.iter().position(|it| Arc::ptr_eq(it, &segment)) {
                    state.closed[at] = Arc::new(told);
                }
            }
            // Its events go when the last of them is too old for every sort.
            Ok(None) => drop(self.state().unpackable.insert(segment.number)),
            Err(error) => {
                tracing::warn!(%error, file = %segment.path.display(), "a file of events cannot be read");
                self.state().unpackable.insert(segment.number);
            }
        }
        true
    }

    /// Writes one partition anew without what is to go of it. True where there was one.
    pub(super) fn thin(&self, now: Timestamp) -> bool {
        let (next, held) = {
            let mut state = self.state();
            let next = state.next_by_age(now).or_else(|| state.next_by_room());
            state.looked.begin(next.as_ref().map(|next| &*next.segment));
            (next, Arc::clone(&state.held))
        };
        let Some(next) = next else { return false };
        let goes = |it: &crate::StoredEvent| next.sorts & bit(it.sort()) != 0 && !held.has(it);
        let thinned = pack::thin(&self.dir, &next.segment, goes);
        // Tried again a second later: there may be room then.
        let is_tried = thinned.is_ok();
        let mut state = self.state();
        state.looked.begin(None);
        state.put_thinned(&next, thinned);
        is_tried
    }
}

impl State {
    /// Lets whole partitions go of which everything is too old and nothing is held.
    pub(super) fn let_age(&mut self, now: Timestamp) {
        let aged = |it: &Arc<Segment>| self.is_aged(it, now) && !self.held.may_be_in(it);
        let going: Vec<_> = self.closed.iter().filter(|it| aged(it)).cloned().collect();
        for segment in &going {
            self.let_go(segment, Cause::Age);
        }
    }

    fn is_aged(&self, segment: &Segment, now: Timestamp) -> bool {
        let Some(last_at) = segment.last_at() else { return false };
        match &segment.outline.sorts {
            Some(sorts) if sorts.events() == segment.events() => {
                sorts.each().all(|(sort, few)| self.is_too_old(sort, few.last_at, now))
            }
            // A part of it cannot be read.
            _ => Sort::ALL.into_iter().all(|sort| self.is_too_old(sort, last_at, now)),
        }
    }

    fn is_too_old(&self, sort: Sort, last_at: Timestamp, now: Timestamp) -> bool {
        self.retention.age(sort).is_some_and(|keep| last_at < now.minus(keep))
    }

    /// The oldest partition with a sort that is too old to its last event.
    fn next_by_age(&self, now: Timestamp) -> Option<Next> {
        self.retention.shortest()?;
        self.closed.iter().find_map(|it| {
            let too_old = |(sort, few): (Sort, crate::sorts::Few)| {
                if self.is_too_old(sort, few.last_at, now) { bit(sort) } else { 0 }
            };
            let sorts = it.outline.sorts.as_ref()?.each().map(too_old).sum();
            self.next(it, sorts, Cause::Age)
        })
    }

    /// The oldest partition in which what may go lies beside what stays, plain events first, where the room of one partition is all that
    /// is left: so that who stores events need not wait for that.
    fn next_by_room(&self) -> Option<Next> {
        if !self.is_short_of_room() {
            return None;
        }
        for sorts in [plain(), ALL] {
            for it in &self.closed {
                let going = present(it) & sorts;
                if going == 0 || self.stays(it, going) {
                    continue;
                }
                if present(it) & !sorts == 0 && !self.held.may_be_in(it) {
                    return None; // it goes as a whole, at once
                }
                if let Some(next) = self.next(it, going, Cause::Room) {
                    return Some(next);
                }
            }
        }
        None
    }

    /// The room of one partition is all that is left, and events go for it.
    pub(super) fn is_short_of_room(&self) -> bool {
        let bytes_max = self.retention.bytes_max.filter(|_| self.retention.when_full == WhenFull::Drop);
        bytes_max.is_some_and(|bytes_max| self.bytes() + self.partition_bytes() > bytes_max)
    }

    fn next(&self, segment: &Arc<Segment>, sorts: Bits, cause: Cause) -> Option<Next> {
        let may_be = sorts != 0
            && segment.damaged == 0
            && !self.unpackable.contains(&segment.number)
            && !self.is_busy(segment)
            && !self.stays(segment, sorts);
        may_be.then(|| Next { segment: Arc::clone(segment), sorts, cause, said: self.looked.said })
    }

    fn is_busy(&self, segment: &Segment) -> bool {
        self.looked.busy == Some(segment.number)
    }

    /// Whether it is known that nothing of these sorts may go of a partition.
    fn stays(&self, segment: &Segment, sorts: Bits) -> bool {
        let known = self.looked.stays.get(&segment.number);
        known.is_some_and(|(said, known)| *said == self.looked.said && known & sorts == sorts)
    }

    /// Makes room for a block as it was declared. Files that somebody took away do not count.
    pub(super) fn make_room(&mut self, dir: &Path, block: u64) -> io::Result<()> {
        let Some(bytes_max) = self.retention.bytes_max else { return Ok(()) };
        if self.bytes() + block > bytes_max {
            self.forget_moved();
        }
        let mut rewrites = REWRITTEN_UNDER_LOCK_MAX;
        while self.retention.when_full == WhenFull::Drop && self.bytes() + block > bytes_max {
            if !self.displace(dir, &mut rewrites) {
                break;
            }
        }
        if self.bytes() + block <= bytes_max { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    /// Lets something go: the oldest plain events, and where there are none the oldest of all. False where all that is left is held, or
    /// where finding out would take more than so many `rewrites`.
    fn displace(&mut self, dir: &Path, rewrites: &mut usize) -> bool {
        for sorts in [plain(), ALL] {
            for segment in self.closed.clone() {
                if self.displace_of(dir, &segment, sorts, rewrites) {
                    return true;
                }
            }
        }
        let was_open = self.open.as_ref().is_some_and(|open| open.segment.events() > 0);
        self.close_open();
        was_open
    }

    /// Lets these sorts of a partition go; false where nothing of it may.
    fn displace_of(&mut self, dir: &Path, segment: &Arc<Segment>, sorts: Bits, rewrites: &mut usize) -> bool {
        let present = present(segment);
        if present & sorts == 0 && sorts != ALL {
            return false;
        }
        let is_all = sorts == ALL || present & !sorts == 0;
        if is_all && !self.held.may_be_in(segment) {
            tracing::warn!(
                events = segment.events(), file = %segment.path.display(),
                "the oldest events made room for new ones, as `events.when_full: drop` says"
            );
            self.let_go(segment, Cause::Room);
            return true;
        }
        let Some(next) = self.next(segment, present & sorts, Cause::Room) else { return false };
        let Some(left) = rewrites.checked_sub(1) else { return false };
        *rewrites = left;
        let held = Arc::clone(&self.held);
        // Under the lock: there is no room for whoever waits for it. Most of the time `Log::thin` was here before.
        let thinned = pack::thin(dir, segment, |it| sorts & bit(it.sort()) != 0 && !held.has(it));
        self.put_thinned(&next, thinned)
    }

    /// Puts what stays of a partition in its place. True where something went.
    fn put_thinned(&mut self, next: &Next, thinned: io::Result<Thinned>) -> bool {
        let Next { segment, sorts, cause, said } = next;
        let is_there = self.closed.iter().any(|it| Arc::ptr_eq(it, segment));
        match thinned {
            // Something else was said meanwhile, or all of it went: what was written is of no use.
            Ok(Thinned::Less(less, _)) if *said != self.looked.said || !is_there => less.take_away(),
            Ok(_) if *said != self.looked.said || !is_there => {}
            Ok(Thinned::Less(less, gone)) => {
                tracing::info!(
                    events = gone.iter().sum::<u64>(), file = %segment.path.display(), ?cause,
                    "events went, as `events` of the fleet file says"
                );
                self.count(*cause, gone.iter().sum(), &gone);
                self.replace(segment, *less);
                return true;
            }
            Ok(Thinned::Empty) => {
                self.let_go(segment, *cause);
                return true;
            }
            Ok(Thinned::AsItWas) => {
                let said = (*said, *sorts);
                let known = self.looked.stays.entry(segment.number).or_insert(said);
                *known = if known.0 == said.0 { (said.0, known.1 | said.1) } else { said };
            }
            Ok(Thinned::Damaged) => {
                tracing::error!(file = %segment.path.display(), "a file of events is damaged, and stays as a whole until all of it is too old");
                self.unpackable.insert(segment.number);
            }
            Err(error) => {
                tracing::warn!(%error, file = %segment.path.display(), "events that are to go stay, since what is to stay cannot be written");
                // Without room it is tried again; a file that cannot be read must not keep those behind it.
                if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                    self.unpackable.insert(segment.number);
                }
            }
        }
        false
    }

    /// A partition goes as a whole.
    fn let_go(&mut self, segment: &Arc<Segment>, cause: Cause) {
        let each = segment.outline.sorts.as_ref().map(crate::sorts::Sorts::counts).unwrap_or_default();
        self.count(cause, segment.events(), &each);
        self.readers.gone(segment);
        segment.take_away();
        self.closed.retain(|it| !Arc::ptr_eq(it, segment));
        self.looked.stays.remove(&segment.number);
    }

    fn count(&mut self, cause: Cause, all: u64, each: &EachSort) {
        let Counts { aged, displaced } = &mut self.counts;
        let gone = match cause {
            Cause::Age => aged,
            Cause::Room => displaced,
        };
        gone.all += all;
        gone.each.iter_mut().zip(each).for_each(|(sum, count)| *sum += count);
    }
}

/// The sorts of which something lies in a partition; none where that is not known.
fn present(segment: &Segment) -> Bits {
    segment.outline.sorts.iter().flat_map(crate::sorts::Sorts::each).map(|(sort, _)| bit(sort)).sum()
}

#[cfg(test)]
mod tests;
