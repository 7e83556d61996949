//! What there is in a folder.

use super::edit::{Edit, differences, is_inside};
use super::image::Folder;
use crate::limits::{FILES_MAX, READ_AGAIN_MAX};
use bartizan_store::{Copier, Look, StoreError};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names in the folder itself that are a member's own, whatever they are.
#[derive(Clone, Debug, Default)]
pub struct Own(pub &'static [&'static str]);

impl Own {
    /// Whether what is so called, in the folder itself or deeper, is everybody's.
    pub(super) fn shares(&self, path: &str) -> bool {
        let top = path.split('/').next().unwrap_or_default();
        // What begins with a dot is on its way to another name.
        let is_passing = path.split('/').any(|name| name.starts_with('.'));
        !self.0.contains(&top) && !is_passing && !path.ends_with(".sock") && !path.ends_with(".db-shm")
    }
}

/// A file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) mode: u32,
    /// What is in it; `None` where it is as it was at the last reading.
    pub(super) bytes: Option<Vec<u8>>,
}

/// Reads a folder again and again.
pub(super) struct Reader {
    dir: PathBuf,
    own: Own,
    seen: BTreeMap<String, Look>,
    databases: BTreeMap<String, Copier>,
}

/// Why a folder was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("cannot read `{}`", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("`{}` has more than {FILES_MAX} files", dir.display())]
    TooMany { dir: PathBuf },
    #[error("files of `{}` are replaced all the time", dir.display())]
    Missed { dir: PathBuf },
    #[error(transparent)]
    Database(#[from] StoreError),
}

impl Reader {
    pub(super) fn new(dir: PathBuf, own: Own) -> Self {
        Self { dir, own, seen: BTreeMap::new(), databases: BTreeMap::new() }
    }

    /// Forgets what was read: all is read anew.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
        self.databases.values_mut().for_each(Copier::forget);
    }

    /// What has to change in `folder` for it to be what is here.
    pub(super) async fn edits(&mut self, folder: &Folder) -> Result<Vec<Edit>, ReadError> {
        for _ in 0..READ_AGAIN_MAX {
            let edits = {
                let found = self.read().await?;
                differences(&folder.image(), &found)
            };
            // A file that is replaced while its folder is listed may be in no list, and is there all the same.
            let is_missed = |edit: &Edit| edit.is.is_none() && self.dir.join(&edit.path).symlink_metadata().is_ok();
            if !edits.iter().any(is_missed) {
                return Ok(edits);
            }
        }
        Err(ReadError::Missed { dir: self.dir.clone() })
    }

    /// Everything that is everybody's. Databases last: what moves from a file into one is then seen twice rather than never.
    pub(super) async fn read(&mut self) -> Result<BTreeMap<String, Found>, ReadError> {
        let (dir, own, mut seen) = (self.dir.clone(), self.own.clone(), std::mem::take(&mut self.seen));
        let files = tokio::task::spawn_blocking(move || {
            let mut files = BTreeMap::new();
            let read = walk(&dir, &own, "", &mut seen, &mut files);
            read.map(|()| (files, seen))
        });
        let (mut files, seen) = files.await.expect("reading does not panic, and nothing aborts the task")?;
        self.seen = seen;
        let databases: Vec<String> = files.keys().filter(|path| path.ends_with(".db")).cloned().collect();
        for path in databases {
            let at = self.dir.join(&path);
            let copier = self.databases.entry(path.clone()).or_insert_with(|| Copier::new(&at));
            let mode = files.remove(&path).map_or(0o600, |found| found.mode);
            let Some(copied) = copier.copy().await? else { continue };
            files.insert(format!("{path}-wal"), Found { mode, bytes: copied.log });
            files.insert(path, Found { mode, bytes: copied.file });
        }
        Ok(files)
    }
}

fn walk(
    dir: &Path,
    own: &Own,
    below: &str,
    seen: &mut BTreeMap<String, Look>,
    files: &mut BTreeMap<String, Found>,
) -> Result<(), ReadError> {
    let here = dir.join(below);
    let failed = |source| ReadError::File { path: here.clone(), source };
    let entries = match std::fs::read_dir(&here) {
        // It may go while we look.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        if !own.shares(&path) || !is_inside(&path) || path.ends_with(".db-wal") {
            continue;
        }
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() {
            walk(dir, own, &path, seen, files)?;
        } else if about.is_file() {
            if files.len() >= FILES_MAX {
                return Err(ReadError::TooMany { dir: dir.to_owned() });
            }
            let mode = about.mode() & 0o777;
            // Its copier reads it.
            let bytes = if path.ends_with(".db") { None } else { read(&entry.path(), &path, seen)? };
            files.insert(path, Found { mode, bytes });
        }
    }
    Ok(())
}

/// `None` where it is as it was, or gone since: then the next reading finds it gone.
fn read(at: &Path, path: &str, seen: &mut BTreeMap<String, Look>) -> Result<Option<Vec<u8>>, ReadError> {
    let failed = |source| ReadError::File { path: at.to_owned(), source };
    let look = match std::fs::metadata(at) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        about => Look::at(&about.map_err(failed)?),
    };
    if look.is_some() && look.as_ref() == seen.get(path) {
        return Ok(None);
    }
    let bytes = match std::fs::read(at) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(failed)?,
    };
    match look {
        Some(look) => seen.insert(path.to_owned(), look),
        None => seen.remove(path),
    };
    Ok(Some(bytes))
}
