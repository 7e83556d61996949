//! By what the bundle endpoint of each domain is recognised: files that the fleet file names.

use crate::limits::WEB_ROOTS_BYTES_MAX;
use bartizan_core::federation::{Federation, Profile, WebFiles};
use bartizan_core::{Secret, TrustDomain};
use bartizan_identity::federation::{Document, DocumentError};
use bartizan_identity::limits::BUNDLE_DOCUMENT_BYTES_MAX;
use bartizan_runtime::tls::{Identity, TlsError, WebClient};
use bartizan_runtime::{files, https};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where distributions keep the roots of the web; the first that is there counts.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Why an endpoint could not be recognised. Correct the fleet file or the file that it names.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("cannot read `{}`, which the fleet file names: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The first bundle is none.
    #[error("`{}` is not a bundle of `{domain}`: {source}", path.display())]
    Document {
        /// Which.
        path: PathBuf,
        /// Whose it should be.
        domain: TrustDomain,
        /// What is wrong.
        source: DocumentError,
    },
    /// Roots of the web, or our own certificate, cannot be used.
    #[error("`{}`, which the fleet file names, cannot be used: {source}", path.display())]
    Tls {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: TlsError,
    },
    /// There are no roots of the web on this system.
    #[error("this system has no roots of the web; name a PEM file under `roots`, or install `ca-certificates`")]
    NoRoots,
}

/// What the files say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) first: BTreeMap<TrustDomain, Document>,
    pub(crate) web: BTreeMap<TrustDomain, WebClient>,
    /// Our own certificate of the web, where the endpoint shows one.
    pub(crate) own: Option<Identity>,
}

/// Whether the files that `federation` names, relative to `dir`, can be used. Blocks for the disk.
///
/// # Errors
/// [`SourceError`].
pub fn check(federation: &Federation, dir: &Path) -> Result<(), SourceError> {
    Sources::read(federation, dir).map(drop)
}

impl Sources {
    /// Reads the files that `federation` names, relative to `dir`. Blocks for the disk.
    pub(crate) fn read(federation: &Federation, dir: &Path) -> Result<Self, SourceError> {
        let mut sources = Self::default();
        for (domain, foreign) in &federation.domains {
            match &foreign.profile {
                Profile::Web(roots) => {
                    let path = roots.as_ref().map_or_else(system_roots, |roots| Ok(dir.join(roots)))?;
                    let client = WebClient::new(&text(&path)?, https::ALPN);
                    let client = client.map_err(|source| SourceError::Tls { path, source })?;
                    sources.web.insert(domain.clone(), client);
                }
                Profile::Spiffe { bundle, .. } => {
                    let path = dir.join(bundle);
                    let json = files::read_bounded(&path, BUNDLE_DOCUMENT_BYTES_MAX);
                    let json = json.map_err(|source| SourceError::Read { path: path.clone(), source })?;
                    let document = Document::read(domain, &json);
                    let refuse = |source| SourceError::Document { path, domain: domain.clone(), source };
                    sources.first.insert(domain.clone(), document.map_err(refuse)?);
                }
            }
        }
        if let Some(web) = federation.endpoint.as_ref().and_then(|endpoint| endpoint.web.as_ref()) {
            sources.own = Some(own_web(web, dir)?);
        }
        Ok(sources)
    }
}

/// A certificate of our own for the web, from files relative to `dir`. Blocks for the disk.
///
/// # Errors
/// [`SourceError`].
pub(crate) fn own_web(web: &WebFiles, dir: &Path) -> Result<Identity, SourceError> {
    let path = dir.join(&web.key);
    let key = Secret::new(text(&path)?);
    let own = Identity::from_pem(&text(&dir.join(&web.certificate))?, &key);
    own.map_err(|source| SourceError::Tls { path, source })
}

/// Roots of the web: those of a file, or the system's.
///
/// # Errors
/// [`SourceError`].
pub(crate) fn web_roots(path: Option<&Path>) -> Result<String, SourceError> {
    text(&path.map_or_else(system_roots, |path| Ok(path.to_owned()))?)
}

fn system_roots() -> Result<PathBuf, SourceError> {
    let found = SYSTEM_ROOTS.into_iter().map(PathBuf::from).find(|path| path.exists());
    found.ok_or(SourceError::NoRoots)
}

fn text(path: &Path) -> Result<String, SourceError> {
    let read = files::read_bounded(path, WEB_ROOTS_BYTES_MAX)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| io::Error::other("it is not PEM")));
    read.map_err(|source| SourceError::Read { path: path.to_owned(), source })
}
