//! The partitions of a folder: which there are, which one is written on, and which go.
//!
//! A batch is there whole or not at all, also after a kill. Every second what was written is put on the disk: that is what a power cut
//! may cost. What is damaged costs the blocks that it touches. Searches hold nothing up: they take the list of partitions and read
//! without the lock; a file that goes meanwhile stays until they are done. One store has a folder at a time, and in it one thread packs.

use crate::block;
use crate::earlier;
use crate::error::EventsError;
use crate::event::{Appended, Filter, Page, StoredEvent};
use crate::find::{self, Candidate, Sources};
use crate::folder::Folder;
use crate::hold::Held;
use crate::known::Known;
use crate::limits::{
    PARTITION_BYTES, PARTITION_BYTES_MIN, PARTITION_SPAN, PARTITION_SPANS_KEPT, PARTITIONS_KEPT, PARTITIONS_MIN,
    READERS_HOLD, STAYS,
};
use crate::pack;
use crate::reading::{Place, Readers, Reading, Step};
use crate::segment::Segment;
use crate::summary::Asked;
use bartizan_core::Timestamp;
use bartizan_core::retention::{HoldScope, Retention, Sort};
use bartizan_core::status::EventsHeld;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aging::{Gone, Looked};

/// An open log. Every call may read or write the disk.
#[derive(Debug)]
pub(crate) struct Log {
    dir: PathBuf,
    state: Mutex<State>,
    /// Whoever tends holds it: two who pack the same partition are in each other's way.
    tending: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Until it is closed; those who still read then have it until they are done.
    folder: Option<Arc<Folder>>,
    retention: Retention,
    held: Arc<Held>,
    looked: Looked,
    /// Oldest first.
    closed: Vec<Arc<Segment>>,
    /// The last one, while it is written on.
    open: Option<Open>,
    /// The number of the last one.
    last: u64,
    known: Known,
    /// Files of the layout before, to be taken over.
    earlier: VecDeque<(u64, PathBuf)>,
    /// Partitions that could not be packed; they are not tried again before the next start.
    unpackable: HashSet<u64>,
    counts: Counts,
    readers: Readers,
    ended: bool,
}

/// What became of events since the log was opened.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    aged: Gone,
    displaced: Gone,
}

#[derive(Debug)]
struct Open {
    segment: Segment,
    file: Arc<File>,
    /// When the first batch in it ended.
    first_at: Timestamp,
    /// When it was first tended: events may be older than the partition they are in.
    tended_at: Option<Timestamp>,
    /// Something was written that a power cut would take.
    unsynced: bool,
    /// That there is such a file at all is not on the disk yet.
    is_new: bool,
}

impl Log {
    /// Opens the folder, makes it where it is not there, and reads what it has to know of the files in it.
    ///
    /// # Errors
    /// [`EventsError::File`], [`EventsError::Full`], [`EventsError::InUse`].
    pub(crate) fn open(dir: &Path, retention: Retention, holds: &[HoldScope]) -> Result<Self, EventsError> {
        let failed = |error| failed(dir, error);
        let folder = Some(Arc::new(Folder::take(dir).map_err(failed)?));
        let listing = Segment::list(dir).map_err(failed)?;
        let mut state = State {
            folder,
            retention,
            held: Arc::new(Held::of(holds)),
            earlier: listing.earlier.into(),
            ..State::default()
        };
        if !state.earlier.is_empty() {
            tracing::info!(
                files = state.earlier.len(),
                "events of an earlier layout are taken over; until then they are not found"
            );
        }
        let recent = listing.files.len().saturating_sub(2);
        for (place, (number, path)) in listing.files.into_iter().enumerate() {
            // A batch that is sent again is of the last minutes: older events need not be known one by one.
            let indexed = if place < recent { Segment::indexed(number, &path) } else { None };
            let segment = match indexed {
                Some(segment) => segment,
                None => Segment::scan(number, &path, &mut state.known).map_err(failed)?,
            };
            if segment.damaged > 0 {
                let (file, bytes) = (segment.path.display(), segment.damaged);
                tracing::error!(%file, bytes, "a file of events is damaged: what lies in these bytes cannot be read any more");
            }
            state.last = state.last.max(number);
            state.closed.push(Arc::new(segment));
        }
        state.last = state.earlier.iter().map(|(number, _)| *number).fold(state.last, u64::max);
        state.go_on();
        let has_to_choose = state.is_short_of_room();
        let it = Self { dir: dir.to_owned(), state: Mutex::new(state), tending: Mutex::new(()) };
        // Partitions of an earlier form do not say what is in them, and the first event that comes would let the oldest go as a whole.
        while has_to_choose && it.look_up() {}
        Ok(it)
    }

