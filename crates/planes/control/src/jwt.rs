//! The key that signs JWT-SVIDs, and the public halves of those before it.
//!
//! The private key is nowhere but in this process. Public keys lie in `jwt-keys.json`, so that tokens of an earlier process
//! are believed until the last of them has run out. There is a key only from the moment on that the fleet wants one. It signs
//! for a day; the next one is published two hours before it is used, so that everybody who checks tokens has it by then.

use crate::app::App;
use crate::error::chain;
use crate::limits::{JWT_KEY_LEAD, JWT_KEY_LIFE, JWT_KEY_LOOK, JWT_KEYS_FILE_BYTES_MAX};
use bartizan_core::limits::CLOCK_SKEW;
use bartizan_core::snapshot::{Bundles, JwtKey};
use bartizan_core::{SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::jose::{Jwk, JwkSet};
use bartizan_crypto::jws::{self, TokenKey};
use bartizan_crypto::{CryptoError, base64};
use bartizan_identity::jwt_svid::{JwtError, kid, sign, sign_for};
use bartizan_identity::limits::JWT_KEYS_MAX;
use bartizan_runtime::{clock, files};
use bartizan_tokens::id_token::{IdToken, id_token};
use bartizan_tokens::limits::DELEGATION_LIFE_MAX;
use bartizan_tokens::logout_token::{SignedOut, logout_token};
use bartizan_tokens::mint::{self, Access};
use bartizan_tokens::{authority_name, txn};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How long a key counts that does not sign any more: a delegation is the last of what it signed to run out.
const KEPT: Duration = Duration::from_secs(DELEGATION_LIFE_MAX.as_secs() + CLOCK_SKEW.as_secs());
/// The public keys, in the data folder.
const FILE: &str = "jwt-keys.json";
/// Those of access tokens: a key signs tokens of one kind.
const ACCESS_FILE: &str = "authorization-keys.json";
/// Those of ID tokens.
const IDS_FILE: &str = "id-token-keys.json";

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
    current: Option<Signing>,
    /// Published, and not used yet.
    next: Option<Signing>,
    kept: Vec<Kept>,
}

/// A key, and since when it is what it is: the one that signs, or the next one.
#[derive(Clone, Debug)]
struct Signing {
    key: Arc<TokenKey>,
    since: Timestamp,
}

impl JwtSigner {
    /// Reads the keys of earlier processes. They have stopped signing by now, at the latest.
    pub(crate) fn open(data: &Path, now: Timestamp) -> Result<Self, JwtKeysError> {
        Self::open_file(data.join(FILE), now)
    }

    /// As [`JwtSigner::open`], for the keys of access tokens.
    pub(crate) fn open_for_access(data: &Path, now: Timestamp) -> Result<Self, JwtKeysError> {
        Self::open_file(data.join(ACCESS_FILE), now)
    }

    /// As [`JwtSigner::open`], for the keys of ID tokens.
    pub(crate) fn open_for_ids(data: &Path, now: Timestamp) -> Result<Self, JwtKeysError> {
        Self::open_file(data.join(IDS_FILE), now)
    }

    fn open_file(path: PathBuf, now: Timestamp) -> Result<Self, JwtKeysError> {
        let refuse = |source| JwtKeysError { path: path.clone(), source };
        let mut kept: Vec<Kept> = match files::read_bounded(&path, JWT_KEYS_FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => serde_json::from_slice(&text.map_err(refuse)?).map_err(|error| refuse(error.into()))?,
        };
        for one in &mut kept {
            one.until.get_or_insert(now.plus(KEPT));
        }
        Ok(Self { path, inner: Mutex::new(Inner { current: None, next: None, kept }) })
    }

    /// Makes a key where `wanted` and there is none. Its public half is on disk before anything is signed with it.
    pub(crate) fn prepare(&self, wanted: bool, now: Timestamp) -> Result<(), JwtKeysError> {
        let mut inner = self.lock();
        if wanted && inner.current.is_none() {
            inner.current = Some(self.make(&mut inner.kept, now)?);
        }
        Ok(())
    }

