//! What the kernel says of a caller: its user, and that its executable is the proxy.

use crate::limits::BINARY_BYTES_MAX;
use bartizan_crypto::hash;
use bartizan_runtime::files;
use bartizan_runtime::local::Caller;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why a caller is not the proxy it claims to be.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// It runs as another user than announced; or the kernel does not say.
    #[error("the caller runs as user {uid}, not as user {expected}")]
    Uid {
        /// The caller's.
        uid: u32,
        /// The announced one.
        expected: u32,
    },
    /// The kernel tells no process id: the caller is in another pid namespace.
    #[error("the kernel does not tell the caller's process id; node and proxies must share a pid namespace")]
    NoPid,
    /// Its executable cannot be looked at: it ended, or is of another user.
    #[error("the executable of process {pid} cannot be looked at: {source}")]
    Unseen {
        /// The caller.
        pid: i32,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is another program.
    #[error("process {pid} runs `{}`, not the proxy `{}` as it was when the node looked at it; after an update, `bartizan upgrade`, or start the node anew", executable.display(), proxy.display())]
    OtherProgram {
        /// The caller.
        pid: i32,
        /// What it runs.
        executable: PathBuf,
        /// What was expected.
        proxy: PathBuf,
    },
}

/// Knows the proxy binary as it was when it was looked at.
#[derive(Debug)]
pub struct Attestor {
    path: PathBuf,
    sha256: [u8; 32],
    state: FileState,
}

/// Which file, and whether it was written to since. A user without root cannot set `ctime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl FileState {
    pub(crate) fn of(about: &Metadata) -> Self {
        Self {
            device: about.dev(),
            inode: about.ino(),
            bytes: about.size(),
            changed: (about.ctime(), about.ctime_nsec()),
            modified: (about.mtime(), about.mtime_nsec()),
        }
    }

    /// Device and number: which file it is, whatever was written to it.
    pub(crate) fn file(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

impl Attestor {
    /// Reads the proxy binary. Blocks for the disk.
    ///
    /// # Errors
    /// What the kernel says; `Interrupted` where the file changed while it was read.
    pub fn of(proxy: &Path) -> io::Result<Self> {
        let before = FileState::of(&fs::metadata(proxy)?);
        let sha256 = digest(proxy)?;
        let state = FileState::of(&fs::metadata(proxy)?);
        if before != state {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "it changed while it was read; try again"));
        }
        Ok(Self { path: proxy.to_owned(), sha256, state })
    }

    /// The same proxy as it lies there now. Blocks for the disk.
    ///
    /// # Errors
    /// As [`Attestor::of`].
    pub fn again(&self) -> io::Result<Self> {
        Self::of(&self.path)
    }

    /// Checks the executable behind `caller`.
    ///
    /// The process id is that of the moment of connecting. Should it be somebody else's by now, that one is looked at; the
    /// ticket is what such a switch does not bring along.
    ///
    /// # Errors
    /// [`AttestError`].
    pub fn check_executable(&self, caller: Caller) -> Result<(), AttestError> {
        let pid = caller.pid.ok_or(AttestError::NoPid)?;
        // The kernel's own handle on what runs, also where the file at that path was replaced or removed since.
        let link = PathBuf::from(format!("/proc/{pid}/exe"));
        let unseen = |source| AttestError::Unseen { pid, source };
        let state = FileState::of(&fs::metadata(&link).map_err(unseen)?);
        if state == self.state {
            return Ok(());
        }
        let same_file = (state.device, state.inode) == (self.state.device, self.state.inode);
        // Touched but equal is still the proxy. The dates above only save reading it each time.
        if same_file && hash::equal(&digest(&link).map_err(unseen)?, &self.sha256) {
            return Ok(());
        }
        let executable = fs::read_link(&link).unwrap_or_default();
        Err(AttestError::OtherProgram { pid, executable, proxy: self.path.clone() })
    }
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    Ok(hash::sha256(&files::read_bounded(path, BINARY_BYTES_MAX)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn copy_of_sleep(dir: &Path) -> PathBuf {
        let path = dir.join("proxy");
        fs::copy("/bin/sleep", &path).unwrap();
        path
    }

    fn running(path: &Path) -> (Child, Caller) {
        let child = Command::new(path).arg("60").spawn().unwrap();
        let caller = Caller { pid: Some(i32::try_from(child.id()).unwrap()), uid: 0, gid: 0 };
        (child, caller)
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn knows_the_proxy_also_after_it_was_touched_or_removed() {
        let temp = tempfile::tempdir().unwrap();
        let path = copy_of_sleep(temp.path());
        let attestor = Attestor::of(&path).unwrap();
        let (child, caller) = running(&path);
        attestor.check_executable(caller).unwrap();
        fs::set_permissions(&path, fs::metadata(&path).unwrap().permissions()).unwrap(); // changes ctime
        attestor.check_executable(caller).unwrap();
        fs::remove_file(&path).unwrap();
        attestor.check_executable(caller).unwrap();
        end(child);
        assert!(matches!(attestor.check_executable(caller), Err(AttestError::Unseen { .. })), "it is gone");
    }

    #[test]
    fn refuses_what_is_not_the_proxy() {
        let temp = tempfile::tempdir().unwrap();
        let path = copy_of_sleep(temp.path());
        let attestor = Attestor::of(&path).unwrap();
        let nobody = Caller { pid: None, uid: 0, gid: 0 };
        assert!(matches!(attestor.check_executable(nobody), Err(AttestError::NoPid)));
        let us = Caller { pid: Some(i32::try_from(std::process::id()).unwrap()), uid: 0, gid: 0 };
        assert!(matches!(attestor.check_executable(us), Err(AttestError::OtherProgram { .. })));

        let (child, caller) = running(&path);
        let attestor = {
            // Replaced on disk, as an update does: only who looks again knows the new one, and then not the old one any more.
            let old = attestor;
            fs::remove_file(&path).unwrap();
            fs::copy("/bin/cat", &path).unwrap();
            old.check_executable(caller).unwrap();
            let new = old.again().unwrap();
            assert!(matches!(new.check_executable(caller), Err(AttestError::OtherProgram { .. })));
            fs::remove_file(&path).unwrap();
            copy_of_sleep(temp.path());
            new.again().unwrap()
        };
        end(child);

        // A copy is another file, though its bytes are the same: the path is part of what was promised.
        let copy = temp.path().join("copy");
        fs::copy(&path, &copy).unwrap();
        let (child, caller) = running(&copy);
        assert!(matches!(attestor.check_executable(caller), Err(AttestError::OtherProgram { .. })));
        end(child);

        // Replaced in place by something else, as an attacker with write access would.
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"more");
        fs::write(&path, bytes).unwrap();
        let (child, caller) = running(&path);
        assert!(matches!(attestor.check_executable(caller), Err(AttestError::OtherProgram { .. })));
        end(child);
    }

    #[test]
    fn a_proxy_that_is_not_there_is_said_at_once() {
        assert!(Attestor::of(Path::new("/nonexistent/proxy")).is_err());
    }
}
