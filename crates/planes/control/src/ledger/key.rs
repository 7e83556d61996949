//! The key that signs checkpoints, and its public half for whoever wants to verify them.

use bartizan_audit::Signer;
use bartizan_core::{Secret, TrustDomain};
use bartizan_crypto::error::CryptoError;
use bartizan_crypto::hash::{hex, unhex};
use bartizan_crypto::random;
use bartizan_runtime::files;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The key, in the data folder, readable by its owner alone.
const KEY: &str = "ledger.key";
/// Its public half.
const PUBLIC: &str = "ledger.pub";
/// Longest file of a key, in bytes: 64 digits and a line feed.
const KEY_BYTES_MAX: usize = 128;

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerKeyError {
    /// A file cannot be read or written.
    #[error("cannot use the key of the ledger, `{path}`: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The key does not fit the ledger that is there.
    #[error(
        "the ledger in `{dir}` was signed by another key than `{key}`: put its key back, or move the folder away to begin a new one"
    )]
    Foreign {
        /// The folder of the ledger.
        dir: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The library refuses it.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The files of the ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] bartizan_ledger::LedgerError),
}

/// Where the key is.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join(KEY)
}

/// The name of a fleet's ledger, which is its origin and that of its key.
pub(super) fn name(domain: &TrustDomain) -> String {
    format!("{domain}/ledger")
}

/// The key of the data folder, made where there is none.
pub(super) fn open(data: &Path, domain: &TrustDomain) -> Result<Signer, LedgerKeyError> {
    let path = path(data);
    let failed = |source: io::Error| LedgerKeyError::File { path: path.clone(), source };
    let seed = match files::read_bounded(&path, KEY_BYTES_MAX) {
        Ok(bytes) => {
            let text = Secret::new(String::from_utf8_lossy(&bytes).into_owned());
            let seed = unhex(text.expose().trim()).and_then(|seed| seed.try_into().ok());
            Secret::new(seed.ok_or_else(|| failed(io::Error::other("expected 64 hexadecimal digits")))?)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let seed: [u8; 32] = random::bytes();
            files::write_atomic(&path, format!("{}\n", hex(&seed)).as_bytes(), 0o600).map_err(failed)?;
            Secret::new(seed)
        }
        Err(error) => return Err(failed(error)),
    };
    let signer = Signer::new(&name(domain), &seed)?;
    let public = data.join(PUBLIC);
    files::write_atomic(&public, format!("{}\n", signer.verifier()).as_bytes(), 0o644)
        .map_err(|source| LedgerKeyError::File { path: public, source })?;
    Ok(signer)
}
