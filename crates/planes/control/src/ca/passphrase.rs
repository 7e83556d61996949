//! The passphrase of the root, in a file: the first line counts.

use crate::ca::CaError;
use crate::limits::CA_FILE_BYTES_MAX;
use bartizan_core::Secret;
use bartizan_crypto::{base64, random};
use bartizan_runtime::files;
use std::path::Path;

/// Reads the first line.
pub(crate) fn read(path: &Path) -> Result<Secret<String>, CaError> {
    let failed = |source| CaError::File { what: "read", path: path.to_owned(), source };
    let refuse = |why: &str| CaError::Passphrase { path: path.to_owned(), why: why.to_owned() };
    let text = Secret::new(files::read_bounded(path, CA_FILE_BYTES_MAX).map_err(failed)?);
    let line = text.expose().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = std::str::from_utf8(line).map_err(|_| refuse("its first line is not UTF-8"))?;
    if line.is_empty() {
        return Err(refuse("its first line is empty"));
    }
    Ok(Secret::new(line.to_owned()))
}

/// Reads the file, or makes one with a random passphrase, readable by its owner alone.
pub(crate) fn read_or_make(path: &Path) -> Result<Secret<String>, CaError> {
    if !path.exists() {
        let passphrase = Secret::new(base64::encode_url(&random::bytes::<32>()));
        let line = Secret::new(format!("{}\n", passphrase.expose()));
        files::write_atomic(path, line.expose().as_bytes(), 0o600).map_err(|source| CaError::File {
            what: "make",
            path: path.to_owned(),
            source,
        })?;
    }
    read(path)
}
