//! Writes the newest file of a ledger: each group with one write and one flush.

use crate::LedgerError;
use crate::frame::{self, Kind};
use crate::limits::{ENTRY_BYTES_MAX, FILE_BYTES, FILE_BYTES_MIN, MARK_BYTES_MAX};
use crate::read::{MAGIC, Piece, failed, list, load, make_dir, path_of, walk};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Length of a file that was begun and holds no group yet, in bytes.
const BEGUN_BYTES_MAX: usize = MAGIC.len() + 13 + MARK_BYTES_MAX;

/// The one who writes. Every call may write the disk.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    /// Number of the newest file; 0 where there is none.
    number: u64,
    /// The newest file and its length, while it is written on.
    open: Option<(File, u64)>,
    /// The mark over everything that is there; the first frame of each further file.
    mark: Option<Vec<u8>>,
    file_bytes: u64,
}

impl Writer {
    /// Opens the folder, makes it where it is not there, and cuts off half a group at the end. Hands the entries of the newest file to `visit`,
    /// as far as a mark is over them.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub fn open(dir: &Path, visit: impl FnMut(&[u8])) -> Result<Self, LedgerError> {
        Self::open_with(dir, FILE_BYTES, visit)
    }

    /// As [`Writer::open`], with files of another size. For tests.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub fn open_with(dir: &Path, file_bytes: u64, mut visit: impl FnMut(&[u8])) -> Result<Self, LedgerError> {
        make_dir(dir).map_err(|error| failed(dir, &error))?;
        let mut it = Self { dir: dir.to_owned(), number: 0, open: None, mark: None, file_bytes };
        for (number, path) in list(dir).map_err(|error| failed(dir, &error))?.into_iter().rev() {
            it.number = it.number.max(number);
            let bytes = load(&path)?;
            let end = End::of(&bytes);
            let Some(mark) = end.mark else {
                // A kill while it was begun leaves less than a mark of it, and nothing in it was confirmed. More than that was made so by
                // somebody: it stays, and an audit says so.
                let begun = !end.damaged && (bytes.len() <= BEGUN_BYTES_MAX || number == 1) && number == it.number;
                if begun {
                    std::fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
                    it.number -= 1;
                }
                tracing::warn!(file = %path.display(), removed = begun, "a file of the ledger holds nothing that was signed");
                continue;
            };
            end.entries.iter().for_each(|entry| visit(entry));
            it.mark = Some(mark.to_vec());
            if number == it.number && !end.damaged {
                it.open = Some(it.go_on(&path, &bytes, end.at).map_err(|error| failed(&path, &error))?);
            } else if end.damaged {
                tracing::error!(file = %path.display(), "a file of the ledger is damaged; it stays as it is, and a new one is begun: see `bartizan audit verify`");
            }
            break;
        }
        Ok(it)
    }

    /// From which size in bytes on a file is closed, from now on.
    pub fn set_file_bytes(&mut self, bytes: u64) {
        self.file_bytes = bytes.clamp(FILE_BYTES_MIN, FILE_BYTES);
    }

    /// The mark over everything that is there; `None` for a ledger that is just begun.
    pub fn mark(&self) -> Option<&[u8]> {
        self.mark.as_deref()
    }

    /// Writes a group with the mark over it and everything before, and puts it on the disk: all of it or, with an error, nothing.
    ///
    /// # Errors
    /// [`LedgerError`]. The next call tries a new file.
    pub fn append(&mut self, entries: &[Vec<u8>], mark: Vec<u8>) -> Result<(), LedgerError> {
        let too_long = entries.iter().map(Vec::len).find(|bytes| *bytes > ENTRY_BYTES_MAX);
        if let Some(bytes) = too_long.or(Some(mark.len()).filter(|bytes| *bytes > MARK_BYTES_MAX)) {
            return Err(LedgerError::TooLong { bytes });
        }
        let mut bytes =
            Vec::with_capacity(entries.iter().map(|entry| entry.len() + 16).sum::<usize>() + mark.len() + 16);
        entries.iter().for_each(|entry| frame::encode(Kind::Entry, entry, &mut bytes));
        frame::encode(Kind::Mark, &mark, &mut bytes);
        let path = path_of(&self.dir, self.number);
        // What goes into a file that was moved away is not found again.
        if self.open.as_ref().is_none_or(|(file, length)| *length >= self.file_bytes || !is_at(file, &path)) {
            self.begin()?;
        }
        let path = path_of(&self.dir, self.number);
        let Some((file, length)) = &mut self.open else {
            return Err(failed(&path, &io::Error::other("no file is open")));
        };
        if let Err(error) = file.write_all_at(&bytes, *length).and_then(|()| file.sync_data()) {
            // After a failed flush the kernel may call the next one good although this one's bytes are gone: nothing is added here.
            let _ = file.set_len(*length); // what stays behind it has no mark over it, or an audit says so
            self.open = None;
            return Err(failed(&path, &error));
        }
        *length += bytes.len() as u64;
        self.mark = Some(mark);
        Ok(())
    }

    /// Opens the newest file to be written on behind byte `at`.
    fn go_on(&self, path: &Path, bytes: &[u8], at: usize) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().write(true).open(path)?;
        if at < bytes.len() {
            tracing::warn!(
                file = %path.display(), bytes = bytes.len() - at,
                "the end of the ledger was torn: it was never confirmed, and is cut off"
            );
            file.set_len(at as u64)?;
            file.sync_all()?;
        }
        Ok((file, at as u64))
    }

    /// Begins a new file with the mark of the one before, on disk with its folder.
    fn begin(&mut self) -> Result<(), LedgerError> {
        self.open = None;
        let number = self.number + 1;
        let path = path_of(&self.dir, number);
        let mut bytes = MAGIC.to_vec();
        if let Some(mark) = &self.mark {
            frame::encode(Kind::Mark, mark, &mut bytes);
        }
        let made = make_dir(&self.dir)
            .and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path))
            .and_then(|file| {
                file.write_all_at(&bytes, 0)?;
                file.sync_all()?;
                File::open(&self.dir)?.sync_all()?;
                Ok(file)
            });
        match made {
            Ok(file) => {
                self.number = number;
                self.open = Some((file, bytes.len() as u64));
                Ok(())
            }
            Err(error) => {
                let _ = std::fs::remove_file(&path); // the first failure is the one to report
                Err(failed(&path, &error))
            }
        }
    }
}

/// Where a file ends that a writer may go on with.
#[derive(Default)]
struct End<'a> {
    /// Behind its last whole mark, in bytes.
    at: usize,
    mark: Option<&'a [u8]>,
    /// The entries before it.
    entries: Vec<&'a [u8]>,
    damaged: bool,
}

impl<'a> End<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let (mut it, mut unmarked) = (Self::default(), Vec::new());
        walk(bytes, |at, piece| match piece {
            Piece::Entry(entry) => unmarked.push(entry),
            Piece::Mark(mark) => {
                it.entries.append(&mut unmarked);
                it.mark = Some(mark);
                let mut frame = Vec::new();
                frame::encode(Kind::Mark, mark, &mut frame);
                it.at = at + frame.len();
            }
            Piece::Damaged => it.damaged = true,
            Piece::Torn | Piece::Seal(_) => {}
        });
        it
    }
}

fn is_at(open: &File, path: &Path) -> bool {
    let place = |about: Metadata| (about.dev(), about.ino());
    match (open.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => place(open) == place(there),
        _ => false,
    }
}
