//! The keys that are held, with their file in the data folder.

use crate::limits::{ISSUER_KEYS_FILE_BYTES_MAX, ISSUER_LOOK, ISSUER_RETRY, ISSUER_RETRY_MAX};
use bartizan_core::Timestamp;
use bartizan_core::status::IssuerStatus;
use bartizan_core::user::{TokenIssuer, Users};
use bartizan_crypto::hash;
use bartizan_runtime::files;
use bartizan_tokens::issuer_of;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// In the data folder.
const DIR: &str = "issuers";

/// What is held of each issuer, by its name.
#[derive(Debug)]
pub(crate) struct Book {
    dir: PathBuf,
    held: Mutex<BTreeMap<String, Held>>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    jwks: String,
    fetched_at: Option<Timestamp>,
    failure: Option<String>,
    failing_since: Option<Timestamp>,
    failures: u32,
    /// When to look again; at once where `None`.
    next: Option<Timestamp>,
}

/// Keys on disk, with the name of whose they are.
#[derive(Serialize, Deserialize)]
struct Kept {
    issuer: String,
    jwks: String,
    fetched_at: Timestamp,
}

impl Book {
    pub(crate) fn new(data: &Path) -> Self {
        Self { dir: data.join(DIR), held: Mutex::default() }
    }

    /// Puts the keys that are held into `users`; what an earlier process fetched counts too.
    pub(crate) fn add_to(&self, users: &mut Users) {
        let mut held = self.lock();
        held.retain(|name, _| users.issuers.iter().any(|it| it.issuer == *name && it.is_fetched()));
        for said in users.issuers.iter_mut().filter(|said| said.is_fetched()) {
            let name = said.issuer.clone();
            let it = held.entry(name).or_insert_with(|| self.read(said).unwrap_or_default());
            said.jwks.clone_from(&it.jwks);
        }
    }

    /// The issuers to look at, and when the next one will be.
    pub(super) fn due(&self, users: Option<&Users>, now: Timestamp) -> (Vec<TokenIssuer>, Option<Timestamp>) {
        let held = self.lock();
        let fetched = || users.into_iter().flat_map(|users| &users.issuers).filter(|said| said.is_fetched());
        let next = |said: &TokenIssuer| held.get(&said.issuer).and_then(|it| it.next);
        let due = fetched().filter(|said| next(said).is_none_or(|next| next <= now)).cloned().collect();
        (due, fetched().filter_map(next).filter(|next| *next > now).min())
    }

    /// Takes an answer in, on disk first; true where the keys changed.
    pub(super) fn take(&self, said: &TokenIssuer, answer: Result<String, String>, now: Timestamp) -> bool {
        let mut all = self.lock();
        let it = all.entry(said.issuer.clone()).or_default();
        let taken = answer.and_then(|jwks| {
            // What the gateway could not use would take the keys away that it has.
            issuer_of(&TokenIssuer { jwks: jwks.clone(), ..said.clone() }).map_err(|error| error.to_string())?;
            self.write(said, &jwks, now).map_err(|error| format!("they cannot be kept: {error}"))?;
            Ok(jwks)
        });
        match taken {
            Ok(jwks) => {
                if it.failure.take().is_some() {
                    tracing::info!(issuer = said.issuer, "the keys of an issuer are renewed again");
                }
                (it.failing_since, it.failures, it.fetched_at) = (None, 0, Some(now));
                it.next = Some(now.plus(ISSUER_LOOK));
                let changed = it.jwks != jwks;
                it.jwks = jwks;
                changed
            }
            Err(why) => {
                if it.failure.as_ref() != Some(&why) {
                    tracing::warn!(
                        issuer = said.issuer,
                        why,
                        "the keys of an issuer are not renewed; those that are held go on"
                    );
                }
                it.failure = Some(why);
                it.failing_since.get_or_insert(now);
                let pause = ISSUER_RETRY * 2_u32.saturating_pow(it.failures.min(16));
                it.failures += 1;
                it.next = Some(now.plus(pause.min(ISSUER_RETRY_MAX)));
                false
            }
        }
    }