    /// Takes the next step where one is due: publishes the next key, goes over to it, forgets one whose last token has run out.
    /// True where the keys that count are others now.
    pub(crate) fn turn(&self, now: Timestamp) -> Result<bool, JwtKeysError> {
        let mut inner = self.lock();
        let Some(current) = inner.current.clone() else { return Ok(false) };
        match inner.next.clone() {
            None if now >= current.since.plus(JWT_KEY_LIFE - JWT_KEY_LEAD) => {
                inner.next = Some(self.make(&mut inner.kept, now)?);
                Ok(true)
            }
            Some(next) if now >= next.since.plus(JWT_KEY_LEAD) => {
                let mut kept = inner.kept.clone();
                let old = kid(current.key.public_spki());
                let ended = kept.iter_mut().find(|one| one.kid == old);
                ended.into_iter().for_each(|one| one.until = Some(now.plus(KEPT)));
                self.write(&kept)?;
                *inner = Inner { current: Some(Signing { since: now, ..next }), next: None, kept };
                Ok(true)
            }
            _ if inner.kept.iter().any(|one| one.until.is_some_and(|until| until <= now)) => {
                inner.kept.retain(|one| one.until.is_none_or(|until| now < until));
                self.write(&inner.kept)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Since when the key signs that signs now, and until when.
    pub(crate) fn validity(&self) -> Option<(Timestamp, Timestamp)> {
        self.lock().current.as_ref().map(|current| (current.since, current.since.plus(JWT_KEY_LIFE)))
    }

    /// A key whose public half is among those kept, also on disk.
    fn make(&self, held: &mut Vec<Kept>, now: Timestamp) -> Result<Signing, JwtKeysError> {
        let refuse = |source| JwtKeysError { path: self.path.clone(), source };
        let key = TokenKey::generate().map_err(|error| refuse(io::Error::other(error)))?;
        let mut kept = held.clone();
        kept.retain(|one| one.until.is_none_or(|until| now < until));
        // Whoever starts control more often than this within minutes loses the oldest.
        kept.drain(..(kept.len() + 1).saturating_sub(JWT_KEYS_MAX));
        let spki = key.public_spki();
        kept.push(Kept { kid: kid(spki), spki: base64::encode(spki), until: None });
        self.write(&kept)?;
        *held = kept;
        Ok(Signing { key: Arc::new(key), since: now })
    }

    fn write(&self, kept: &[Kept]) -> Result<(), JwtKeysError> {
        let refuse = |source| JwtKeysError { path: self.path.clone(), source };
        let text = serde_json::to_vec_pretty(kept).map_err(|error| refuse(error.into()))?;
        files::write_atomic(&self.path, &text, 0o600).map_err(refuse)
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

    /// The public keys that count at `now`, under the names that access tokens call them by.
    pub(crate) fn jwks(&self, now: Timestamp) -> JwkSet {
        let inner = self.lock();
        let counts = |one: &&Kept| one.until.is_none_or(|until| now < until);
        let jwk = |one: &Kept| {
            let (x, y) = jws::coordinates(&base64::decode(&one.spki).ok()?).ok()?;
            let jwk = Jwk::p256(&x, &y);
            let kid = base64::encode_url(&jwk.thumbprint());
            Some(jwk.with_kid(kid))
        };
        JwkSet { keys: inner.kept.iter().filter(counts).filter_map(jwk).collect(), passed_over: Vec::new() }
    }

    /// An access token of that name. `None` where there is no key to sign it with.
    pub(crate) fn mint(
        &self,
        issuer: &str,
        said: &Access,
        name: [u8; 16],
        now: Timestamp,
    ) -> Option<Result<String, CryptoError>> {
        let current = self.lock().current.clone()?;
        Some(mint::access(&current.key, issuer, said, name, now))
    }

    /// An ID token. `None` where there is no key to sign it with.
    pub(crate) fn mint_id(
        &self,
        issuer: &str,
        said: &IdToken<'_>,
        now: Timestamp,
    ) -> Option<Result<String, CryptoError>> {
        let current = self.lock().current.clone()?;
        Some(id_token(&current.key, issuer, said, now))
    }

    /// A logout token. `None` where there is no key to sign it with.
    pub(crate) fn mint_logout(
        &self,
        issuer: &str,
        said: &SignedOut<'_>,
        now: Timestamp,
    ) -> Option<Result<String, CryptoError>> {
        let current = self.lock().current.clone()?;
        Some(logout_token(&current.key, issuer, said, now))
    }

    /// A token for `id`. `None` where there is no key, since nobody in the fleet may have tokens.
    pub(crate) fn sign(&self, id: &SpiffeId, audiences: &[String], now: Timestamp) -> Option<Result<String, JwtError>> {
        let current = self.lock().current.clone()?;
        Some(sign(&current.key, id, audiences, now))
    }

    /// A token for `id` that somebody outside is shown. `None` where there is no key.
    pub(crate) fn sign_for(
        &self,
        id: &SpiffeId,
        audience: &str,
        life: Duration,
        now: Timestamp,
    ) -> Option<Result<String, JwtError>> {
        let current = self.lock().current.clone()?;
        Some(sign_for(&current.key, id, &[audience.to_owned()], life, now))
    }

    /// Lets `key`, a JSON Web Key of the gateway `id` that showed `certificate`, mint transaction tokens; the delegation and its
    /// end. `None` where there is no key to sign it with.
    pub(crate) fn delegate(
        &self,
        domain: &TrustDomain,
        (id, key): (&SpiffeId, &Jwk),
        certificate: &txn::Certificate,
        now: Timestamp,
    ) -> Option<Result<(String, Timestamp), CryptoError>> {
        let current = self.lock().current.clone()?;
        let (name, ttl) = (authority_name(domain), DELEGATION_LIFE_MAX);
        let signed = txn::delegate((&current.key, &name), domain, (id, key), Some(certificate), ttl, now);
        Some(signed.map(|text| (text, now.plus(ttl))))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the keys")
    }
}

/// Takes every step when it is due, until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    // No further step before everybody has been told of the one before.
    let mut unpublished = false;
    while app.stop.run_until_cancelled(tokio::time::sleep(JWT_KEY_LOOK)).await.is_some() {
        if !unpublished {
            let now = clock::now();
            let turned = app.jwt.turn(now).and_then(|jwt| Ok(app.authorization.turn(now)? || jwt));
            unpublished = turned.unwrap_or_else(|error| {
                tracing::error!(%error, "the keys of tokens stay as they are, trying again");
                false
            });
        }
        if unpublished {
            match app.publish_again().await {
                Ok(_) => unpublished = false,
                Err(error) => {
                    tracing::error!(why = chain(&error), "the keys of tokens are not published, trying again")
                }
            }
        }
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
        let later = 20 + KEPT.as_secs();
        assert_eq!(
            second.add_to(Bundles::default(), &TrustDomain::parse("bank.test").unwrap(), at(later)).jwt_keys.len(),
            1
        );
        assert!(keys(&second, later).validate(&token, "a", at(21)).is_err(), "the old key is gone by then");
    }

    #[test]
    fn the_next_key_is_published_before_it_signs_and_the_last_one_is_believed_for_as_long_as_its_tokens() {
        let dir = tempfile::tempdir().unwrap();
        let id = SpiffeId::parse("spiffe://bank.test/workload/x").unwrap();
        let signer = JwtSigner::open(dir.path(), at(0)).unwrap();
        assert!(!signer.turn(at(0)).unwrap(), "nobody wanted a key");
        signer.prepare(true, at(0)).unwrap();
        let published =
            |s: u64| signer.add_to(Bundles::default(), &TrustDomain::parse("bank.test").unwrap(), at(s)).jwt_keys;
        let count = |s: u64| published(s).values().map(Vec::len).sum::<usize>();
        let (life, lead) = (JWT_KEY_LIFE.as_secs(), JWT_KEY_LEAD.as_secs());
        assert_eq!(signer.validity(), Some((at(0), at(life))));
        assert!(!signer.turn(at(life - lead - 1)).unwrap());
        assert!(signer.turn(at(life - lead)).unwrap());
        assert_eq!(count(life - lead), 2);
        assert!(!signer.turn(at(life - 1)).unwrap(), "not before everybody had time to take it up");
        let earlier = keys(&signer, life - 1);
        let last = signer.sign(&id, &["a".to_owned()], at(life - 1)).unwrap().unwrap();

        assert!(signer.turn(at(life)).unwrap());
        let first = signer.sign(&id, &["a".to_owned()], at(life)).unwrap().unwrap();
        assert!(earlier.validate(&first, "a", at(life)).is_ok(), "known to whoever looked within the hour");
        assert!(keys(&signer, life).validate(&last, "a", at(life)).is_ok());
        let gone = life + KEPT.as_secs();
        assert!(!signer.turn(at(gone - 1)).unwrap());
        assert!(signer.turn(at(gone)).unwrap(), "its last token has run out");
        assert_eq!(count(gone), 1);
        assert!(JwtSigner::open(dir.path(), at(gone)).unwrap().lock().kept.len() == 1, "on disk too");
    }

    #[test]
    fn a_broken_file_is_said_at_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(JwtSigner::open(dir.path(), at(0)).is_err());
    }
}