    /// Stores what is not there yet of a batch: all of it or, with an error, nothing.
    ///
    /// # Errors
    /// [`EventsError::Full`] where there is no space; it works again by itself as soon as there is.
    pub(crate) fn append(&self, mut batch: Vec<StoredEvent>) -> Result<Appended, EventsError> {
        let offered = batch.len() as u64;
        {
            let state = self.state();
            if state.ended {
                return Err(EventsError::Closed);
            }
            let mut ids = HashSet::with_capacity(batch.len());
            batch.retain(|event| !state.known.has(event.id) && ids.insert(event.id));
        }
        let appended = Appended { new: batch.len() as u64, known: offered - batch.len() as u64 };
        if !batch.is_empty() {
            // Packed without the lock: a search that begins now does not wait for it.
            let block = block::encode(&batch, false).ok_or_else(|| EventsError::TooLong { path: self.dir.clone() })?;
            self.state().write(&self.dir, &batch, &block).map_err(|error| failed(&self.dir, error))?;
        }
        Ok(appended)
    }

    /// The events that fit.
    ///
    /// # Errors
    /// [`EventsError::File`].
    pub(crate) fn find(&self, filter: &Filter) -> Result<Page, EventsError> {
        // The folder is given back after the sources, which may take files away.
        let (_folder, sources) = {
            let state = self.state();
            if state.ended {
                return Err(EventsError::Closed);
            }
            let asked = Asked::of(filter);
            let open =
                state.open.as_ref().map(|open| (Arc::clone(&open.file), Candidate::of(&open.segment.blocks, &asked)));
            (state.folder.clone(), Sources { closed: state.closed.clone(), open })
        };
        find::page(&sources, filter).map_err(|error| failed(&self.dir, error))
    }

    pub(crate) fn status(&self) -> EventsHeld {
        let state = self.state();
        let all = || state.closed.iter().map(Arc::as_ref).chain(state.open.as_ref().map(|open| &open.segment));
        EventsHeld {
            events: all().map(Segment::events).sum(),
            bytes: state.bytes(),
            partitions: all().count() as u64,
            oldest_at: all().filter_map(Segment::first_at).min(),
            bytes_max: state.retention.bytes_max,
            keep_s: state.retention.keep.map(|keep| keep.as_secs()),
            when_full: state.retention.when_full,
            keep_each_s: keep_each(&state.retention),
            aged: state.counts.aged.all,
            displaced: state.counts.displaced.all,
            aged_each: state.counts.aged.by_sort(),
            displaced_each: state.counts.displaced.by_sort(),
            holds: state.held.count() as u64,
        }
    }

    /// Opens a reader, at `place` or behind everything that is there.
    pub(crate) fn open_reader(&self, name: &str, place: Option<Place>) {
        let mut state = self.state();
        let (readers, line, last) = state.readers();
        readers.open(name, place, &line, last);
    }

