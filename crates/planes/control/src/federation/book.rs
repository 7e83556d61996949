//! What is held of each other domain. The last good bundle lies on disk, so that it counts after a restart without its endpoint.

use crate::federation::Sources;
use crate::limits::{FEDERATION_RETRY, FEDERATION_RETRY_MAX, KEPT_BUNDLE_BYTES_MAX};
use bartizan_core::federation::{Federation, Foreign, Profile, REFRESH_S, REFRESH_S_MAX, REFRESH_S_MIN, Standing};
use bartizan_core::snapshot::Bundles;
use bartizan_core::{Timestamp, TrustDomain};
use bartizan_crypto::hash;
use bartizan_identity::federation::{Document, DocumentError};
use bartizan_runtime::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// The bundles, in the data folder.
const DIR: &str = "federation";

/// What is held.
#[derive(Debug)]
pub(crate) struct Book {
    dir: PathBuf,
    held: Mutex<BTreeMap<TrustDomain, Held>>,
    /// Somebody wants a look at once.
    pub(crate) asked: Notify,
    advertised: AtomicU32,
}

/// A bundle on disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    source: String,
    /// As the endpoint gave it.
    document: String,
}

/// From where a bundle comes, and by what that is recognised: what came from elsewhere does not count.
fn source(foreign: &Foreign, first: Option<&Document>) -> String {
    let Foreign { url, profile, paths: _ } = foreign;
    let first = first.map(|document| document.roots.concat()).unwrap_or_default();
    format!("{} {} {profile:?} {}", url.authority(), url.path, hash::hex(&hash::sha256(&first)))
}

/// Of one domain.
#[derive(Debug, Default)]
struct Held {
    source: String,
    document: Option<Document>,
    changed_at: Option<Timestamp>,
    fetched_at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    failure: Option<String>,
    failures: u32,
    /// When to look again; at once where `None`.
    next: Option<Timestamp>,
}

impl Held {
    fn refresh(&self) -> Duration {
        let hint = self.document.as_ref().and_then(|document| document.refresh_hint_s);
        let hint = hint.map_or(REFRESH_S, |hint| u32::try_from(hint).unwrap_or(u32::MAX));
        Duration::from_secs(hint.clamp(REFRESH_S_MIN, REFRESH_S_MAX).into())
    }
}

impl Book {
    pub(crate) fn new(data: &std::path::Path) -> Self {
        Self { dir: data.join(DIR), held: Mutex::default(), asked: Notify::new(), advertised: AtomicU32::new(0) }
    }

    /// Goes over to what the fleet file says: forgets domains that it no longer names or that come from elsewhere now, and takes
    /// up from disk, or from the first bundle, those that are new.
    pub(crate) fn settle(&self, federation: &Federation, sources: &Sources) {
        let mut held = self.lock();
        held.retain(|domain, it| {
            let foreign = federation.domains.get(domain);
            foreign.is_some_and(|foreign| source(foreign, sources.first.get(domain)) == it.source)
        });
        self.forget_others(federation);
        for (domain, foreign) in &federation.domains {
            let first = sources.first.get(domain);
            held.entry(domain.clone()).or_insert_with(|| {
                let source = source(foreign, first);
                let document = self.read(domain, &source).or_else(|| first.cloned());
                Held { source, document, ..Held::default() }
            });
        }
        let refresh = federation.endpoint.as_ref().map_or(0, |endpoint| endpoint.refresh_s);
        self.advertised.fetch_max(refresh, Relaxed);
    }

    /// The longest pause between two looks that others were told since this process started; `None` where nobody was told any.
    pub(crate) fn advertised(&self) -> Option<u32> {
        Some(self.advertised.load(Relaxed)).filter(|refresh_s| *refresh_s > 0)
    }

    /// From where the bundle of `domain` is to come, for [`Book::take`].
    pub(crate) fn source(&self, domain: &TrustDomain) -> Option<String> {
        self.lock().get(domain).map(|held| held.source.clone())
    }

    /// The anchors of the other domains, beside those in `bundles`.
    pub(crate) fn add_to(&self, bundles: &mut Bundles, federation: &Federation) {
        let held = self.lock();
        for (domain, foreign) in &federation.domains {
            let Some(document) = held.get(domain).and_then(|held| held.document.as_ref()) else { continue };
            document.add_to(bundles, domain);
            if !foreign.paths.is_empty() {
                bundles.paths.insert(domain.clone(), foreign.paths.clone());
            }
        }
    }

    /// The document in force.
    pub(crate) fn document(&self, domain: &TrustDomain) -> Option<Document> {
        self.lock().get(domain).and_then(|held| held.document.clone())
    }

    /// The domains whose endpoint is to be looked at, and when the next one will be.
    /// Only of those in `federation`: what is settled and not in force yet has its turn then.
    pub(crate) fn due(&self, federation: &Federation, now: Timestamp) -> (Vec<TrustDomain>, Option<Timestamp>) {
        let held = self.lock();
        let in_force = || held.iter().filter(|(domain, _)| federation.domains.contains_key(*domain));
        let is_due = |it: &Held| it.next.is_none_or(|next| next <= now);
        let due = in_force().filter(|(_, it)| is_due(it)).map(|(domain, _)| domain.clone()).collect();
        (due, in_force().filter_map(|(_, it)| it.next).filter(|next| *next > now).min())
    }

