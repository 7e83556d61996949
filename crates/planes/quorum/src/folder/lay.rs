//! Out of the image into a folder.

use super::image::File;
use super::read::Own;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where what the group does not know goes; what begins with a dot is nobody's.
const ASIDE: &str = ".left";

/// A file could not be read, written or removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot lay out `{}`", path.display())]
pub struct LayError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

pub(super) fn out(files: &BTreeMap<String, File>, dir: &Path, own: &Own) -> Result<(), LayError> {
    clear(files, dir, own, "")?;
    for (path, file) in files.iter().filter(|(path, _)| own.shares(path)) {
        let at = dir.join(path);
        put(&at, file).map_err(|source| LayError { path: at, source })?;
    }
    Ok(())
}

/// Not on disk for sure when this returns: the group has it on disk.
fn put(at: &Path, file: &File) -> io::Result<()> {
    if let Some(folder) = at.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // Anew: a file that was wider open may be held by somebody.
    match std::fs::remove_file(at) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut new = std::fs::OpenOptions::new().write(true).create_new(true).mode(file.mode & 0o600).open(at)?;
    new.write_all(&file.bytes)?;
    new.set_permissions(PermissionsExt::from_mode(file.mode & 0o777))
}

/// What the group does not know may be somebody's who did not know where he put it; one of a name is kept.
fn put_aside(dir: &Path, path: &str) -> io::Result<()> {
    let aside = dir.join(ASIDE);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
    std::fs::rename(dir.join(path), aside.join(path.replace('/', "_")))
}

/// Puts aside what the group has not. The index of a database's log goes in any case: it stands for another log.
fn clear(files: &BTreeMap<String, File>, dir: &Path, own: &Own, below: &str) -> Result<(), LayError> {
    let here = dir.join(below);
    let failed = |source| LayError { path: here.clone(), source };
    for entry in std::fs::read_dir(&here).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && own.shares(&path) {
            clear(files, dir, own, &path)?;
        } else if kind.is_file() && path.ends_with(".db-shm") {
            let at = entry.path();
            std::fs::remove_file(&at).map_err(|source| LayError { path: at, source })?;
        } else if kind.is_file() && own.shares(&path) && !files.contains_key(&path) {
            put_aside(dir, &path).map_err(|source| LayError { path: entry.path(), source })?;
        }
    }
    Ok(())
}
