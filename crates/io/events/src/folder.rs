//! The folder of a store, which one store alone has: whoever packs renames and removes files, and has to be the only one who does.

use crate::limits::{OPEN_PAUSE, OPEN_WAIT};
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A folder that nobody else has while this lives, in this process or another one; it is given back when the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Locked. The folder itself, so that the lock goes along where it is moved to.
    held: File,
}

impl Folder {
    /// Makes it where it is not there, and takes it. Whoever had it before may still be ending: that is waited for.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] where somebody else has it.
    pub(crate) fn take(path: &Path) -> io::Result<Self> {
        Self::take_within(path, OPEN_WAIT)
    }

    fn take_within(path: &Path, wait: Duration) -> io::Result<Self> {
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let held = File::open(path)?;
        let began = Instant::now();
        loop {
            match held.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), held }),
                Err(TryLockError::WouldBlock) if began.elapsed() < wait => std::thread::sleep(OPEN_PAUSE),
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Whether it still lies where it was: somebody with a shell may have moved it away.
    pub(crate) fn is_there(&self) -> bool {
        let (Ok(held), Ok(there)) = (self.held.metadata(), std::fs::metadata(&self.path)) else { return false };
        (held.dev(), held.ino()) == (there.dev(), there.ino())
    }

    /// Puts on the disk which files are in it.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.held.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let first = Folder::take(&path).unwrap();
        let refused = Folder::take_within(&path, Duration::ZERO).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy, "{refused:?}");
        drop(first);
        assert!(Folder::take_within(&path, Duration::ZERO).unwrap().is_there());
    }

    #[test]
    fn whoever_is_still_ending_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let first = Folder::take(&path).unwrap();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || Folder::take_within(&path, Duration::from_secs(60)).map(drop)
        });
        std::thread::sleep(OPEN_PAUSE);
        drop(first);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn one_that_was_moved_away_is_not_there_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let folder = Folder::take(&path).unwrap();
        std::fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        assert!(!folder.is_there());
        let another = Folder::take_within(&path, Duration::ZERO).unwrap();
        assert!(another.is_there() && !folder.is_there());
        let moved = Folder::take_within(&dir.path().join("elsewhere"), Duration::ZERO).unwrap_err();
        assert_eq!(moved.kind(), io::ErrorKind::ResourceBusy, "the lock went along");
    }
}
