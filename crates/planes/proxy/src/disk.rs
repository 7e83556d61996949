//! What survives a restart: the last good snapshots as they came, and the identity, sealed.
//!
//! A snapshot file is the envelope as control signed it, so a changed or cut file is refused like one from the network.
//! The one before is kept as `<kind>.prev`, for the day on which the last one turns out not to be readable.

use crate::limits;
use bartizan_core::Secret;
use bartizan_core::limits::SNAPSHOT_BYTES_MAX;
use bartizan_core::snapshot::Kind;
use bartizan_crypto::key::KeyPair;
use bartizan_crypto::{CryptoError, seal};
use bartizan_runtime::files::{read_bounded, write_atomic};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Only the proxy's own user may read what is here.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// The proxy's folder.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
}

/// Which of a snapshot's two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// The last one taken up.
    Last,
    /// The one before.
    Previous,
}

/// Which certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The SVID, for peers and control.
    Svid,
    /// The gateway's, for outside clients.
    Edge,
}

impl Slot {
    const fn file(self) -> &'static str {
        match self {
            Self::Svid => "svid.sealed",
            Self::Edge => "edge.sealed",
        }
    }
}

/// A chain and its key, as kept on disk.
#[derive(Debug)]
pub struct Kept {
    /// DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Of the leaf.
    pub key: KeyPair,
}

#[derive(Serialize, Deserialize)]
struct Plain {
    chain: Vec<Vec<u8>>,
    pkcs8: Vec<u8>,
}

/// Why a kept identity cannot be used. The proxy asks for a new one.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// There is none, or it cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// It was sealed for another service or by another node, or was changed.
    #[error("it cannot be opened")]
    Seal(#[from] CryptoError),
    /// What was sealed is not a chain and a key.
    #[error("its content is not readable")]
    Content,
}

impl Disk {
    /// Opens the folder, making it where it is missing.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// One copy of a snapshot, as bytes.
    ///
    /// # Errors
    /// What the kernel says; `FileTooLarge` beyond the largest snapshot.
    pub fn snapshot(&self, kind: Kind, copy: Copy) -> io::Result<Vec<u8>> {
        read_bounded(&self.path(kind, copy), SNAPSHOT_BYTES_MAX)
    }

    /// Keeps a snapshot that was taken up; the last one becomes the previous one. At every moment there is a whole one.
    ///
    /// # Errors
    /// What the kernel says, such as a full disk; the last one is then still there.
    pub fn keep_snapshot(&self, kind: Kind, envelope: &[u8]) -> io::Result<()> {
        let (last, previous) = (self.path(kind, Copy::Last), self.path(kind, Copy::Previous));
        if last.exists() {
            let link = previous.with_extension("prev.tmp");
            remove(&link)?;
            fs::hard_link(&last, &link)?;
            fs::rename(&link, &previous)?;
        }
        write_atomic(&last, envelope, FILE_MODE)
    }

    /// Puts a last snapshot that is not usable aside, so that it never becomes the previous one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_aside(&self, kind: Kind) -> io::Result<()> {
        let last = self.path(kind, Copy::Last);
        fs::rename(&last, last.with_extension("bad"))
    }

    /// Seals and keeps a chain and its key.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn keep_identity(&self, slot: Slot, name: &str, kept: &Kept, with: &Secret<[u8; 32]>) -> io::Result<()> {
        let pkcs8 = kept.key.pkcs8();
        let plain = Plain { chain: kept.chain.clone(), pkcs8: pkcs8.expose().clone() };
        let bytes = Secret::new(postcard::to_stdvec(&plain).map_err(io::Error::other)?);
        drop(Secret::new(plain.pkcs8));
        let sealed = seal::seal(with, &context(slot, name), bytes.expose());
        write_atomic(&self.dir.join(slot.file()), &sealed, FILE_MODE)
    }

    /// Opens a kept chain and its key. Whether they are still valid is for the caller to see.
    ///
    /// # Errors
    /// [`KeptError`].
    pub fn identity(&self, slot: Slot, name: &str, with: &Secret<[u8; 32]>) -> Result<Kept, KeptError> {
        let sealed = read_bounded(&self.dir.join(slot.file()), limits::SEALED_BYTES_MAX)?;
        let plain = seal::open(with, &context(slot, name), &sealed)?;
        let Plain { chain, pkcs8 } = postcard::from_bytes(plain.expose()).map_err(|_| KeptError::Content)?;
        Ok(Kept { chain, key: KeyPair::from_pkcs8(&Secret::new(pkcs8))? })
    }

    fn path(&self, kind: Kind, copy: Copy) -> PathBuf {
        let extension = match copy {
            Copy::Last => "snap",
            Copy::Previous => "prev",
        };
        self.dir.join(kind.as_str()).with_extension(extension)
    }
}

/// Bound into the seal: what was sealed as one thing never opens as another.
fn context(slot: Slot, name: &str) -> Vec<u8> {
    format!("bartizan-proxy {} {name}", slot.file()).into_bytes()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, Disk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(&dir.path().join("state")).unwrap();
        (dir, disk)
    }

    #[test]
    fn keeps_the_last_two_snapshots() {
        let (_dir, disk) = disk();
        assert_eq!(disk.snapshot(Kind::Policies, Copy::Last).unwrap_err().kind(), io::ErrorKind::NotFound);
        for text in [b"one", b"two", b"tri"] {
            disk.keep_snapshot(Kind::Policies, text).unwrap();
        }
        assert_eq!(disk.snapshot(Kind::Policies, Copy::Last).unwrap(), b"tri");
        assert_eq!(disk.snapshot(Kind::Policies, Copy::Previous).unwrap(), b"two");
    }

    #[test]
    fn a_snapshot_set_aside_does_not_replace_the_previous_one() {
        let (_dir, disk) = disk();
        for text in [b"good", b"cut."] {
            disk.keep_snapshot(Kind::Bundles, text).unwrap();
        }
        disk.set_aside(Kind::Bundles).unwrap();
        disk.keep_snapshot(Kind::Bundles, b"new").unwrap();
        assert_eq!(disk.snapshot(Kind::Bundles, Copy::Previous).unwrap(), b"good");
        assert_eq!(disk.snapshot(Kind::Bundles, Copy::Last).unwrap(), b"new");
    }

    #[test]
    fn an_identity_opens_only_for_whom_it_was_sealed() {
        let (dir, disk) = disk();
        let (key, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let kept = Kept { chain: vec![vec![1, 2], vec![3]], key: KeyPair::generate().unwrap() };
        disk.keep_identity(Slot::Svid, "accounts", &kept, &key).unwrap();
        let opened = disk.identity(Slot::Svid, "accounts", &key).unwrap();
        assert_eq!((opened.chain, opened.key.public_spki()), (kept.chain.clone(), kept.key.public_spki()));
        assert!(disk.identity(Slot::Svid, "ledger", &key).is_err(), "another service");
        assert!(disk.identity(Slot::Svid, "accounts", &other).is_err(), "another node");
        fs::rename(dir.path().join("state/svid.sealed"), dir.path().join("state/edge.sealed")).unwrap();
        assert!(disk.identity(Slot::Edge, "accounts", &key).is_err(), "another slot");
    }

    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, disk) = disk();
        disk.keep_snapshot(Kind::Bundles, b"x").unwrap();
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("state"), mode("state/bundles.snap")), (0o700, 0o600));
    }
}
