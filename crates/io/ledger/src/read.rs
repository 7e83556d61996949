//! Reads the files of a ledger, piece by piece.

use crate::LedgerError;
use crate::frame::{self, Kind};
use crate::limits::FILE_BYTES_READ_MAX;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// First bytes of every file.
pub(crate) const MAGIC: &[u8; 8] = b"BZLEDGR1";
const SUFFIX: &str = "ledger";
/// First bytes of every seal.
pub(crate) const SEAL_MAGIC: &[u8; 8] = b"BZSEALS1";
const SEAL_SUFFIX: &str = "seal";

/// A part of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// An entry.
    Entry(&'a [u8]),
    /// A mark.
    Mark(&'a [u8]),
    /// Bytes that are no part of a ledger; reading goes on at the next mark.
    Damaged,
    /// What stays of a file that was moved into an archive. Where the archive was named, it comes behind what is in that file.
    Seal(&'a [u8]),
    /// Half a group at the very end: it was being written, or was cut off.
    Torn,
}

/// Hands every piece of a ledger to `visit`, in order, with its place as text.
///
/// # Errors
/// [`LedgerError::File`].
pub fn read(dir: &Path, visit: impl FnMut(&str, Piece<'_>)) -> Result<(), LedgerError> {
    read_with(dir, &[], visit)
}

/// As [`read`], with the files that were moved into `archives`.
///
/// # Errors
/// [`LedgerError::File`].
pub fn read_with(dir: &Path, archives: &[PathBuf], mut visit: impl FnMut(&str, Piece<'_>)) -> Result<(), LedgerError> {
    let parts = parts(dir, archives)?;
    let last = parts.keys().next_back().copied();
    let mut before: Option<u64> = None;
    for (number, Part { file, seal }) in &parts {
        // A file in the middle that is gone leaves a gap in the numbers.
        if before.is_some_and(|before| before + 1 != *number) {
            visit(&format!("before {}", name(&path_of(dir, *number))), Piece::Damaged);
        }
        before = Some(*number);
        if let Some(path) = file {
            let bytes = load(path)?;
            walk(&bytes, |at, piece| {
                // Half a group at the end of a file that others follow is what a failed disk left.
                let piece = if last != Some(*number) && piece == Piece::Torn { Piece::Damaged } else { piece };
                visit(&format!("{}, byte {at}", name(path)), piece);
            });
        }
        if let Some(path) = seal {
            let bytes = load(path)?;
            let framed = bytes.strip_prefix(SEAL_MAGIC).and_then(frame::decode);
            let whole = framed.filter(|it| it.kind == Kind::Mark && SEAL_MAGIC.len() + it.bytes == bytes.len());
            visit(&name(path), whole.map_or(Piece::Damaged, |it| Piece::Seal(it.data)));
        }
    }
    Ok(())
}

/// What there is of a number.
#[derive(Default)]
struct Part {
    file: Option<PathBuf>,
    seal: Option<PathBuf>,
}

/// By number. A file of the ledger itself comes before its copy in an archive: a kill between the two leaves both.
fn parts(dir: &Path, archives: &[PathBuf]) -> Result<BTreeMap<u64, Part>, LedgerError> {
    let mut parts: BTreeMap<u64, Part> = BTreeMap::new();
    for dir in std::iter::once(dir).chain(archives.iter().map(PathBuf::as_path)) {
        for (number, path) in list(dir).map_err(|error| failed(dir, &error))? {
            parts.entry(number).or_default().file.get_or_insert(path);
        }
    }
    for (number, path) in list_of(dir, SEAL_SUFFIX).map_err(|error| failed(dir, &error))? {
        parts.entry(number).or_default().seal = Some(path);
    }
    Ok(parts)
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
    list_of(dir, SUFFIX)
}

fn list_of(dir: &Path, suffix: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|it| it == suffix)) {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(crate) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}.{SUFFIX}"))
}

pub(crate) fn seal_path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}.{SEAL_SUFFIX}"))
}

pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
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
