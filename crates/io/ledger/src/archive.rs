//! Moves closed files of a ledger into an archive, another folder and if can be on another disk, and leaves a seal in the place of each.
//!
//! In this order, so that a kill at any moment leaves every entry in one place at least: the copy is on the disk and was read again, then
//! the seal is, then the file goes. What of it was done already is not done again.

use crate::LedgerError;
use crate::frame::{self, Kind};
use crate::limits::SEAL_BYTES_MAX;
use crate::read::{Piece, SEAL_MAGIC, failed, list, load, make_dir, path_of, seal_path_of, walk};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Ending of a file that is being written; worth nothing after a kill.
const UNFINISHED: &str = "new";

/// A file of a ledger that nobody writes any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    number: u64,
    path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// All files of a ledger but the newest, the oldest first, and the bytes that all together take.
///
/// # Errors
/// [`LedgerError::File`].
pub fn closed(dir: &Path) -> Result<(Vec<Closed>, u64), LedgerError> {
    let mut files = Vec::new();
    for (number, path) in list(dir).map_err(|error| failed(dir, &error))? {
        let bytes = std::fs::metadata(&path).map_err(|error| failed(&path, &error))?.len();
        files.push(Closed { number, path, bytes });
    }
    let all = files.iter().map(|file| file.bytes).sum();
    files.pop();
    Ok((files, all))
}

impl Closed {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves it into `archive`, which is made where it is not there. `seal` makes what stays in its place out of its pieces.
    ///
    /// # Errors
    /// [`LedgerError`]; the file is where it was then. [`LedgerError::Sealing`] with what `seal` said: it is damaged, for instance, and stays for
    /// people to look at.
    pub fn archive(
        &self,
        archive: &Path,
        seal: impl FnOnce(&[Piece<'_>]) -> Result<Vec<u8>, String>,
    ) -> Result<(), LedgerError> {
        let bytes = load(&self.path)?;
        let mut pieces = Vec::new();
        walk(&bytes, |_, piece| pieces.push(piece));
        let why = |why: String| LedgerError::Sealing { path: self.path.clone(), why };
        let seal = seal(&pieces).map_err(why)?;
        if seal.len() > SEAL_BYTES_MAX {
            return Err(LedgerError::TooLong { bytes: seal.len() });
        }
        make_dir(archive).map_err(|error| failed(archive, &error))?;
        self.copy(&bytes, &path_of(archive, self.number))?;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let mut framed = SEAL_MAGIC.to_vec();
        frame::encode(Kind::Mark, &seal, &mut framed);
        put(&seal_path_of(dir, self.number), &framed)?;
        let gone = std::fs::remove_file(&self.path).and_then(|()| File::open(dir)?.sync_all());
        gone.map_err(|error| failed(&self.path, &error))
    }

    /// A file of this name may be there from an earlier attempt; one that says something else is never written over.
    fn copy(&self, bytes: &[u8], to: &Path) -> Result<(), LedgerError> {
        match std::fs::read(to) {
            Ok(there) if there == bytes => return Ok(()),
            Ok(_) => return Err(failed(to, &io::Error::other("another file of this name is in the archive"))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(to, &error)),
        }
        put(to, bytes)?;
        // Read again, since what comes next takes the original away.
        match std::fs::read(to) {
            Ok(there) if there == bytes => Ok(()),
            Ok(_) => Err(failed(to, &io::Error::other("it was written and reads as something else"))),
            Err(error) => Err(failed(to, &error)),
        }
    }
}

/// Writes a file as a whole, on the disk with its folder.
fn put(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    let unfinished = path.with_extension(UNFINISHED);
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&unfinished); // the first failure is the one to report
        failed(path, &error)
    })
}
