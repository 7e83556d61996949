//! How this process comes to its issuing CA: from the sealed root, or from whoever holds it elsewhere.

use crate::ca::authority::Authority;
use crate::ca::{
    CaError, ISSUING_CSR, ISSUING_NEXT_CSR, ISSUING_NEXT_PEM, ISSUING_PEM, ROOT_NEXT_SEALED, ROOT_PASSPHRASE,
    ROOT_SEALED, ROOTS_PEM, passphrase, pem, root,
};
use crate::limits::CA_FILE_BYTES_MAX;
use bartizan_core::{Timestamp, TrustDomain};
use bartizan_crypto::{KeyPair, cert, csr, random};
use bartizan_identity::{IssuingCa, TrustBundles};
use bartizan_runtime::files;
use std::path::{Path, PathBuf};

/// Where an issuing CA comes from, at the start and each time it is renewed.
#[derive(Debug)]
pub(crate) struct Source {
    dir: PathBuf,
    passphrase_file: Option<PathBuf>,
    domain: TrustDomain,
    names: Names,
    /// Whom what it issues has to lead to; the roots in the data folder where `None`.
    below: Option<TrustBundles>,
    /// The key that waits for its certificate, where the root is offline.
    waiting: Option<Waiting>,
}

/// The files it works with, in the data folder.
#[derive(Clone, Copy, Debug)]
struct Names {
    sealed: &'static str,
    csr: &'static str,
    pem: &'static str,
}

struct Waiting {
    key: KeyPair,
    /// So that a certificate for another key is said to be one once, not twice a second.
    told_of_another: bool,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiting(…)")
    }
}

impl Source {
    pub(crate) fn new(dir: &Path, passphrase_file: Option<&Path>, domain: &TrustDomain) -> Self {
        Self {
            dir: dir.to_owned(),
            passphrase_file: passphrase_file.map(Path::to_owned),
            domain: domain.clone(),
            names: Names { sealed: ROOT_SEALED, csr: ISSUING_CSR, pem: ISSUING_PEM },
            below: None,
            waiting: None,
        }
    }

    /// Where the issuing CA of a rotation comes from: below another root, or below the same one.
    pub(crate) fn next(&self, another_root: Option<TrustBundles>) -> Self {
        let sealed = if another_root.is_some() { ROOT_NEXT_SEALED } else { ROOT_SEALED };
        let names = Names { sealed, csr: ISSUING_NEXT_CSR, pem: ISSUING_NEXT_PEM };
        let (dir, passphrase_file, domain) = (self.dir.clone(), self.passphrase_file.clone(), self.domain.clone());
        Self { dir, passphrase_file, domain, names, below: another_root, waiting: None }
    }

    /// Whether the root's key is in the data folder.
    pub(crate) fn is_embedded(&self) -> bool {
        self.dir.join(self.names.sealed).exists()
    }

    /// An issuing CA with a fresh key. `None`: somebody has to sign `issuing.csr`, ask again later.
    ///
    /// Blocks for about half a second: the passphrase is stretched.
    pub(crate) fn attempt(&mut self, now: Timestamp) -> Result<Option<Authority>, CaError> {
        let sealed = self.is_embedded();
        let roots = self.dir.join(ROOTS_PEM).exists();
        if !sealed && roots {
            return self.offline(now);
        }
        if !sealed {
            root::init(&self.dir, &self.passphrase(true)?, &self.domain)?;
            tracing::info!(dir = %self.dir.display(), "made a root; back up `{ROOT_SEALED}` and its passphrase, apart from each other");
        }
        self.sealed(now).map(Some)
    }

    fn sealed(&self, now: Timestamp) -> Result<Authority, CaError> {
        let key = KeyPair::generate()?;
        let request = csr::check(&csr::make(&key)?)?;
        let certificate = {
            let (sealed, root) = root::open(&self.dir.join(self.names.sealed), &self.passphrase(false)?)?;
            if root.domain() != &self.domain {
                let (found, wanted) = (root.domain().to_string(), self.domain.to_string());
                return Err(CaError::ForeignRoot { path: self.dir.join(self.names.sealed), found, wanted });
            }
            if !self.dir.join(ROOTS_PEM).exists() {
                root::write_roots(&self.dir, &sealed)?; // we were stopped between the two files
            }
            root.sign_issuing(&request, random::bytes(), now)?
            // The root's key ends here.
        };
        self.finish(key, &certificate, now)
    }

