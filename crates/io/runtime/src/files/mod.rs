//! Files: written whole or not at all, read up to a size, and the fleet's own files.

mod fleet;

pub use fleet::{LoadError, is_of_prometheus, load_fleet, load_policies, load_prometheus_rules, load_rules};

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes `bytes` to `path` so that, whenever power fails, the file is the old or the new one, whole.
///
/// It gets exactly `mode` (such as `0o600`), whatever the umask. Two writers at once do not mix: the later one wins.
/// Blocks for the disk: in async code, call it where waiting some milliseconds is fine, or on a blocking thread.
///
/// # Errors
/// What the kernel says; `path` is then as it was, and nothing else is left behind.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let beside = beside(path, dir)?;
    let written = write_new(&beside, bytes, mode).and_then(|()| std::fs::rename(&beside, path));
    if let Err(error) = written {
        // Nothing to do about a second failure; the first one is the one to report.
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    // The rename is in the folder, and the folder is on disk only after this.
    File::open(dir)?.sync_all()
}

/// A name in the same folder (a rename does not cross file systems) that nobody else uses.
fn beside(path: &Path, dir: &Path) -> Result<PathBuf> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(Error::new(ErrorKind::InvalidInput, format!("`{}` names no file", path.display())));
    };
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    Ok(dir.join(format!(".{}.{}.{count}.tmp", name.to_string_lossy(), std::process::id())))
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    // Left over by a process that had our id and was killed.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Narrow while it is being written; `mode` may be wider.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(path)?;
    file.write_all(bytes)?;
    file.set_permissions(PermissionsExt::from_mode(mode))?;
    file.sync_all()
}

/// What tells a file from what it was before, without reading it: its length and when it was changed. To be compared, and for
/// nothing else.
///
/// # Errors
/// What the kernel says.
pub fn stamp(path: &Path) -> Result<String> {
    let about = std::fs::metadata(path)?;
    Ok(format!("{} {}.{:09}", about.len(), about.mtime(), about.mtime_nsec()))
}

/// Reads a regular file of at most `bytes_max` bytes.
///
/// # Errors
/// `FileTooLarge` where it is longer (nothing of it is returned), `InvalidInput` where it is no regular file, so that a
/// pipe or a device cannot hold us up; else what the kernel says.
pub fn read_bounded(path: &Path, bytes_max: usize) -> Result<Vec<u8>> {
    // Not to wait for the other end, should it be a pipe.
    let file = OpenOptions::new().read(true).custom_flags(nonblocking()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, format!("`{}` is not a regular file", path.display())));
    }
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(about.len().min(limit)).unwrap_or(0));
    // The length above may be out of date by now, hence the bound on what is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        let text = format!("`{}` is longer than {bytes_max} bytes", path.display());
        return Err(Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

fn nonblocking() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag of open(2) fits in a C int")
}
