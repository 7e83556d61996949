//! Where services went outside the fleet, and where they tried to: kept in a file, so that what is new is new for the fleet
//! and not for a process, and so that what was learned outlives whoever learned it.

use crate::app::App;
use crate::limits::{
    EGRESS_ADDRESSES_MAX, EGRESS_BOOK_BYTES_MAX, EGRESS_DESTINATIONS_MAX, EGRESS_KEEP_EVERY, EGRESS_NEW_FOR,
};
use bartizan_core::event::{Event, Outcome, What};
use bartizan_core::fleet::Fleet;
use bartizan_core::plan::{Isolation, Plan};
use bartizan_core::snapshot::Mode;
use bartizan_core::status::{EgressDestination, EgressPath, EgressService, EgressStatus, EgressSummary};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_runtime::{clock, files};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Service, destination (name or address), port, protocol.
type Key = (ServiceName, String, u16, String);

/// What guards told of.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    seen: Mutex<BTreeMap<Key, EgressDestination>>,
    changed: AtomicBool,
}

impl Book {
    /// What was kept. A file that cannot be read is set aside with a word: it is a memory, not a rule.
    pub(crate) fn open(data: &Path) -> Self {
        let path = data.join("egress.json");
        let seen = match files::read_bounded(&path, EGRESS_BOOK_BYTES_MAX) {
            Ok(bytes) => serde_json::from_slice::<Vec<EgressDestination>>(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "the destinations that were known are forgotten");
                Vec::new()
            }),
            Err(_) => Vec::new(),
        };
        let seen = seen.into_iter().take(EGRESS_DESTINATIONS_MAX).map(|it| (key(&it), it)).collect();
        Self { path, seen: Mutex::new(seen), changed: AtomicBool::new(false) }
    }

    /// Takes in what a guard saw.
    pub(crate) fn note(&self, event: &Event) {
        let (What::Egress(it), Some(service)) = (&event.what, &event.service) else { return };
        let to = match (&it.host, it.address) {
            (Some(host), _) => host.to_string(),
            (None, Some(address)) => address.to_string(),
            (None, None) => return, // nothing that could be named
        };
        let mut seen = self.lock();
        let key = (service.clone(), to, it.port, it.protocol.to_string());
        // One beyond that is not listed: whoever makes up names cannot fill memory. The event itself is stored.
        if seen.len() >= EGRESS_DESTINATIONS_MAX && !seen.contains_key(&key) {
            return;
        }
        let entry = seen.entry(key).or_insert_with(|| EgressDestination {
            service: service.clone(),
            host: it.host.as_deref().map(str::to_owned),
            addresses: Vec::new(),
            port: it.port,
            protocol: it.protocol.to_string(),
            first_seen: event.at,
            last_seen: event.at,
            used: false,
            passed: 0,
            failed: 0,
            refused: 0,
            refusal: None,
            learned: false,
            bytes_up: 0,
            bytes_down: 0,
        });
        entry.last_seen = entry.last_seen.max(event.at);
        match it.outcome {
            Outcome::Opened => entry.used = true,
            Outcome::Closed => {
                entry.used = true;
                entry.passed += 1;
                entry.bytes_up = entry.bytes_up.saturating_add(it.bytes_up);
                entry.bytes_down = entry.bytes_down.saturating_add(it.bytes_down);
            }
            Outcome::Failed => entry.failed += 1,
            Outcome::Refused(refusal) => {
                entry.refused += 1;
                entry.refusal = Some(refusal);
            }
        }
        if let (Some(address), false) = (it.address, matches!(it.outcome, Outcome::Refused(_)))
            && entry.addresses.len() < EGRESS_ADDRESSES_MAX
            && !entry.addresses.contains(&address)
        {
            entry.addresses.push(address);
        }
        entry.learned |= it.learned;
        self.changed.store(true, Relaxed);
    }

    /// Everything, for `bartizan egress`.
    pub(crate) fn status(&self, fleet: &Fleet, plan: &Plan) -> EgressStatus {
        let services = fleet.services.iter().map(|(name, service)| EgressService {
            service: name.clone(),
            path: path(fleet, plan, name),
            rules: service.egress.as_ref().map(|egress| egress.rules.clone()),
        });
        EgressStatus {
            now: clock::now(),
            services: services.collect(),
            destinations: self.lock().values().cloned().collect(),
        }
    }

    /// The short of it, for `bartizan status`.
    pub(crate) fn summary(&self, fleet: &Fleet, plan: &Plan, now: Timestamp) -> EgressSummary {
        let paths: Vec<_> = fleet.services.keys().filter_map(|name| path(fleet, plan, name)).collect();
        let count = |wanted| paths.iter().filter(|it| **it == wanted).count();
        let is_new = |it: &&EgressDestination| it.used && now.since(it.first_seen) < EGRESS_NEW_FOR;
        let mut new: Vec<_> = self.lock().values().filter(is_new).cloned().collect();
        new.sort_by_key(|it| std::cmp::Reverse(it.first_seen));
        EgressSummary { programs: paths.len(), forced: count(EgressPath::Forced), told: count(EgressPath::Told), new }
    }

    /// Writes the file, where there is something new. Blocks.
    fn keep(&self) {
        if !self.changed.swap(false, Relaxed) {
            return;
        }
        let all: Vec<_> = self.lock().values().cloned().collect();
        let written = serde_json::to_vec(&all).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|bytes| files::write_atomic(&self.path, &bytes, 0o600)) {
            self.changed.store(true, Relaxed);
            tracing::warn!(%error, path = %self.path.display(), "destinations cannot be kept");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, EgressDestination>> {
        // Entries are changed field by field; each field is good by itself.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(it: &EgressDestination) -> Key {
    let address = || it.addresses.first().map(ToString::to_string).unwrap_or_default();
    (it.service.clone(), it.host.clone().unwrap_or_else(address), it.port, it.protocol.clone())
}

/// How a program that is started here gets out; `None` for one that is not.
fn path(fleet: &Fleet, plan: &Plan, name: &ServiceName) -> Option<EgressPath> {
    let service = fleet.services.get(name).filter(|service| service.is_run())?;
    Some(match plan.isolation.get(name) {
        _ if plan.mode == Mode::Off => EgressPath::Open,
        // Without rules its guard opens nothing, and there is no other way.
        Some(Isolation::Own) => EgressPath::Forced,
        Some(Isolation::Shared { .. }) | None if service.egress.is_some() => EgressPath::Told,
        Some(Isolation::Shared { .. }) | None => EgressPath::Open,
    })
}

/// Keeps the book until the app stops, and once more then.
pub(crate) async fn keep(app: Arc<App>) {
    loop {
        let stopped = app.stop.run_until_cancelled(tokio::time::sleep(EGRESS_KEEP_EVERY)).await.is_none();
        let keeper = Arc::clone(&app);
        if tokio::task::spawn_blocking(move || keeper.egress.keep()).await.is_err() || stopped {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::egress::Refusal;
    use bartizan_core::event::{Egress, EventId, SeenBy};

    fn event(host: &str, outcome: Outcome, at: u64) -> Event {
        let what = What::Egress(Egress {
            host: Some(host.into()),
            address: Some("192.0.2.7".parse().unwrap()),
            port: 443,
            protocol: "https".into(),
            outcome,
            first: false,
            learned: false,
            bytes_up: 10,
            bytes_down: 20,
            took_us: 1,
            error: None,
        });
        let service = ServiceName::parse("a").ok();
        Event {
            id: EventId(1, 1),
            at: Timestamp::from_secs(at),
            service,
            seen_by: SeenBy::Outbound,
            request: None,
            what,
        }
    }

    #[test]
    fn what_was_seen_is_remembered_across_restarts_with_its_first_time() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path());
        book.note(&event("a.test", Outcome::Opened, 5));
        book.note(&event("a.test", Outcome::Closed, 9));
        book.note(&event("evil.test", Outcome::Refused(Refusal::Undeclared), 9));
        book.keep();
        let again = Book::open(dir.path());
        again.note(&event("a.test", Outcome::Closed, 20));
        let all: Vec<_> = again.lock().values().cloned().collect();
        let a = &all[0];
        assert_eq!((a.first_seen.as_secs(), a.last_seen.as_secs(), a.passed, a.bytes_down), (5, 20, 2, 40));
        let evil = &all[1];
        assert_eq!((evil.used, evil.refused, evil.refusal), (false, 1, Some(Refusal::Undeclared)));
        assert!(evil.addresses.is_empty(), "nothing was dialled");
        std::fs::write(dir.path().join("egress.json"), "{").unwrap();
        assert!(Book::open(dir.path()).lock().is_empty(), "a broken file is no reason not to start");
    }

    #[test]
    fn memory_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path());
        for n in 0..EGRESS_DESTINATIONS_MAX + 5 {
            book.note(&event(&format!("n{n}.test"), Outcome::Closed, 1));
        }
        assert_eq!(book.lock().len(), EGRESS_DESTINATIONS_MAX);
    }
}
