//! The key of a group: whoever has the file is a member.
//!
//! In the file are, in PEM, the certificate of a root of the group's own and its key. Each member issues itself an identity below it,
//! again and again; the file is the only secret that has to be carried from one machine to the others.

use crate::group::Ends;
use crate::limits::KEY_FILE_BYTES_MAX;
use bartizan_core::{Role, Secret, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{CryptoError, KeyPair, cert, csr, key, random};
use bartizan_identity::{IssueError, IssuingCa, RootCa, TrustBundles, expect_peer, verify_peer};
use bartizan_runtime::tls::{Identity, Judge, JudgeError, TlsError};
use bartizan_runtime::{clock, files};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The trust domain of what members show each other; it is nobody else's, and nothing else is issued in it.
const DOMAIN: &str = "group.bartizan";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum GroupKeyError {
    /// The file cannot be read or made.
    #[error("cannot {what} the key of the group `{}`", path.display())]
    File {
        /// What was to be done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is there already: other members may have it.
    #[error("`{}` is there already; copy it to the other members, or move it away to begin with another one", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It holds something else.
    #[error("`{}` is no key of a group: {why}; make one with `bartizan ca group`", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, nothing of what is in it.
        why: String,
    },
    /// The library refused; nothing a caller can mend.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The same.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The same.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A group's key. Does not show what it holds.
pub struct GroupKey {
    root: RootCa,
    domain: TrustDomain,
    pem: String,
}

impl GroupKey {
    /// Makes one, in a file that its owner alone may read.
    ///
    /// # Errors
    /// [`GroupKeyError`].
    pub fn make(path: &Path) -> Result<(), GroupKeyError> {
        if path.exists() {
            return Err(GroupKeyError::Exists { path: path.to_owned() });
        }
        let key = KeyPair::generate()?;
        let pem = key::pem(&key);
        let root = RootCa::create(&domain(), key, random::bytes(), clock::now())?;
        let text = Secret::new(format!("{}{}", cert::pem(root.certificate()), pem.expose()));
        let written = files::write_atomic(path, text.expose().as_bytes(), 0o600);
        written.map_err(|source| GroupKeyError::File { what: "make", path: path.to_owned(), source })
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`GroupKeyError`].
    pub fn read(path: &Path) -> Result<Self, GroupKeyError> {
        let bytes = files::read_bounded(path, KEY_FILE_BYTES_MAX);
        let bytes = bytes.map_err(|source| GroupKeyError::File { what: "read", path: path.to_owned(), source })?;
        let malformed = |why: String| GroupKeyError::Malformed { path: path.to_owned(), why };
        let text = String::from_utf8(bytes).map(Secret::new).map_err(|_| malformed("it is not PEM".to_owned()))?;
        let chain = cert::from_pem(text.expose()).map_err(|error| malformed(error.to_string()))?;
        let [certificate] = &chain[..] else {
            return Err(malformed(format!("it has {} certificates rather than one", chain.len())));
        };
        let key = key::from_pem(&text).map_err(|error| malformed(error.to_string()))?;
        let domain = domain();
        let root = RootCa::of(&domain, key, certificate).map_err(|error| malformed(error.to_string()))?;
        let pem = cert::pem(certificate);
        // Whoever reads no root in it would trust nobody, and find out late.
        TrustBundles::from_pem(&domain, &pem).map_err(|error| malformed(error.to_string()))?;
        Ok(Self { root, domain, pem })
    }

    /// What this member shows from `now` on, and until when.
    ///
    /// # Errors
    /// [`GroupKeyError`].
    pub fn ends(&self, now: Timestamp) -> Result<(Ends, Timestamp), GroupKeyError> {
        let signer = KeyPair::generate()?;
        let request = csr::check(&csr::make(&signer)?)?;
        let certificate = self.root.sign_issuing(&request, random::bytes(), now)?;
        let issuing = IssuingCa::new(signer, &certificate, &self.domain)?;
        let own = KeyPair::generate()?;
        let svid = issuing.issue(own.public_spki(), &self.id(), random::bytes(), now)?;
        Ok((Ends::new(&Identity::new(&svid.chain, &own)?)?, svid.not_after))
    }

    /// Who is a member.
    pub fn judge(&self) -> Judge<()> {
        // It was read from the same text before.
        let bundles = TrustBundles::from_pem(&self.domain, &self.pem).unwrap_or_default();
        let id = self.id();
        Arc::new(move |chain| {
            let judged = verify_peer(chain, &bundles, clock::now()).and_then(|peer| expect_peer(peer, &id));
            judged.map(drop).map_err(|refusal| JudgeError { failure: refusal.failure, detail: refusal.detail })
        })
    }

    fn id(&self) -> SpiffeId {
        SpiffeId::of(&self.domain, &Role::Control)
    }
}

impl std::fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GroupKey")
    }
}

fn domain() -> TrustDomain {
    TrustDomain::parse(DOMAIN).expect("it is one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("group.key");
        assert!(matches!(GroupKey::read(&path), Err(GroupKeyError::File { what: "read", .. })));
        GroupKey::make(&path).unwrap();
        assert!(matches!(GroupKey::make(&path), Err(GroupKeyError::Exists { .. })));
        let key = GroupKey::read(&path).unwrap();
        let (_, until) = key.ends(clock::now()).unwrap();
        assert!(until > clock::now());
        assert_eq!(format!("{key:?}"), "GroupKey");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        GroupKey::make(&path).unwrap();
        GroupKey::make(&other).unwrap();
        let (text, other) = (std::fs::read_to_string(&path).unwrap(), std::fs::read_to_string(&other).unwrap());
        let at = |text: &str| text.find("-----BEGIN PRIVATE").unwrap();
        let mixed = format!("{}{}", &text[..at(&text)], &other[at(&other)..]);
        for (text, what) in [
            ("", "no certificate"),
            (&text[..at(&text)], "no key"),
            (&text[at(&text)..], "no certificate"),
            (&format!("{text}{text}"), "two of each"),
            (&mixed, "another one's key"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = GroupKey::read(&path).unwrap_err();
            assert!(matches!(error, GroupKeyError::Malformed { .. }), "{what}: {error}");
        }
    }
}
