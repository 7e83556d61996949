//! The thread that writes: whatever has gathered while the disk was busy shares the next flush and the next signature.

use super::archive::{self, Bounded, Bounds};
use super::key::{self, LedgerKeyError};
use crate::limits::{LEDGER_FILES_MIN, LEDGER_GROUP_MAX, LEDGER_QUEUE_MAX};
use bartizan_audit::{Mark, Signer, Tree, leaf_hash};
use bartizan_core::TrustDomain;
use bartizan_core::event::{Class, EventId, Upshot};
use bartizan_core::status::LedgerStatus;
use bartizan_crypto::hash::hex;
use bartizan_events::{Known, StoredEvent, record};
use bartizan_ledger::{FILE_BYTES, Writer};
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Folder of the ledger, in the data folder.
const FOLDER: &str = "ledger";

/// The ledger as the rest of control sees it. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    jobs: mpsc::Sender<Job>,
    status: Arc<Mutex<LedgerStatus>>,
    bounded: Bounded,
}

/// What became of events that were to be in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// They are in it, or none of them belongs there.
    Well,
    /// They are in it, and others before them are not; the number of those.
    Again(u64),
    /// They are not.
    Not,
}

struct Job {
    entries: Vec<Entry>,
    answer: oneshot::Sender<Recorded>,
}

struct Entry {
    id: EventId,
    bytes: Vec<u8>,
}

impl Ledger {
    /// Opens the ledger of a data folder, and begins it where there is none. Its thread ends with the last clone.
    ///
    /// # Errors
    /// [`LedgerKeyError`].
    pub(crate) fn open(data: &Path, domain: &TrustDomain) -> Result<Self, LedgerKeyError> {
        let dir = data.join(FOLDER);
        let signer = key::open(data, domain)?;
        let mut known = Known::default();
        let writer = Writer::open(&dir, |entry| {
            if let Some(record) = record::read_bytes(entry) {
                known.note(record.event.id);
            }
        })?;
        let tree = match writer.mark() {
            None => Tree::default(),
            Some(mark) => {
                let mark = Mark::read(mark).filter(|mark| mark.open(signer.verifier()).is_ok());
                let foreign = || LedgerKeyError::Foreign { dir: dir.clone(), key: key::path(data) };
                mark.ok_or_else(foreign)?.tree
            }
        };
        let status = LedgerStatus {
            entries: tree.size(),
            root: hex(&tree.root()),
            key: signer.verifier().to_string(),
            ..LedgerStatus::default()
        };
        let status = Arc::new(Mutex::new(status));
        let bounded = Bounded::default();
        let file = |source| LedgerKeyError::File { path: dir.clone(), source };
        archive::start(dir.clone(), &bounded, &status).map_err(file)?;
        let shared = (Arc::clone(&status), Arc::clone(&bounded));
        let keeper = Keeper { writer, tree, signer, known, owed: 0, status: shared.0, bounded: shared.1 };
        let (jobs, queue) = mpsc::channel(LEDGER_QUEUE_MAX);
        std::thread::Builder::new().name("ledger".to_owned()).spawn(move || keeper.run(queue)).map_err(file)?;
        Ok(Self { jobs, status, bounded })
    }

    /// Records those of `events` that belong there; on disk and signed when this returns.
    pub(crate) async fn record(&self, events: &[StoredEvent]) -> Recorded {
        let entries: Vec<Entry> = events
            .iter()
            .filter(|event| belongs(event))
            .map(|event| Entry { id: event.id, bytes: event.record.clone() })
            .collect();
        if entries.is_empty() {
            return Recorded::Well;
        }
        let (answer, done) = oneshot::channel();
        if self.jobs.send(Job { entries, answer }).await.is_err() {
            return Recorded::Not;
        }
        done.await.unwrap_or(Recorded::Not)
    }

    /// What it may take in the data folder from now on.
    pub(crate) fn keep_within(&self, bounds: Option<Bounds>) {
        // Every change leaves it whole.
        *self.bounded.lock().unwrap_or_else(PoisonError::into_inner) = bounds;
    }

    pub(crate) fn status(&self) -> LedgerStatus {
        lock(&self.status).clone()
    }
}

/// What was denied, what changed, what people and administrators did, and that events were lost.
fn belongs(event: &StoredEvent) -> bool {
    let changes = matches!(event.class, Some(Class::Config | Class::Person | Class::Rotation | Class::Alert));
    changes || event.upshot == Upshot::Denied || event.class == Some(Class::Loss) && event.upshot == Upshot::Failed
}

struct Keeper {
    writer: Writer,
    tree: Tree,
    signer: Signer,
    known: Known,
    /// Events that are not in it since the disk failed.
    owed: u64,
    status: Arc<Mutex<LedgerStatus>>,
    bounded: Bounded,
}

impl Keeper {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut group = vec![first];
            let mut entries = group[0].entries.len();
            while entries < LEDGER_GROUP_MAX
                && let Ok(next) = jobs.try_recv()
            {
                entries += next.entries.len();
                group.push(next);
            }
            let recorded = self.write(&group);
            for job in group {
                let _ = job.answer.send(recorded); // whoever asked may have gone
            }
        }
    }

    fn write(&mut self, group: &[Job]) -> Recorded {
        let mut ids = HashSet::new();
        // A guard repeats what was not confirmed.
        let new: Vec<&Entry> = group
            .iter()
            .flat_map(|job| &job.entries)
            .filter(|entry| !self.known.has(entry.id) && ids.insert(entry.id))
            .collect();
        if new.is_empty() {
            return Recorded::Well;
        }
        let mut tree = self.tree.clone();
        new.iter().for_each(|entry| tree.push(leaf_hash(&entry.bytes)));
        let share = archive::bounds(&self.bounded).map_or(FILE_BYTES, |it| it.bytes_max / LEDGER_FILES_MIN);
        self.writer.set_file_bytes(share);
        let entries: Vec<Vec<u8>> = new.iter().map(|entry| entry.bytes.clone()).collect();
        let written = Mark::make(&tree, self.signer.verifier().name(), &self.signer)
            .map_err(|error| error.to_string())
            .and_then(|mark| self.writer.append(&entries, mark.bytes()).map_err(|error| error.to_string()));
        if let Err(why) = written {
            return self.failed(new.len() as u64, why);
        }
        new.iter().for_each(|entry| self.known.note(entry.id));
        self.tree = tree;
        let owed = std::mem::take(&mut self.owed);
        let mut status = lock(&self.status);
        (status.entries, status.root) = (self.tree.size(), hex(&self.tree.root()));
        if status.reason.take().is_some() {
            tracing::info!("the ledger is written again");
        }
        if owed > 0 { Recorded::Again(owed) } else { Recorded::Well }
    }

    fn failed(&mut self, entries: u64, why: String) -> Recorded {
        self.owed += entries;
        let mut status = lock(&self.status);
        status.lost += entries;
        if status.reason.replace(why.clone()).is_none() {
            tracing::error!(
                why,
                "the ledger cannot be written: what is denied and changed is not in it until this is mended"
            );
        }
        Recorded::Not
    }
}

pub(super) fn lock(status: &Mutex<LedgerStatus>) -> MutexGuard<'_, LedgerStatus> {
    // Every change leaves it whole.
    status.lock().unwrap_or_else(PoisonError::into_inner)
}
