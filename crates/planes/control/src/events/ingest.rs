//! How much comes from whom, by day: what keeping events costs, and who causes it. Kept in a file, so that a day outlives the process.

use crate::app::App;
use crate::limits::{INGEST_BOOK_BYTES_MAX, INGEST_DAYS, INGEST_KEEP_EVERY, INGEST_SOURCES_MAX};
use bartizan_core::Timestamp;
use bartizan_core::balance::Ingested;
use bartizan_core::event::{Event, SeenBy, What};
use bartizan_events::StoredEvent;
use bartizan_runtime::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who is counted where there are too many.
const OTHERS: &str = "-others";
const DAY_S: u64 = 86_400;

/// Days since 1970, and in each the sources.
type Days = BTreeMap<u64, BTreeMap<Arc<str>, Amount>>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Amount {
    events: u64,
    bytes: u64,
}

/// What was stored of each source.
#[derive(Debug)]
pub(crate) struct Ingest {
    path: PathBuf,
    days: Mutex<Days>,
    changed: AtomicBool,
}

/// Who an event is from: the service whose guard saw it, control or the supervisor, or a door and who handed it in there.
pub(crate) fn source(event: &Event) -> Arc<str> {
    match (&event.what, event.seen_by) {
        (What::Telemetry(it), _) => format!("{}/{}", it.source, it.from).into(),
        (_, SeenBy::Control | SeenBy::Node | SeenBy::Supervisor) => "-control".into(),
        _ => event.service.as_ref().map_or("-control", |it| it.as_str()).into(),
    }
}

impl Ingest {
    /// What was kept. A file that cannot be read is set aside with a word: it is a memory, not a rule.
    pub(crate) fn open(data: &Path) -> Self {
        let path = data.join("ingest.json");
        let kept = files::read_bounded(&path, INGEST_BOOK_BYTES_MAX).ok().and_then(|bytes| {
            let read = serde_json::from_slice::<Days>(&bytes);
            read.inspect_err(|error| {
                tracing::warn!(%error, path = %path.display(), "how much came by day is forgotten");
            })
            .ok()
        });
        Self { path, days: Mutex::new(kept.unwrap_or_default()), changed: AtomicBool::new(false) }
    }

    /// These are stored, of the sources that stand beside them; those that were there already are counted too, since they were carried.
    pub(crate) fn note(&self, amounts: BTreeMap<Arc<str>, (u64, u64)>, now: Timestamp) {
        let mut days = self.lock();
        let today = days.entry(now.as_secs() / DAY_S).or_default();
        for (source, (events, bytes)) in amounts {
            let is_new = !today.contains_key(&source);
            let source = if is_new && today.len() >= INGEST_SOURCES_MAX { OTHERS.into() } else { source };
            let amount = today.entry(source).or_default();
            amount.events += events;
            amount.bytes += bytes;
        }
        while days.len() > INGEST_DAYS {
            days.pop_first();
        }
        self.changed.store(true, Relaxed);
    }

    /// All of it, the youngest day first, and who brings most before the others.
    pub(crate) fn report(&self) -> Vec<Ingested> {
        let days = self.lock();
        let mut all = Vec::new();
        for (day, sources) in days.iter().rev() {
            let at = Timestamp::from_secs(day * DAY_S);
            let of_day = sources.iter().map(|(source, it)| Ingested {
                day: at,
                source: source.to_string(),
                events: it.events,
                bytes: it.bytes,
            });
            let from = all.len();
            all.extend(of_day);
            all[from..].sort_by(|a, b| (b.bytes, &a.source).cmp(&(a.bytes, &b.source)));
        }
        all
    }

    /// Writes the file, where there is something new. Blocks.
    fn keep(&self) {
        if !self.changed.swap(false, Relaxed) {
            return;
        }
        let written = serde_json::to_vec(&*self.lock()).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|bytes| files::write_atomic(&self.path, &bytes, 0o600)) {
            self.changed.store(true, Relaxed);
            tracing::warn!(%error, path = %self.path.display(), "how much came by day cannot be kept");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Days> {
        // Amounts are added one by one; each is good by itself.
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a batch brings, by source: events and bytes of their records, as they were before they are packed.
pub(crate) fn amounts(sources: &[Arc<str>], stored: &[StoredEvent]) -> BTreeMap<Arc<str>, (u64, u64)> {
    let mut all: BTreeMap<Arc<str>, (u64, u64)> = BTreeMap::new();
    for (source, event) in sources.iter().zip(stored) {
        let amount = all.entry(Arc::clone(source)).or_default();
        amount.0 += 1;
        amount.1 += event.record.len() as u64;
    }
    all
}

/// Keeps the file up to date until control stops.
pub(crate) async fn keep(app: Arc<App>) {
    loop {
        let stopped = app.stop.run_until_cancelled(tokio::time::sleep(INGEST_KEEP_EVERY)).await.is_none();
        let ingest = Arc::clone(app.pipeline.ingest());
        if tokio::task::spawn_blocking(move || ingest.keep()).await.is_err() || stopped {
            return;
        }
    }
}

/// Writes what came behind the last time, before the process ends.
pub(crate) async fn keep_rest(ingest: Arc<Ingest>) {
    let _ = tokio::task::spawn_blocking(move || ingest.keep()).await; // fails only where the runtime ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(ingest: &Ingest, day: u64, source: &str, events: u64, bytes: u64) {
        ingest.note(BTreeMap::from([(source.into(), (events, bytes))]), Timestamp::from_secs(day * DAY_S + 7));
    }

    #[test]
    fn days_and_sources_add_up_outlive_the_process_and_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let ingest = Ingest::open(dir.path());
        noted(&ingest, 10, "accounts", 2, 200);
        noted(&ingest, 10, "accounts", 3, 300);
        noted(&ingest, 10, "otlp/collector", 1, 9_000);
        noted(&ingest, 11, "accounts", 1, 100);
        let told: Vec<_> =
            ingest.report().into_iter().map(|it| (it.day.as_secs() / DAY_S, it.source, it.events, it.bytes)).collect();
        let expected = [(11, "accounts", 1, 100), (10, "otlp/collector", 1, 9_000), (10, "accounts", 5, 500)];
        assert_eq!(told, expected.map(|(day, source, events, bytes)| (day, source.to_owned(), events, bytes)));
        ingest.keep();
        assert_eq!(Ingest::open(dir.path()).report(), ingest.report());
        std::fs::write(dir.path().join("ingest.json"), "{").unwrap();
        assert_eq!(Ingest::open(dir.path()).report(), [], "a memory, not a rule");

        (0..INGEST_SOURCES_MAX * 2).for_each(|n| noted(&ingest, 12, &format!("s{n:06}"), 1, 10));
        let of_day =
            |day| ingest.report().into_iter().filter(move |it| it.day.as_secs() / DAY_S == day).collect::<Vec<_>>();
        assert_eq!(of_day(12).len(), INGEST_SOURCES_MAX + 1);
        assert_eq!(
            of_day(12).iter().map(|it| it.events).sum::<u64>(),
            INGEST_SOURCES_MAX as u64 * 2,
            "none is forgotten"
        );
        assert_eq!((&*of_day(12)[0].source, of_day(12)[0].events), (OTHERS, INGEST_SOURCES_MAX as u64));
        (13..100).for_each(|day| noted(&ingest, day, "accounts", 1, 1));
        assert!(of_day(12).is_empty() && ingest.report().len() == INGEST_DAYS);
    }
}