    /// Everybody is due.
    pub(crate) fn ask(&self) {
        self.lock().values_mut().for_each(|it| it.next = None);
        self.asked.notify_one();
    }

    /// Takes an answer in. True where what is in force changed.
    ///
    /// The file is written first: what counted once counts after a restart too.
    pub(crate) fn take(
        &self,
        domain: &TrustDomain,
        source: &str,
        answer: Result<(Document, Vec<u8>), String>,
        now: Timestamp,
    ) -> bool {
        let mut all = self.lock();
        // The fleet file may have dropped it in the meantime, or named another endpoint.
        let Some(held) = all.get_mut(domain).filter(|held| held.source == source) else { return false };
        held.looked_at = Some(now);
        let taken = answer.and_then(|(document, json)| {
            let document = match &held.document {
                Some(before) => document.after(before).map_err(|error: DocumentError| error.to_string())?,
                None => document,
            };
            let changed = held.document.as_ref() != Some(&document);
            if changed {
                self.write(domain, source, &json).map_err(|error| format!("the bundle cannot be kept: {error}"))?;
            }
            Ok((document, changed))
        });
        match taken {
            Ok((document, changed)) => {
                (held.document, held.fetched_at) = (Some(document), Some(now));
                (held.failure, held.failures) = (None, 0);
                held.next = Some(now.plus(held.refresh()));
                if changed {
                    held.changed_at = Some(now);
                }
                changed
            }
            Err(failure) => {
                tracing::warn!(domain = %domain, why = failure, "the bundle of another trust domain was not renewed; the one held stays in force");
                held.failure = Some(failure);
                held.failures += 1;
                let pause = FEDERATION_RETRY * 2_u32.saturating_pow(held.failures.min(16) - 1);
                held.next = Some(now.plus(pause.min(FEDERATION_RETRY_MAX).min(held.refresh())));
                false
            }
        }
    }

    /// How it stands with each domain.
    pub(crate) fn standings(&self, federation: &Federation) -> Vec<Standing> {
        let all = self.lock();
        let standing = |(domain, foreign): (&TrustDomain, &Foreign)| {
            let held = all.get(domain)?;
            let document = held.document.as_ref();
            Some(Standing {
                domain: domain.clone(),
                url: format!("https://{}{}", foreign.url.authority(), foreign.url.path),
                profile: if matches!(foreign.profile, Profile::Web(_)) { "https_web" } else { "https_spiffe" }
                    .to_owned(),
                roots: document.map_or(0, |it| it.roots.len()),
                jwt_keys: document.map_or(0, |it| it.jwt_keys.len()),
                sequence: document.and_then(|it| it.sequence),
                refresh_s: u32::try_from(held.refresh().as_secs()).unwrap_or(REFRESH_S_MAX),
                looked_at: held.looked_at,
                fetched_at: held.fetched_at,
                changed_at: held.changed_at,
                failure: held.failure.clone(),
                paths: foreign.paths.clone(),
            })
        };
        federation.domains.iter().filter_map(standing).collect()
    }

    /// `None` where there is no file, or one that is of no use or from elsewhere: then the endpoint has to give another.
    fn read(&self, domain: &TrustDomain, source: &str) -> Option<Document> {
        let path = self.path(domain);
        let json = files::read_bounded(&path, KEPT_BUNDLE_BYTES_MAX).ok()?;
        let kept: Kept = serde_json::from_slice(&json).ok()?;
        let read = (kept.source == source).then(|| Document::read(domain, kept.document.as_bytes()))?;
        read.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a kept bundle cannot be used")).ok()
    }

    fn write(&self, domain: &TrustDomain, source: &str, json: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let document = String::from_utf8(json.to_vec()).map_err(io::Error::other)?;
        let kept = serde_json::to_vec(&Kept { source: source.to_owned(), document })?;
        files::write_atomic(&self.path(domain), &kept, 0o600)
    }

    /// Removes what is kept of domains that are not federated with. What cannot be removed does no harm: nobody reads it.
    fn forget_others(&self, federation: &Federation) {
        for path in std::fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_file() && !federation.domains.keys().any(|domain| self.path(domain) == path) {
                let _ = std::fs::remove_file(&path).inspect_err(
                    |error| tracing::warn!(path = %path.display(), %error, "a bundle that is not needed is left"),
                );
            }
        }
    }

    fn path(&self, domain: &TrustDomain) -> PathBuf {
        // Short, whatever the name, since a file name has 255 bytes at most.
        let name = match domain.as_str() {
            name if name.len() <= 64 => name.to_owned(),
            name => hash::hex(&hash::sha256(name.as_bytes())),
        };
        self.dir.join(format!("{name}.json"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TrustDomain, Held>> {
        self.held.lock().expect("nothing panics while it holds the bundles")
    }
}