    /// Everybody is due.
    pub(crate) fn ask(&self) {
        self.lock().values_mut().for_each(|it| it.next = None);
    }

    /// How it stands with each.
    pub(crate) fn status(&self) -> Vec<IssuerStatus> {
        let status = |(issuer, it): (&String, &Held)| IssuerStatus {
            issuer: issuer.clone(),
            has_keys: !it.jwks.is_empty(),
            fetched_at: it.fetched_at,
            failing_since: it.failing_since,
            failure: it.failure.clone(),
        };
        self.lock().iter().map(status).collect()
    }

    fn read(&self, said: &TokenIssuer) -> Option<Held> {
        let json = files::read_bounded(&self.path(&said.issuer), ISSUER_KEYS_FILE_BYTES_MAX).ok()?;
        let kept: Kept = serde_json::from_slice(&json).ok()?;
        let usable = issuer_of(&TokenIssuer { jwks: kept.jwks.clone(), ..said.clone() }).is_ok();
        (kept.issuer == said.issuer && usable).then(|| Held {
            jwks: kept.jwks,
            fetched_at: Some(kept.fetched_at),
            ..Held::default()
        })
    }

    fn write(&self, said: &TokenIssuer, jwks: &str, now: Timestamp) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let kept = Kept { issuer: said.issuer.clone(), jwks: jwks.to_owned(), fetched_at: now };
        files::write_atomic(&self.path(&said.issuer), &serde_json::to_vec(&kept)?, 0o600)
    }

    fn path(&self, issuer: &str) -> PathBuf {
        self.dir.join(format!("{}.json", hash::hex(&hash::sha256(issuer.as_bytes())[..16])))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        // Every change leaves it whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_crypto::jws::TokenKey;

    fn issuer() -> TokenIssuer {
        TokenIssuer {
            issuer: "https://login.test".to_owned(),
            algorithms: vec!["ES256".to_owned()],
            roles: "roles".to_owned(),
            tenant: "tenant".to_owned(),
            claims: BTreeMap::new(),
            keys: String::new(),
            roots: None,
            jwks: String::new(),
            bound: false,
        }
    }

    fn jwks() -> String {
        let key = serde_json::Value::Object(TokenKey::generate().unwrap().public_jwk().to_json());
        serde_json::json!({ "keys": [key] }).to_string()
    }

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + s)
    }

    #[test]
    fn keys_that_are_held_stay_while_nothing_better_comes_and_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::new(dir.path());
        let mut users = Users { audience: "api".to_owned(), issuers: vec![issuer()], revoked: Vec::new() };
        book.add_to(&mut users);
        assert_eq!(users.issuers[0].jwks, "");
        assert_eq!(book.due(Some(&users), at(0)).0.len(), 1);
        let first = jwks();
        assert!(book.take(&issuer(), Ok(first.clone()), at(0)));
        assert!(!book.take(&issuer(), Ok(first.clone()), at(1)), "the same again is no change");
        let secret = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#.to_owned();
        for bad in [Err("no answer".to_owned()), Ok(String::new()), Ok("{\"keys\":[]}".to_owned()), Ok(secret)] {
            assert!(!book.take(&issuer(), bad, at(2)));
            book.add_to(&mut users);
            assert_eq!(users.issuers[0].jwks, first);
        }
        let status = &book.status()[0];
        assert!(status.has_keys && status.failing_since == Some(at(2)) && status.failure.is_some(), "{status:?}");
        let (due, next) = book.due(Some(&users), at(2));
        assert!(
            due.is_empty() && next.is_some_and(|next| next <= at(2).plus(ISSUER_RETRY_MAX)),
            "it is tried again soon"
        );

        let mut after = Users { issuers: vec![issuer()], ..users };
        Book::new(dir.path()).add_to(&mut after);
        assert_eq!(after.issuers[0].jwks, first);
        let mut other =
            Users { issuers: vec![TokenIssuer { issuer: "https://other.test".to_owned(), ..issuer() }], ..after };
        Book::new(dir.path()).add_to(&mut other);
        assert_eq!(other.issuers[0].jwks, "", "keys of somebody else");
    }
}