    fn offline(&mut self, now: Timestamp) -> Result<Option<Authority>, CaError> {
        let Names { sealed, csr, pem } = self.names;
        let waiting = match &mut self.waiting {
            Some(waiting) => waiting,
            none => {
                let key = KeyPair::generate()?;
                root::write(&self.dir.join(csr), pem::write(&csr::make(&key)?).as_bytes(), 0o644)?;
                tracing::warn!(
                    "`{sealed}` is not in `{dir}`, so the root is offline; sign there with `bartizan ca sign --dir ROOT --csr {csr} > {pem}`, \
                     then put `{pem}` into `{dir}`; waiting for it",
                    dir = self.dir.display()
                );
                none.insert(Waiting { key, told_of_another: false })
            }
        };
        let Some(certificate) = read_certificate(&self.dir.join(pem))? else { return Ok(None) };
        let ours = cert::read(&certificate).is_ok_and(|read| read.spki() == waiting.key.public_spki());
        if !ours {
            if !std::mem::replace(&mut waiting.told_of_another, true) {
                tracing::warn!(
                    "`{pem}` is for another key, perhaps of an earlier start; waiting for one from the new `{csr}`"
                );
            }
            return Ok(None);
        }
        // The key stays until its certificate was found good: who signed with the wrong root may sign again.
        let key = KeyPair::from_pkcs8(&waiting.key.pkcs8())?;
        let authority = self.finish(key, &certificate, now)?;
        self.waiting = None;
        Ok(Some(authority))
    }

    /// Joins key and certificate, and makes sure that those who trust `roots.pem` will trust what comes of it.
    fn finish(&self, key: KeyPair, certificate: &[u8], now: Timestamp) -> Result<Authority, CaError> {
        let issuing = IssuingCa::new(key, certificate, &self.domain)?;
        let path = self.dir.join(ROOTS_PEM);
        let bundles = match &self.below {
            Some(roots) => roots.clone(),
            None => TrustBundles::from_pem(&self.domain, &roots_text(&self.dir)?)
                .map_err(|source| CaError::Roots { path: path.clone(), source })?,
        };
        Authority::new(issuing, bundles, &path, now)
    }

    pub(crate) fn passphrase(&self, may_make: bool) -> Result<bartizan_core::Secret<String>, CaError> {
        match &self.passphrase_file {
            Some(path) => passphrase::read(path),
            None if may_make => passphrase::read_or_make(&self.dir.join(ROOT_PASSPHRASE)),
            None => passphrase::read(&self.dir.join(ROOT_PASSPHRASE)),
        }
    }
}

/// The roots that everybody is told to trust, PEM.
pub(crate) fn roots_text(dir: &Path) -> Result<String, CaError> {
    let path = dir.join(ROOTS_PEM);
    let text = files::read_bounded(&path, CA_FILE_BYTES_MAX);
    let text = text.map_err(|source| CaError::File { what: "read", path, source })?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// All certificates in a file, DER.
pub(crate) fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, CaError> {
    let refuse = |why: String| CaError::NextRoot { path: path.to_owned(), why };
    let text = files::read_bounded(path, CA_FILE_BYTES_MAX).map_err(|error| refuse(error.to_string()))?;
    cert::from_pem(&String::from_utf8_lossy(&text)).map_err(|error| refuse(error.to_string()))
}

/// The one certificate in a file; `None` where there is no file, or not a whole one yet.
fn read_certificate(path: &Path) -> Result<Option<Vec<u8>>, CaError> {
    match files::read_bounded(path, CA_FILE_BYTES_MAX) {
        Ok(text) => Ok(cert::from_pem(&String::from_utf8_lossy(&text))
            .ok()
            .and_then(|certificates| certificates.into_iter().next())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CaError::File { what: "read", path: path.to_owned(), source }),
    }
}
