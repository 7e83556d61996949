//! Reads the files of a ledger, piece by piece.

use crate::LedgerError;
use crate::frame::{self, Kind};
use crate::limits::FILE_BYTES_READ_MAX;
use std::io;
use std::path::{Path, PathBuf};

/// First bytes of every file.
pub(crate) const MAGIC: &[u8; 8] = b"BZLEDGR1";
const SUFFIX: &str = "ledger";

/// A part of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// An entry.
    Entry(&'a [u8]),
    /// A mark.
    Mark(&'a [u8]),
    /// Bytes that are no part of a ledger; reading goes on at the next mark.
    Damaged,
    /// Half a group at the very end: it was being written, or was cut off.
    Torn,
}

/// Hands every piece of a ledger to `visit`, in order, with its place as text.
///
/// # Errors
/// [`LedgerError::File`].
pub fn read(dir: &Path, mut visit: impl FnMut(&str, Piece<'_>)) -> Result<(), LedgerError> {
    let files = list(dir).map_err(|error| failed(dir, &error))?;
    let last = files.len().saturating_sub(1);
    for (n, (number, path)) in files.iter().enumerate() {
        // A file in the middle that is gone leaves a gap in the numbers.
        if n > 0 && files[n - 1].0 + 1 != *number {
            visit(&format!("before {}", name(path)), Piece::Damaged);
        }
        let bytes = load(path)?;
        walk(&bytes, |at, piece| {
            // Half a group at the end of a file that others follow is what a failed disk left.
            let piece = if n < last && piece == Piece::Torn { Piece::Damaged } else { piece };
            visit(&format!("{}, byte {at}", name(path)), piece);
        });
    }
    Ok(())
}

/// Every piece of one file.
pub(crate) fn walk<'a>(bytes: &'a [u8], mut visit: impl FnMut(usize, Piece<'a>)) {
    let mut at = 0;
    if bytes.starts_with(MAGIC) {
        at = MAGIC.len();
    } else if bytes.len() >= MAGIC.len() {
        visit(0, Piece::Damaged);
        at = frame::next_mark(bytes).unwrap_or(bytes.len());
    }
    while at < bytes.len() {
        match frame::decode(&bytes[at..]) {
            Some(frame) => {
                let piece = match frame.kind {
                    Kind::Entry => Piece::Entry(frame.data),
                    Kind::Mark => Piece::Mark(frame.data),
                };
                visit(at, piece);
                at += frame.bytes;
            }
            None => match frame::next_mark(&bytes[at..]) {
                Some(next) => {
                    visit(at, Piece::Damaged);
                    at += next;
                }
                None => {
                    visit(at, Piece::Torn);
                    at = bytes.len();
                }
            },
        }
    }
}

/// The files of a ledger by their numbers, the oldest first.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|it| it == SUFFIX)) {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(crate) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}.{SUFFIX}"))
}

pub(crate) fn load(path: &Path) -> Result<Vec<u8>, LedgerError> {
    let length = std::fs::metadata(path).map_err(|error| failed(path, &error))?.len();
    if length > FILE_BYTES_READ_MAX {
        return Err(failed(path, &io::Error::other("longer than any file of a ledger")));
    }
    std::fs::read(path).map_err(|error| failed(path, &error))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(crate) fn failed(path: &Path, error: &io::Error) -> LedgerError {
    LedgerError::File { path: path.to_owned(), why: error.to_string() }
}
