//! The documents and keys that are held, with their files in the data folder: what was fetched last counts while a provider is away.

use super::document::{self, Document};
use super::fetch::Seen;
use crate::limits::{ISSUER_KEYS_FILE_BYTES_MAX, ISSUER_LOOK, ISSUER_RETRY, ISSUER_RETRY_MAX, UPSTREAM_ASKED_AGAIN};
use bartizan_core::Timestamp;
use bartizan_core::status::IssuerStatus;
use bartizan_core::upstream::Upstream;
use bartizan_core::user::TokenIssuer;
use bartizan_crypto::hash;
use bartizan_runtime::files;
use bartizan_tokens::{Issuers, issuer_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// In the data folder.
const DIR: &str = "providers";

/// What is held of each provider, by its issuer.
#[derive(Debug)]
pub(in crate::people) struct Book {
    dir: PathBuf,
    held: Mutex<BTreeMap<String, Held>>,
}

#[derive(Debug, Default)]
struct Held {
    seen: Option<Seen>,
    failure: Option<String>,
    failures: u32,
    failing_since: Option<Timestamp>,
    looked: Option<Timestamp>,
    /// When to look again; at once where `None`.
    next: Option<Timestamp>,
}

/// A provider that can be asked.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) document: Document,
    pub(super) issuers: Issuers,
}

impl Found {
    fn read(said: &Upstream, seen: &Seen) -> Result<Self, String> {
        let document = document::read(&said.issuer, seen.document.as_bytes())?;
        let issuer = TokenIssuer {
            issuer: said.issuer.clone(),
            algorithms: said.algorithms.clone(),
            roles: String::new(),
            tenant: String::new(),
            claims: BTreeMap::new(),
            keys: String::new(),
            roots: None,
            jwks: seen.jwks.clone(),
            bound: false,
        };
        let issuer = issuer_of(&issuer).map_err(|error| error.to_string())?;
        let issuers = Issuers::new(1, vec![issuer]).map_err(|error| error.to_string())?;
        Ok(Self { document, issuers })
    }
}

/// On disk, with the name of whose it is.
#[derive(Serialize, Deserialize)]
struct Kept {
    issuer: String,
    seen: Seen,
}

impl Book {
    pub(in crate::people) fn new(data: &Path) -> Self {
        Self { dir: data.join(DIR), held: Mutex::default() }
    }

    /// What is held of it; what an earlier process fetched counts too.
    pub(super) fn found(&self, said: &Upstream) -> Option<Found> {
        let mut all = self.lock();
        let it = all.entry(said.issuer.clone()).or_insert_with(|| Held { seen: self.read(said), ..Held::default() });
        it.seen.as_ref().and_then(|seen| Found::read(said, seen).ok())
    }

    /// Whether browsers can be sent there: it was reached, and answered when it was looked at last. Where it did not, it is looked at
    /// again soon, since somebody would like to go there.
    pub(in crate::people) fn answers(&self, said: &Upstream, now: Timestamp) -> bool {
        let mut all = self.lock();
        let it = all.entry(said.issuer.clone()).or_insert_with(|| Held { seen: self.read(said), ..Held::default() });
        let answers = it.seen.is_some() && it.failure.is_none();
        if !answers && it.looked.is_some_and(|looked| now.since(looked) >= UPSTREAM_ASKED_AGAIN) {
            it.next = None;
        }
        answers
    }

    /// How it stands with it, for operators.
    pub(in crate::people) fn status(&self, said: &Upstream) -> IssuerStatus {
        let mut all = self.lock();
        let it = all.entry(said.issuer.clone()).or_insert_with(|| Held { seen: self.read(said), ..Held::default() });
        IssuerStatus {
            issuer: said.issuer.clone(),
            has_keys: it.seen.is_some(),
            fetched_at: it.looked.filter(|_| it.failure.is_none()),
            failing_since: it.failing_since,
            failure: it.failure.clone(),
        }
    }

    /// Whether to look at it now.
    pub(super) fn is_due(&self, said: &Upstream, now: Timestamp) -> bool {
        self.lock().get(&said.issuer).and_then(|it| it.next).is_none_or(|next| next <= now)
    }

    /// Takes an answer in, on disk first. What could not be used leaves what is held.
    pub(super) fn take(&self, said: &Upstream, answer: Result<Seen, String>, now: Timestamp) {
        let taken = answer.and_then(|seen| {
            Found::read(said, &seen)?;
            self.write(said, &seen).map_err(|error| format!("it cannot be kept: {error}"))?;
            Ok(seen)
        });
        let mut all = self.lock();
        let it = all.entry(said.issuer.clone()).or_default();
        it.looked = Some(now);
        match taken {
            Ok(seen) => {
                if it.failure.take().is_some() || it.seen.is_none() {
                    tracing::info!(issuer = said.issuer, "an identity provider answers");
                }
                it.failing_since = None;
                (it.failures, it.next, it.seen) = (0, Some(now.plus(ISSUER_LOOK)), Some(seen));
            }
            Err(why) => {
                if it.failure.as_ref() != Some(&why) {
                    tracing::warn!(
                        issuer = said.issuer,
                        why,
                        "an identity provider is not looked at; what is held of it goes on"
                    );
                }
                it.failing_since.get_or_insert(now);
                let pause = ISSUER_RETRY * 2_u32.saturating_pow(it.failures.min(16));
                (it.failures, it.next, it.failure) =
                    (it.failures + 1, Some(now.plus(pause.min(ISSUER_RETRY_MAX))), Some(why));
            }
        }
    }

    /// It may have other keys by now: looks again, where that was not just done.
    pub(super) fn ask(&self, issuer: &str, now: Timestamp) {
        if let Some(it) = self.lock().get_mut(issuer)
            && it.looked.is_none_or(|looked| now.since(looked) >= UPSTREAM_ASKED_AGAIN)
        {
            it.next = None;
        }
    }

    fn read(&self, said: &Upstream) -> Option<Seen> {
        let json = files::read_bounded(&self.path(&said.issuer), 2 * ISSUER_KEYS_FILE_BYTES_MAX).ok()?;
        let kept: Kept = serde_json::from_slice(&json).ok()?;
        (kept.issuer == said.issuer).then_some(kept.seen)
    }

    fn write(&self, said: &Upstream, seen: &Seen) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let kept = Kept { issuer: said.issuer.clone(), seen: seen.clone() };
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
