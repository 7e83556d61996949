//! The store of a service: an append-only file, replayed at start.
//!
//! Records are JSON lines. Those that wait while the disk is busy go out together as one frame with one `fsync`, so
//! throughput does not fall to one record per disk turn. A frame begins with `#<bytes> <checksum>`.
//!
//! A crash can cut only the last frame, which nobody was told about: it is dropped. A damaged frame with a good one
//! after it is damage to money that was promised: the journal refuses to open. A failed write ends the process,
//! since after a failed `fsync` nobody knows what the disk holds; the next start reads what it does hold.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::watch;

/// Whether a frame is on the disk, or only with the kernel, when it counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `fsync` after every frame. Survives a power cut.
    Disk,
    /// No `fsync`. Survives the death of the process; for measuring what the disk costs.
    Kernel,
}

/// Why a journal does not open.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be read or written.
    #[error("journal `{}`", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error("journal `{}` is in use by another process; stop that one or give another --data folder", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// Not a torn end: good frames follow the bad one. Restore the file from a copy.
    #[error("journal `{}` is damaged at byte {at}, with good records after it; restore it from a copy", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where the bad frame begins.
        at: usize,
    },
    /// A record of another version or another service.
    #[error("journal `{}` has a record that this program does not know: `{text}`", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// The record.
        text: String,
        /// What the reader said.
        #[source]
        source: serde_json::Error,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    waiting: Arc<Waiting>,
    written: watch::Receiver<u64>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Mutex<Lines>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    /// Records appended since the start, a count.
    appended: u64,
    closed: bool,
}

impl Waiting {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Opens or makes the file, gives every record in it to `replay`, and starts the thread that writes.
    ///
    /// # Errors
    /// [`JournalError`]; nothing is changed then.
    pub fn open<R: DeserializeOwned>(
        path: &Path,
        durability: Durability,
        mut replay: impl FnMut(R),
    ) -> Result<Self, JournalError> {
        let broken = |source| JournalError::Io { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(broken)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(broken(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(broken)?;
        let good = good_length(&bytes).map_err(|at| JournalError::Damaged { path: path.to_owned(), at })?;
        for line in bytes[..good].split(|b| *b == b'\n').filter(|line| !line.is_empty() && line[0] != b'#') {
            let record = serde_json::from_slice(line).map_err(|source| JournalError::Foreign {
                path: path.to_owned(),
                text: String::from_utf8_lossy(line).chars().take(200).collect(),
                source,
            })?;
            replay(record);
        }
        if good < bytes.len() {
            eprintln!(
                "journal `{}`: dropped {} bytes that a crash left half written",
                path.display(),
                bytes.len() - good
            );
            file.set_len(good as u64).and_then(|()| file.sync_all()).map_err(broken)?;
        }
        file.seek(SeekFrom::End(0)).map_err(broken)?;
        sync_folder(path).map_err(broken)?;

        let waiting = Arc::new(Waiting::default());
        let (publish, written) = watch::channel(0);
        let writer = Writer { file, path: path.to_owned(), durability, waiting: Arc::clone(&waiting), publish };
        let thread = std::thread::Builder::new().name("journal".into());
        let writer = thread.spawn(move || writer.run()).map_err(broken)?;
        Ok(Self { waiting, written, writer: Some(writer) })
    }

    /// Adds a record to the next frame. Callers hold the lock of the state that the record changes, so that
    /// the file has the records in the order in which they took effect.
    pub fn append<R: Serialize>(&self, record: &R) {
        let mut lines = self.waiting.lines();
        serde_json::to_writer(&mut lines.text, record).expect("records have text keys and no failing serializer");
        lines.text.push(b'\n');
        lines.appended += 1;
        drop(lines);
        self.waiting.wake.notify_one();
    }

    /// Waits until everything appended so far is written. An answer that waits for this, a read too, never tells
    /// of something that a crash can still undo.
    ///
    /// Dropping the future loses nothing; the records are written all the same.
    pub async fn flushed(&self) {
        let appended = self.waiting.lines().appended;
        let mut written = self.written.clone();
        // An error would mean that the writer is gone, and it takes the process with it.
        let _ = written.wait_for(|count| *count >= appended).await;
    }
}

/// Writes what is left and closes the file.
impl Drop for Journal {
    fn drop(&mut self) {
        self.waiting.lines().closed = true;
        self.waiting.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

struct Writer {
    file: File,
    path: PathBuf,
    durability: Durability,
    waiting: Arc<Waiting>,
    publish: watch::Sender<u64>,
}

impl Writer {
    fn run(mut self) {
        while let Some((text, appended)) = self.next() {
            if let Err(error) = self.write(&text) {
                eprintln!(
                    "journal `{}`: {error}; stopping, since nothing can be promised any more",
                    self.path.display()
                );
                std::process::exit(1);
            }
            self.publish.send_replace(appended);
        }
    }

    /// What gathered since the last frame; `None` when the journal is closed and all is written.
    fn next(&self) -> Option<(Vec<u8>, u64)> {
        let lines = self.waiting.lines();
        let mut lines = self
            .waiting
            .wake
            .wait_while(lines, |lines| lines.text.is_empty() && !lines.closed)
            .unwrap_or_else(PoisonError::into_inner);
        (!lines.text.is_empty()).then(|| (std::mem::take(&mut lines.text), lines.appended))
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.file.write_all(&frame(text))?;
        match self.durability {
            Durability::Disk => self.file.sync_data(),
            Durability::Kernel => Ok(()),
        }
    }
}

fn frame(text: &[u8]) -> Vec<u8> {
    let mut frame = format!("#{} {:016x}\n", text.len(), checksum(text)).into_bytes();
    frame.extend_from_slice(text);
    frame
}

/// FNV-1a. It finds what a crash left; it does not stop somebody who edits the file.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// How much of `bytes` is whole frames, or where it is damaged.
fn good_length(bytes: &[u8]) -> Result<usize, usize> {
    let mut good = 0;
    while let Some(length) = frame_length(&bytes[good..]) {
        good += length;
    }
    let rest = &bytes[good..];
    let frame_follows =
        rest.iter().enumerate().skip(1).any(|(at, b)| *b == b'#' && frame_length(&rest[at..]).is_some());
    if frame_follows { Err(good) } else { Ok(good) }
}

/// Length of the whole frame that `bytes` begin with; `None` if they do not begin with one.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let head_length = bytes.iter().take(64).position(|b| *b == b'\n')? + 1;
    let head = std::str::from_utf8(bytes.strip_prefix(b"#")?.get(..head_length - 2)?).ok()?;
    let (length, sum) = head.split_once(' ')?;
    let end = head_length.checked_add(length.parse().ok()?)?;
    let text = bytes.get(head_length..end)?;
    (u64::from_str_radix(sum, 16).ok()? == checksum(text)).then_some(end)
}

/// A new file is there after a power cut only when its folder is written too.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(path: &Path) -> Result<Vec<u32>, JournalError> {
        let mut seen = Vec::new();
        Journal::open(path, Durability::Kernel, |n: u32| seen.push(n)).map(|_| seen)
    }

    #[tokio::test]
    async fn what_is_flushed_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for round in 0..3u32 {
            let mut seen = 0;
            let journal = Journal::open(&path, Durability::Disk, |_: u32| seen += 1).unwrap();
            assert_eq!(seen, round * 100);
            (0..100).for_each(|n| journal.append(&n));
            journal.flushed().await;
        }
        assert_eq!(read(&path).unwrap().len(), 300);
    }

    #[test]
    fn a_journal_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let _first = Journal::open(&path, Durability::Kernel, |_: u32| {}).unwrap();
        assert!(matches!(read(&path), Err(JournalError::InUse { .. })));
    }