    pub(crate) fn close_reader(&self, name: &str) {
        self.state().readers.close(name);
    }

    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        self.state().readers.place(name)
    }

    pub(crate) fn reading(&self, name: &str) -> Option<Reading> {
        let mut state = self.state();
        let (readers, line, _) = state.readers();
        readers.reading(name, &line)
    }

    /// What comes next for a reader; `None` where it is at the end. A block that cannot be read is passed, and counted.
    ///
    /// # Errors
    /// [`EventsError::File`].
    pub(crate) fn read_on(&self, name: &str) -> Result<Option<(Step, Vec<StoredEvent>)>, EventsError> {
        loop {
            let (_folder, step, source) = {
                let mut state = self.state();
                if state.ended {
                    return Err(EventsError::Closed);
                }
                let (readers, line, _) = state.readers();
                let Some(step) = readers.next(name, &line) else { return Ok(None) };
                (state.folder.clone(), step, state.source(&step))
            };
            let read = source.and_then(|source| source.read(step.block)).map_err(|error| failed(&self.dir, error))?;
            match read {
                Some(events) => return Ok(Some((step, events))),
                None => {
                    self.state().readers.done(name, &step, false);
                }
            }
        }
    }

    pub(crate) fn done(&self, name: &str, step: &Step) -> bool {
        self.state().readers.done(name, step, true)
    }

    /// What there is to do from time to time: puts on the disk what was written, lets go what is too old, closes the partition that has
    /// grown for long enough, and packs one that is closed or writes one anew without what is to go. True where there is more of that.
    pub(crate) fn tend(&self, now: Timestamp) -> bool {
        let _alone = self.tending();
        self.sync();
        {
            let mut state = self.state();
            if state.ended {
                return false;
            }
            state.let_age(now);
            let span = state.span();
            let since = state.open.as_mut().map(|open| *open.tended_at.get_or_insert(now));
            if since.is_some_and(|since| now.since(since) > span) {
                state.close_open();
            }
        }
        self.take_over() || self.look_up() || self.thin(now) || self.pack()
    }

    /// Puts what was written on the disk, waits for who packs, and gives the folder back. Every further call answers
    /// [`EventsError::Closed`].
    pub(crate) fn close(&self) {
        self.state().ended = true; // before anything else: what is stored behind the last sync would not be safe
        self.sync();
        let _alone = self.tending();
        let mut state = self.state();
        state.open = None;
        state.folder = None;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().ended
    }

    fn sync(&self) {
        let (file, folder) = {
            let mut state = self.state();
            let folder = state.folder.clone();
            let Some(open) = state.open.as_mut().filter(|open| open.unsynced) else { return };
            open.unsynced = false;
            (Arc::clone(&open.file), folder.filter(|_| std::mem::take(&mut open.is_new)))
        };
        // Without the lock: the disk may take its time, and nobody waits for this.
        if let Err(error) = file.sync_data().and_then(|()| folder.map_or(Ok(()), |folder| folder.sync())) {
            tracing::warn!(%error, dir = %self.dir.display(), "the last events may be missing after a power cut");
        }
    }

    /// Takes one file of the layout before over, the newest first. True where there was one.
    fn take_over(&self) -> bool {
        let Some((number, path)) = self.state().earlier.pop_back() else { return false };
        let taken = earlier::read(&path).and_then(|(events, lost)| {
            if lost > 0 {
                tracing::warn!(file = %path.display(), lost, "events of an earlier layout cannot be read, and are left behind");
            }
            self.state().note(&events);
            pack::of_events(&self.dir, number, events)
        });
        match taken {
            Ok(packed) => {
                self.state().put(packed);
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::warn!(%error, file = %path.display(), "a file of events that was taken over cannot be removed");
                }
            }
            Err(error) => {
                tracing::error!(%error, file = %path.display(), "events of an earlier layout cannot be taken over")
            }
        }
        true
    }

    /// Packs one partition. True where there was one.
    fn pack(&self) -> bool {
        let next = {
            let mut state = self.state();
            // Who is in the midst of one reads on in it, unless it is too far behind.
            let held =
                state.readers.lowest().map_or(u64::MAX, |lowest| lowest.max(state.last.saturating_sub(READERS_HOLD)));
            let packable = |it: &&Arc<Segment>| {
                it.number < held
                    && !it.is_packed()
                    && it.damaged == 0
                    && !it.blocks.is_empty()
                    && !state.unpackable.contains(&it.number)
            };
            let next = state.closed.iter().find(packable).cloned();
            state.looked.begin(next.as_deref());
            next
        };
        let Some(segment) = next else { return false };
        let packed = pack::pack(&self.dir, &segment);
        self.state().looked.begin(None);
        match packed {
            Ok(Some(packed)) => self.state().replace(&segment, packed),
            Ok(None) => {
                tracing::error!(file = %segment.path.display(), "a file of events is damaged, and stays as it is");
                self.state().unpackable.insert(segment.number);
            }
            Err(error) => {
                tracing::warn!(%error, file = %segment.path.display(), "events cannot be packed, and stay as they are");
                self.state().unpackable.insert(segment.number);
            }
        }
        true
    }

    fn tending(&self) -> MutexGuard<'_, ()> {
        self.tending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, dir: &Path, batch: &[StoredEvent], block: &[u8]) -> io::Result<()> {
        if self.ended {
            return Err(io::Error::other("closed meanwhile"));
        }
        self.make_room(dir, block.len() as u64)?;
        self.make_ready(dir, batch, block.len() as u64)?;
        let Some(open) = &mut self.open else { return Err(io::Error::other("no file is open")) };
        if let Err(error) = open.segment.add(&open.file, batch, block) {
            let _ = open.file.set_len(open.segment.bytes); // else it is damaged, which the next start sees
            self.close_open();
            return Err(error);
        }
        open.unsynced = true;
        self.readers.came(batch.len() as u64);
        self.note(batch);
        Ok(())
    }

    fn note(&mut self, events: &[StoredEvent]) {
        events.iter().for_each(|event| self.known.note(event.id));
    }

    fn bytes(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.segment.bytes);
        self.closed.iter().map(|it| it.bytes).sum::<u64>() + open
    }

    /// Sees to it that a file is open, is the one that lies there, and has room for the block.
    fn make_ready(&mut self, dir: &Path, batch: &[StoredEvent], block: u64) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| !open.segment.is(&open.file)) {
            self.open = None; // it was moved away: what went into it would not be found again
            self.forget_moved();
        }
        let (bytes_max, span) = (self.partition_bytes(), self.span());
        let at = batch.iter().map(|event| event.at).max().unwrap_or_default();
        let spent = self
            .open
            .as_ref()
            .is_some_and(|open| open.segment.bytes + block > bytes_max || at.since(open.first_at) > span);
        if spent {
            self.close_open();
        }
        if self.open.is_none() {
            if !self.folder.as_ref().is_some_and(|folder| folder.is_there()) {
                self.folder = Some(Arc::new(Folder::take(dir)?)); // it was moved away as a whole
            }
            let (segment, file) = Segment::begin(dir, self.last + 1)?;
            self.last = segment.number;
            self.open = Some(Open {
                segment,
                file: Arc::new(file),
                first_at: at,
                tended_at: None,
                unsynced: true,
                is_new: true,
            });
        }
        Ok(())
    }

    fn forget_moved(&mut self) {
        let readers = &mut self.readers;
        self.closed.retain(|segment| {
            let is_there = segment.path.exists();
            if !is_there {
                readers.gone(segment);
            }
            is_there
        });
    }

    /// The readers, the partitions from the oldest on, and the number of the last one.
    fn readers(&mut self) -> (&mut Readers, Vec<&Segment>, u64) {
        let line = self.closed.iter().map(Arc::as_ref).chain(self.open.as_ref().map(|open| &open.segment)).collect();
        (&mut self.readers, line, self.last)
    }

    /// Where the block of a step lies.
    fn source(&self, step: &Step) -> io::Result<Source> {
        if let Some(closed) = self.closed.iter().find(|it| it.number == step.partition) {
            return Ok(Source::Closed(Arc::clone(closed)));
        }
        let open = self.open.as_ref().filter(|open| open.segment.number == step.partition);
        let open = open.ok_or_else(|| io::Error::other("a partition went"))?;
        let offset = open.segment.blocks.get(step.block).map(|block| block.offset);
        let offset = offset.ok_or_else(|| io::Error::other("a block went"))?;
        Ok(Source::Open { file: Arc::clone(&open.file), offset, end: open.segment.bytes })
    }

    /// The last file is written on where it can be.
    fn go_on(&mut self) {
        let Some(file) = self.closed.last().and_then(|last| last.go_on()) else { return };
        let Some(last) = self.closed.pop() else { return };
        match Arc::try_unwrap(last) {
            Ok(segment) => {
                let first_at = segment.blocks.first().map(|block| block.last_at).unwrap_or_default();
                self.open = Some(Open {
                    segment,
                    file: Arc::new(file),
                    first_at,
                    tended_at: None,
                    unsynced: false,
                    is_new: false,
                });
            }
            Err(shared) => self.closed.push(shared),
        }
    }

    fn close_open(&mut self) {
        let Some(Open { segment, file, unsynced, is_new, .. }) = self.open.take() else { return };
        let folder = self.folder.as_ref().filter(|_| is_new);
        let sync = || file.sync_data().and_then(|()| folder.map_or(Ok(()), |folder| folder.sync()));
        if unsynced && let Err(error) = sync() {
            tracing::warn!(%error, file = %segment.path.display(), "the last events may be missing after a power cut");
        }
        self.closed.push(Arc::new(segment));
    }

    /// A partition that was taken over.
    fn put(&mut self, packed: Segment) {
        let at = self.closed.partition_point(|it| it.number < packed.number);
        self.closed.insert(at, Arc::new(packed));
    }

    /// A partition was packed; it may have gone meanwhile.
    fn replace(&mut self, segment: &Arc<Segment>, packed: Segment) {
        match self.closed.iter().position(|it| Arc::ptr_eq(it, segment)) {
            Some(at) => {
                self.readers.replaced(segment, &packed);
                self.closed[at] = Arc::new(packed);
                segment.take_away();
            }
            // Where another packed form of it is there, these are the very files of that one.
            None if self.closed.iter().any(|it| it.path == packed.path) => {}
            None => packed.take_away(),
        }
    }

    fn partition_bytes(&self) -> u64 {
        let share = self.retention.bytes_max.map_or(u64::MAX, |bytes| bytes / PARTITIONS_MIN);
        share.clamp(PARTITION_BYTES_MIN, PARTITION_BYTES)
    }

    fn span(&self) -> Duration {
        let (shortest, longest) = (self.retention.shortest(), self.retention.longest());
        let span = shortest.map_or(PARTITION_SPAN, |keep| keep / PARTITION_SPANS_KEPT);
        span.max(longest.unwrap_or(STAYS) / PARTITIONS_KEPT).min(PARTITION_SPAN)
    }
}

/// Where a reader's next block lies; nothing of it is read under the lock.
enum Source {
    /// It stays until the last of its readers is done.
    Closed(Arc<Segment>),
    Open {
        file: Arc<File>,
        offset: u64,
        end: u64,
    },
}

impl Source {
    fn read(&self, block: usize) -> io::Result<Option<Vec<StoredEvent>>> {
        match self {
            Self::Closed(segment) => {
                let file = File::open(&segment.path)?;
                segment.blocks.get(block).map_or(Ok(None), |block| segment.read(&file, block))
            }
            Self::Open { file, offset, end } => Segment::read_at(file, *offset, *end),
        }
    }
}

fn failed(dir: &Path, source: io::Error) -> EventsError {
    let path = dir.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            EventsError::Full { path }
        }
        io::ErrorKind::ResourceBusy => EventsError::InUse { path },
        _ => EventsError::File { path, source },
    }
}

/// The ages of sorts that have one of their own, in seconds.
fn keep_each(retention: &Retention) -> BTreeMap<Sort, u64> {
    let age = |sort: Sort| Some((sort, retention.keep_each[sort as usize]?.as_secs()));
    Sort::ALL.into_iter().filter_map(age).collect()
}

mod aging;

#[cfg(test)]
mod tests;
