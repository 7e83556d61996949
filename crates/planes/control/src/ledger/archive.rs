//! The thread that keeps the ledger in the data folder within its bounds: closed files go into the archive, the oldest first, and a seal
//! stays in the place of each.
//!
//! Where that fails nothing is lost: the file stays, the folder takes more than it may, and `status` says so until it works again.

use super::keep::lock;
use crate::limits::LEDGER_ARCHIVE_EVERY;
use bartizan_audit::Sealing;
use bartizan_core::status::LedgerStatus;
use bartizan_ledger::{LedgerError, Piece, closed};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What may stay, and where the rest goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes that the ledger may take in the data folder.
    pub(crate) bytes_max: u64,
    /// The archive.
    pub(crate) archive: PathBuf,
}

/// Shared with who writes, and with whoever reloads the fleet file.
pub(super) type Bounded = Arc<Mutex<Option<Bounds>>>;

/// As it is now.
pub(super) fn bounds(of: &Mutex<Option<Bounds>>) -> Option<Bounds> {
    // Every change leaves it whole.
    of.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Starts it. It ends once nobody holds the ledger any more.
pub(super) fn start(dir: PathBuf, bounded: &Bounded, status: &Arc<Mutex<LedgerStatus>>) -> io::Result<()> {
    let (bounded, status) = (Arc::downgrade(bounded), Arc::downgrade(status));
    std::thread::Builder::new().name("ledger-archive".to_owned()).spawn(move || run(&dir, &bounded, &status)).map(drop)
}

fn run(dir: &Path, bounded: &Weak<Mutex<Option<Bounds>>>, status: &Weak<Mutex<LedgerStatus>>) {
    loop {
        let (Some(bounded), Some(status)) = (bounded.upgrade(), status.upgrade()) else { return };
        look(dir, bounds(&bounded), &status);
        drop((bounded, status));
        std::thread::sleep(LEDGER_ARCHIVE_EVERY);
    }
}

/// Moves what is beyond the bounds, and says how that went.
pub(super) fn look(dir: &Path, bounds: Option<Bounds>, status: &Mutex<LedgerStatus>) {
    let (moved, bytes) = settle(dir, bounds.as_ref());
    let failed = bytes.as_ref().err().map(ToString::to_string);
    let mut status = lock(status);
    status.archived += moved;
    status.bytes_max = bounds.map(|it| it.bytes_max);
    if let Ok(bytes) = bytes {
        status.bytes = bytes;
    }
    if failed.is_some() && failed != status.archive_failed {
        tracing::error!(why = failed, "the ledger cannot be archived: it takes more of the data folder than it may");
    }
    if failed.is_none() && status.archive_failed.is_some() {
        tracing::info!("the ledger is archived again");
    }
    status.archive_failed = failed;
}

/// How many files were moved, and what the ledger takes then. A damaged file stays and is told of, and does not hold up those behind it.
fn settle(dir: &Path, bounds: Option<&Bounds>) -> (u64, Result<u64, LedgerError>) {
    let found = closed(dir);
    let Some(Bounds { bytes_max, archive }) = bounds else {
        // Nothing is to be moved: a folder that cannot be read is told of by whoever writes there.
        return (0, Ok(found.map_or(0, |(_, bytes)| bytes)));
    };
    let (files, mut bytes) = match found {
        Ok(found) => found,
        Err(error) => return (0, Err(error)),
    };
    let (mut moved, mut kept) = (0, None);
    for file in files {
        if bytes <= *bytes_max {
            break;
        }
        match file.archive(archive, seal) {
            Ok(()) => {
                tracing::info!(file = %file.path().display(), archive = %archive.display(), "a file of the ledger was archived");
                moved += 1;
                bytes -= file.bytes;
            }
            Err(error @ LedgerError::Sealing { .. }) => kept = Some(error),
            Err(error) => return (moved, Err(error)),
        }
    }
    (moved, kept.map_or(Ok(bytes), Err))
}

fn seal(pieces: &[Piece<'_>]) -> Result<Vec<u8>, String> {
    let mut sealing = Sealing::default();
    for piece in pieces {
        match piece {
            Piece::Entry(entry) => sealing.entry(entry),
            Piece::Mark(mark) => sealing.mark(mark),
            Piece::Seal(_) | Piece::Damaged | Piece::Torn => {
                return Err("it is damaged: see `bartizan audit verify`".to_owned());
            }
        }
    }
    sealing.finish().map(|seal| seal.bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Ledger;
    use super::*;
    use bartizan_audit::{Audit, Report, VerifierKey};
    use bartizan_core::TrustDomain;
    use bartizan_core::event::{EventId, Upshot};
    use bartizan_events::StoredEvent;
    use bartizan_ledger::read_with;
    use tempfile::TempDir;

    struct Place {
        data: TempDir,
        ledger: Ledger,
        /// Entries so far.
        written: u64,
        /// As the test's own look leaves it; the thread has another one.
        status: Mutex<LedgerStatus>,
    }

    impl Place {
        fn new() -> Self {
            let data = tempfile::tempdir().unwrap();
            let ledger = Ledger::open(data.path(), &TrustDomain::parse("bank.example").unwrap()).unwrap();
            // Files of 8 MiB, and more room than is used: the thread moves none.
            ledger.keep_within(Some(Bounds { bytes_max: 64 << 20, archive: data.path().join("unused") }));
            Self { data, ledger, written: 0, status: Mutex::default() }
        }

        fn dir(&self) -> PathBuf {
            self.data.path().join("ledger")
        }

        fn bounds(&self) -> Bounds {
            Bounds { bytes_max: 16 << 20, archive: self.data.path().join("archive") }
        }

        /// Entries of half a megabyte in all, `groups` times.
        async fn write(&mut self, groups: u64) {
            for _ in 0..groups {
                let event = |n: u64| StoredEvent {
                    id: EventId(1, n),
                    upshot: Upshot::Denied,
                    record: vec![n as u8; 60_000],
                    ..crate::tests::stored_event(n)
                };
                let group: Vec<_> = (self.written..self.written + 9).map(event).collect();
                assert_eq!(self.ledger.record(&group).await, super::super::Recorded::Well);
                self.written += 9;
            }
        }

        fn verified(&self, archives: &[PathBuf]) -> Report {
            let key = VerifierKey::parse(&self.ledger.status().key).unwrap();
            let audit = Audit::new(&key);
            let mut audit = if archives.is_empty() { audit } else { audit.of_all() };
            read_with(&self.dir(), archives, |place, piece| match piece {
                Piece::Entry(entry) => audit.entry(entry),
                Piece::Mark(mark) => audit.mark(place, mark),
                Piece::Seal(seal) => audit.seal(place, seal),
                Piece::Damaged => audit.damaged(place),
                Piece::Torn => {}
            })
            .unwrap();
            audit.finish()
        }

        fn look(&self, bounds: Option<Bounds>) -> LedgerStatus {
            look(&self.dir(), bounds, &self.status);
            lock(&self.status).clone()
        }
    }

    #[tokio::test]
    async fn nothing_goes_where_nothing_is_said_or_the_archive_takes_nothing() {
        let mut place = Place::new();
        place.write(50).await;
        let before = place.look(None);
        assert!(before.bytes > 20 << 20, "{before:?}");
        assert_eq!((before.archived, before.bytes_max, &before.archive_failed), (0, None, &None));

        // The archive is a file.
        let bounds = place.bounds();
        std::fs::write(&bounds.archive, b"").unwrap();
        let failed = place.look(Some(bounds.clone()));
        assert_eq!((failed.archived, failed.bytes_max), (0, Some(16 << 20)));
        assert!(failed.archive_failed.as_deref().is_some_and(|why| why.contains("archive")), "{failed:?}");
        assert_eq!(failed.lost, 0);
        place.write(1).await;
        let whole = place.verified(&[]);
        assert!(whole.is_good() && whole.elsewhere == 0 && whole.entries == place.written, "{whole:?}");

        // It works again once it can.
        std::fs::remove_file(&bounds.archive).unwrap();
        let status = place.look(Some(bounds));
        assert!(status.archive_failed.is_none() && status.archived > 0, "{status:?}");
    }

    #[tokio::test]
    async fn what_is_beyond_goes_into_the_archive_and_all_of_it_is_proven_with_it() {
        let mut place = Place::new();
        let bounds = place.bounds();
        for _ in 0..3 {
            place.write(30).await;
            let status = place.look(Some(bounds.clone()));
            assert!(status.bytes <= bounds.bytes_max, "{status:?}");
        }
        let taken: u64 =
            std::fs::read_dir(place.dir()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(taken <= bounds.bytes_max + (1 << 20), "{taken} bytes of files and seals");
        let whole = place.verified(std::slice::from_ref(&bounds.archive));
        assert!(whole.is_good() && whole.entries == place.written && whole.elsewhere == 0, "{whole:?}");
        let alone = place.verified(&[]);
        assert!(alone.is_good() && alone.entries == place.written && alone.elsewhere > 0, "{alone:?}");

        // A damaged file stays, is told of, and does not hold up those behind it.
        let (files, _) = closed(&place.dir()).unwrap();
        let damaged = files[0].path().to_owned();
        let mut bytes = std::fs::read(&damaged).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&damaged, &bytes).unwrap();
        place.write(20).await;
        let status = place.look(Some(bounds.clone()));
        assert!(status.archive_failed.as_deref().is_some_and(|why| why.contains("damaged")), "{status:?}");
        assert!(damaged.exists() && status.archived > 0, "{status:?}");
        assert!(!place.verified(std::slice::from_ref(&bounds.archive)).is_good());
    }
}