    /// Three frames: 1 and 2, then 3, then 4 and 5.
    fn three_frames() -> (Vec<u8>, [usize; 4]) {
        let frames = [frame(b"1\n2\n"), frame(b"3\n"), frame(b"4\n5\n")];
        let ends = [0, frames[0].len(), frames[0].len() + frames[1].len(), frames.iter().map(Vec::len).sum()];
        (frames.concat(), ends)
    }

    #[test]
    fn a_cut_at_any_byte_loses_only_the_frame_that_it_cuts() {
        let (whole, ends) = three_frames();
        for cut in 0..=whole.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal");
            std::fs::write(&path, &whole[..cut]).unwrap();
            let kept = match cut {
                _ if cut >= ends[3] => 5,
                _ if cut >= ends[2] => 3,
                _ if cut >= ends[1] => 2,
                _ => 0,
            };
            assert_eq!(read(&path).unwrap(), (1..=kept).collect::<Vec<u32>>(), "cut at {cut}");
            let end = *ends.iter().rfind(|end| **end <= cut).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), end as u64, "the torn end stays, cut at {cut}");
        }
    }

    #[test]
    fn a_tail_of_zeros_is_a_torn_tail() {
        // What some file systems leave when the length was written and the data was not.
        let (whole, ends) = three_frames();
        let mut zeroed = whole[..ends[2]].to_vec();
        zeroed.resize(ends[3] + 4096, 0);
        assert_eq!(good_length(&zeroed), Ok(ends[2]));
    }

    #[test]
    fn damage_before_good_records_is_refused_and_nothing_is_cut() {
        let (whole, ends) = three_frames();
        for at in 0..ends[2] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x01;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal");
            std::fs::write(&path, &damaged).unwrap();
            assert!(matches!(read(&path), Err(JournalError::Damaged { .. })), "opened with byte {at} changed");
            assert_eq!(std::fs::read(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn a_foreign_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, frame(b"{\"balance\":1}\n")).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.to_string().ends_with("does not know: `{\"balance\":1}`"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(prop_oneof![Just(b'#'), Just(b'\n'), Just(b' '), Just(b'0'), any::<u8>()], 0..200)) {
            let _ = good_length(&bytes);
        }
    }
}
