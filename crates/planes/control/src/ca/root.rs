//! Making a root, and signing with it: what `bartizan ca init` and `bartizan ca sign` do.

use crate::ca::{CaError, ROOT_NEXT_SEALED, ROOT_SEALED, ROOTS_PEM, passphrase, pem};
use crate::limits::CA_FILE_BYTES_MAX;
use bartizan_core::{Secret, Timestamp, TrustDomain};
use bartizan_crypto::{KeyPair, cert, csr, random};
use bartizan_identity::{OpenError, RootCa, SealedRoot};
use bartizan_runtime::{clock, files};
use std::path::Path;

/// Makes a root for `domain`: its sealed key in `root.sealed`, its certificate in `roots.pem`. The folder must be there.
///
/// Blocks for about half a second: the passphrase is stretched.
///
/// # Errors
/// [`CaError::Exists`] where either file is there already; else what could not be done.
pub fn init(dir: &Path, passphrase: &Secret<String>, domain: &TrustDomain) -> Result<(), CaError> {
    for name in [ROOT_SEALED, ROOTS_PEM] {
        let path = dir.join(name);
        if path.exists() {
            return Err(CaError::Exists { path });
        }
    }
    let sealed = make(passphrase, domain)?;
    // The key first: a root that others trust and nobody can use is worse than one that nobody trusts yet.
    write(&dir.join(ROOT_SEALED), to_json(&sealed).as_bytes(), 0o600)?;
    write_roots(dir, &sealed)
}

/// Makes a root that is to follow the one in `dir`, sealed beside it; gives its certificate, PEM. One that lies there from an
/// attempt before is replaced: nobody was told of it.
pub(crate) fn make_next(dir: &Path, passphrase: &Secret<String>, domain: &TrustDomain) -> Result<String, CaError> {
    let sealed = make(passphrase, domain)?;
    write(&dir.join(ROOT_NEXT_SEALED), to_json(&sealed).as_bytes(), 0o600)?;
    Ok(sealed.certificate)
}

fn make(passphrase: &Secret<String>, domain: &TrustDomain) -> Result<SealedRoot, CaError> {
    let root = RootCa::create(domain, KeyPair::generate()?, random::bytes(), clock::now())?;
    Ok(root.seal(passphrase, random::bytes())?)
}

/// Signs a request for an issuing certificate (PEM or DER) with the sealed root in `root_dir`. Returns PEM.
///
/// Blocks for about half a second: the passphrase is stretched.
///
/// # Errors
/// [`CaError`]; nothing was signed then.
pub fn sign(root_dir: &Path, passphrase: &Secret<String>, request: &[u8]) -> Result<String, CaError> {
    let key = csr::check(&pem::read(request)?).map_err(|error| CaError::Request { why: error.to_string() })?;
    let (_, root) = open(&root_dir.join(ROOT_SEALED), passphrase)?;
    Ok(cert::pem(&root.sign_issuing(&key, random::bytes(), clock::now())?))
}

/// The first line of a passphrase file.
///
/// # Errors
/// [`CaError`] where it cannot be read or its first line is empty.
pub fn read_passphrase(path: &Path) -> Result<Secret<String>, CaError> {
    passphrase::read(path)
}

/// Reads and opens the sealed root. The caller drops it as soon as it has signed.
pub(crate) fn open(path: &Path, passphrase: &Secret<String>) -> Result<(SealedRoot, RootCa), CaError> {
    let path = path.to_owned();
    let text = files::read_bounded(&path, CA_FILE_BYTES_MAX);
    let text = text.map_err(|source| CaError::File { what: "read", path: path.clone(), source })?;
    let sealed: SealedRoot = serde_json::from_slice(&text)
        .map_err(|e| CaError::Sealed { path: path.clone(), source: OpenError::Malformed(e.to_string()) })?;
    let root = sealed.open(passphrase).map_err(|source| CaError::Sealed { path, source })?;
    Ok((sealed, root))
}

/// Writes the root's certificate for everybody to trust.
pub(crate) fn write_roots(dir: &Path, sealed: &SealedRoot) -> Result<(), CaError> {
    write(&dir.join(ROOTS_PEM), sealed.certificate.as_bytes(), 0o644)
}

pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CaError> {
    files::write_atomic(path, bytes, mode).map_err(|source| CaError::File {
        what: "write",
        path: path.to_owned(),
        source,
    })
}

/// The end of validity of the longest-living root in date at `now`; what `status` shows.
pub(crate) fn not_after(roots: &[Vec<u8>], now: Timestamp) -> Timestamp {
    let ends = roots.iter().filter_map(|der| cert::read(der).ok()).map(|root| root.not_after());
    ends.max().unwrap_or(now)
}

fn to_json(sealed: &SealedRoot) -> String {
    serde_json::to_string_pretty(sealed).expect("strings become JSON") + "\n"
}
