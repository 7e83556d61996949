//! The log of events: files that only grow, of blocks that hold a batch each, in a folder beside the database.
//!
//! A database spends fifteen microseconds on the indices of an event that is mostly never read; here it costs one, and a
//! search reads the blocks in which there may be something, by what is kept in memory of each.
//! A batch is there whole or not at all, also after a kill. Nothing is flushed until a file is full: after a power cut the last
//! moments may be missing. What is damaged costs the blocks that it touches.

pub(crate) mod block; // start here: what lies on disk
mod find;
mod known;
mod segment;
mod summary;

use crate::error::StoreError;
use crate::event::{Appended, Filter, StoredEvent};
use crate::limits::{LOG_SEGMENT_BYTES, LOG_SEGMENT_SPAN};
use block::{Header, Key};
use find::Candidate;
use known::Known;
use segment::Segment;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use summary::Summary;

/// An open log. Clones share it. Every call may read or write the disk.
#[derive(Clone, Debug)]
pub(crate) struct EventLog {
    dir: PathBuf,
    bytes_max: Option<u64>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first; the last one may be written on.
    segments: Vec<Segment>,
    /// The last one, while it is written on.
    open: Option<File>,
    known: Known,
    closed: bool,
}

impl EventLog {
    /// Opens the folder, makes it where it is not there, and reads what it has to know of the files in it.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Full`].
    pub(crate) fn open(dir: &Path, bytes_max: Option<u64>) -> Result<Self, StoreError> {
        let failed = |error| failed(dir, error);
        make_dir(dir).map_err(failed)?;
        let files = Segment::list(dir).map_err(failed)?;
        let mut state = State::default();
        let recent = files.len().saturating_sub(2);
        for (place, (number, path)) in files.into_iter().enumerate() {
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
            state.segments.push(segment);
        }
        Ok(Self { dir: dir.to_owned(), bytes_max, state: Arc::new(Mutex::new(state)) })
    }

    /// Stores what is not there yet of a batch: all of it or, with an error, nothing.
    ///
    /// # Errors
    /// [`StoreError::Full`] where there is no space; it works again by itself as soon as there is.
    pub(crate) fn append(&self, mut batch: Vec<StoredEvent>) -> Result<Appended, StoreError> {
        let mut state = self.state();
        if state.closed {
            return Err(StoreError::Closed);
        }
        let offered = batch.len() as u64;
        let mut ids = HashSet::with_capacity(batch.len());
        batch.retain(|event| !state.known.has(event.id) && ids.insert(event.id));
        let appended = Appended { new: batch.len() as u64, known: offered - batch.len() as u64 };
        if !batch.is_empty() {
            let block = block::encode(&batch).ok_or_else(|| StoreError::TooLong { path: self.dir.clone() })?;
            state.write(self, &batch, &block).map_err(|error| failed(&self.dir, error))?;
        }
        Ok(appended)
    }

    /// The newest events that fit, in the order in which they happened.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub(crate) fn find(&self, filter: &Filter) -> Result<Vec<StoredEvent>, StoreError> {
        let (mut blocks, mut files) = (Vec::new(), std::collections::HashMap::new());
        {
            let state = self.state();
            if state.closed {
                return Err(StoreError::Closed);
            }
            for segment in &state.segments {
                let before = blocks.len();
                blocks.extend(segment.blocks.iter().filter(|block| block.may_hold(filter)).map(|block| Candidate {
                    segment: segment.number,
                    offset: block.offset,
                    header: block.header,
                    last_at: block.last_at,
                }));
                if blocks.len() > before {
                    files.insert(segment.number, segment.path.clone());
                }
            }
        }
        find::newest(blocks, &files, filter).map_err(|error| failed(&self.dir, error))
    }

    /// Puts what was written on the disk. Every further call answers [`StoreError::Closed`].
    pub(crate) fn close(&self) {
        let mut state = self.state();
        if let Some(file) = state.open.take()
            && let Err(error) = file.sync_data()
        {
            tracing::warn!(%error, dir = %self.dir.display(), "the last events may be missing after a power cut");
        }
        state.closed = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, log: &EventLog, batch: &[StoredEvent], block: &[u8]) -> io::Result<()> {
        let Some(header) = Header::read(block) else { return Err(io::Error::other("a block without header")) };
        self.make_room(log, block.len() as u64)?;
        self.make_ready(log, batch, block.len() as u64)?;
        let (Some(file), Some(segment)) = (&self.open, self.segments.last_mut()) else {
            return Err(io::Error::other("no file is open"));
        };
        if let Err(error) = file.write_all_at(block, segment.bytes) {
            let _ = file.set_len(segment.bytes); // else it is damaged, which the next append sees, and the next start
            self.open = None;
            return Err(error);
        }
        let keys: Vec<Key> = batch.iter().map(Key::of).collect();
        segment.blocks.push(Summary::of(segment.bytes, header, &keys));
        segment.bytes += block.len() as u64;
        batch.iter().for_each(|event| self.known.note(event.id));
        Ok(())
    }

    /// Refuses where the block would be too much. Files that somebody took away to make room do not count.
    fn make_room(&mut self, log: &EventLog, block: u64) -> io::Result<()> {
        let Some(bytes_max) = log.bytes_max else { return Ok(()) };
        let fits = |segments: &[Segment]| segments.iter().map(|it| it.bytes).sum::<u64>() + block <= bytes_max;
        if !fits(&self.segments) {
            self.segments.retain(|segment| segment.path.exists());
        }
        if fits(&self.segments) { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    /// Sees to it that the last file is open, is the one that lies there, and has room for the block.
    fn make_ready(&mut self, log: &EventLog, batch: &[StoredEvent], block: u64) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| !self.segments.last().is_some_and(|last| last.is(open))) {
            self.open = None; // it was moved away: what went into it would not be found again
            self.segments.retain(|segment| segment.path.exists());
        }
        if self.open.is_none() {
            self.open = self.segments.last().and_then(Segment::go_on);
        }
        let spent = self.segments.last().is_none_or(|last| {
            let began = last.first_at().zip(batch.first()).map(|(first, event)| event.at.since(first));
            last.bytes + block > LOG_SEGMENT_BYTES || began.is_some_and(|age| age > LOG_SEGMENT_SPAN)
        });
        if self.open.is_some() && !spent {
            return Ok(());
        }
        if let (Some(file), Some(last)) = (self.open.take(), self.segments.last()) {
            file.sync_data()?;
            last.write_index()?;
        }
        let number = self.segments.last().map_or(1, |last| last.number + 1);
        make_dir(&log.dir)?; // it may have been moved away as a whole
        let (segment, file) = Segment::begin(&log.dir, number)?;
        self.segments.push(segment);
        self.open = Some(file);
        Ok(())
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn failed(dir: &Path, source: io::Error) -> StoreError {
    let path = dir.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreError::Full { path }
        }
        _ => StoreError::File { path, source },
    }
}
