//! The key that signs JWT-SVIDs, and the public halves of those before it.
//!
//! The private key is nowhere but in this process. Public keys lie in `jwt-keys.json`, so that tokens of an earlier process
//! are believed until the last of them has run out. There is a key only from the moment on that the fleet wants one.

use crate::limits::JWT_KEYS_FILE_BYTES_MAX;
use bartizan_core::limits::{CLOCK_SKEW, JWT_TTL};
use bartizan_core::snapshot::{Bundles, JwtKey};
use bartizan_core::{SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::base64;
use bartizan_crypto::jws::TokenKey;
use bartizan_identity::jwt_svid::{JwtError, kid, sign};
use bartizan_identity::limits::JWT_KEYS_MAX;
use bartizan_runtime::files;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// The public keys, in the data folder.
const FILE: &str = "jwt-keys.json";

/// Why tokens cannot be signed, or earlier ones not be checked.
#[derive(Debug, thiserror::Error)]
#[error("cannot use `{}`: {source}", path.display())]
pub struct JwtKeysError {
    /// The file of public keys.
    path: PathBuf,
    /// What is wrong with it.
    source: io::Error,
}

/// One public key, as it lies on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    kid: String,
    /// P-256, DER of the SubjectPublicKeyInfo, in base64.
    spki: String,
    /// When its last token has run out; `None` while it signs.
    until: Option<Timestamp>,
}

impl Kept {
    fn key(&self) -> JwtKey {
        JwtKey { kid: self.kid.clone(), spki: self.spki.clone() }
    }
}

/// Signs, and knows what others need in order to check.
#[derive(Debug)]
pub(crate) struct JwtSigner {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    key: Option<Arc<TokenKey>>,
    kept: Vec<Kept>,
}

impl JwtSigner {
    /// Reads the keys of earlier processes. They have stopped signing by now, at the latest.
    pub(crate) fn open(data: &Path, now: Timestamp) -> Result<Self, JwtKeysError> {
        let path = data.join(FILE);
        let refuse = |source| JwtKeysError { path: path.clone(), source };
        let mut kept: Vec<Kept> = match files::read_bounded(&path, JWT_KEYS_FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => serde_json::from_slice(&text.map_err(refuse)?).map_err(|error| refuse(error.into()))?,
        };
        for one in &mut kept {
            one.until.get_or_insert(now.plus(JWT_TTL).plus(CLOCK_SKEW));
        }
        Ok(Self { path, inner: Mutex::new(Inner { key: None, kept }) })
    }

    /// Makes a key where `wanted` and there is none. Its public half is on disk before anything is signed with it.
    pub(crate) fn prepare(&self, wanted: bool, now: Timestamp) -> Result<(), JwtKeysError> {
        let refuse = |source| JwtKeysError { path: self.path.clone(), source };
        let mut inner = self.lock();
        if !wanted || inner.key.is_some() {
            return Ok(());
        }
        let key = TokenKey::generate().map_err(|error| refuse(io::Error::other(error)))?;
        let mut kept = inner.kept.clone();
        kept.retain(|one| one.until.is_some_and(|until| now < until));
        // Whoever starts control more often than this within minutes loses the oldest.
        kept.drain(..(kept.len() + 1).saturating_sub(JWT_KEYS_MAX));
        let spki = key.public_spki();
        kept.push(Kept { kid: kid(spki), spki: base64::encode(spki), until: None });
        let text = serde_json::to_vec_pretty(&kept).map_err(|error| refuse(error.into()))?;
        files::write_atomic(&self.path, &text, 0o600).map_err(refuse)?;
        *inner = Inner { key: Some(Arc::new(key)), kept };
        Ok(())
    }

    /// `bundles` with the keys that count at `now`.
    pub(crate) fn add_to(&self, mut bundles: Bundles, domain: &TrustDomain, now: Timestamp) -> Bundles {
        let inner = self.lock();
        let counts = |one: &&Kept| one.until.is_none_or(|until| now < until);
        let keys: Vec<_> = inner.kept.iter().filter(counts).map(Kept::key).collect();
        if !keys.is_empty() {
            bundles.jwt_keys.insert(domain.clone(), keys);
        }
        bundles
    }

    /// A token for `id`. `None` where there is no key, since nobody in the fleet may have tokens.
    pub(crate) fn sign(&self, id: &SpiffeId, audiences: &[String], now: Timestamp) -> Option<Result<String, JwtError>> {
        let key = self.lock().key.clone()?;
        Some(sign(&key, id, audiences, now))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the keys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_identity::jwt_svid::JwtKeys;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + s)
    }

    fn keys(signer: &JwtSigner, s: u64) -> JwtKeys {
        let domain = TrustDomain::parse("bank.test").unwrap();
        JwtKeys::read(&signer.add_to(Bundles::default(), &domain, at(s))).unwrap()
    }

    #[test]
    fn tokens_of_an_earlier_process_are_believed_until_they_run_out() {
        let dir = tempfile::tempdir().unwrap();
        let id = SpiffeId::parse("spiffe://bank.test/workload/x").unwrap();
        let first = JwtSigner::open(dir.path(), at(0)).unwrap();
        assert!(first.sign(&id, &["a".to_owned()], at(0)).is_none(), "nobody wanted a key");
        first.prepare(false, at(0)).unwrap();
        assert!(!dir.path().join(FILE).exists());
        first.prepare(true, at(0)).unwrap();
        let token = first.sign(&id, &["a".to_owned()], at(10)).unwrap().unwrap();

        let second = JwtSigner::open(dir.path(), at(20)).unwrap();
        second.prepare(true, at(20)).unwrap();
        assert!(keys(&first, 20).validate(&token, "a", at(21)).is_ok());
        assert!(keys(&second, 20).validate(&token, "a", at(21)).is_ok(), "over a restart");
        let newer = second.sign(&id, &["a".to_owned()], at(30)).unwrap().unwrap();
        assert!(keys(&first, 20).validate(&newer, "a", at(31)).is_err(), "a key of its own");
        assert!(keys(&second, 30).validate(&newer, "a", at(31)).is_ok());
        let later = 20 + JWT_TTL.as_secs() + CLOCK_SKEW.as_secs();
        assert_eq!(
            second.add_to(Bundles::default(), &TrustDomain::parse("bank.test").unwrap(), at(later)).jwt_keys.len(),
            1
        );
        assert!(keys(&second, later).validate(&token, "a", at(21)).is_err(), "the old key is gone by then");
    }

    #[test]
    fn a_broken_file_is_said_at_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(JwtSigner::open(dir.path(), at(0)).is_err());
    }
}
