//! Our own metrics, measured again and again and kept for a day, so that PromQL can be asked about them here.

use crate::api;
use crate::app::App;
use crate::limits::{QUERIES_AT_ONCE, QUERIES_WAITING_MAX, QUERY_WAITS, SERIES_EVERY, SERIES_FOR};
use bartizan_promql::store::{Held, Moment, Place, Store};
use bartizan_promql::{Error, Labels, Loaded, Matcher, Series, Source, exposition};
use bartizan_runtime::clock;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is kept. It is a memory: a restart begins anew.
#[derive(Debug)]
pub(crate) struct Kept {
    stored: Mutex<Stored>,
    /// Whoever is answered or waits.
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Stored {
    measured: Store,
    /// What rules made of it.
    recorded: Store,
}

/// The right to ask something.
#[derive(Debug)]
pub(crate) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Default for Kept {
    fn default() -> Self {
        let keep_ms = i64::try_from(SERIES_FOR.as_millis()).unwrap_or(i64::MAX);
        let slots = |count| Arc::new(Semaphore::new(count));
        let stored = Stored { measured: Store::new(keep_ms), recorded: Store::new(keep_ms) };
        let (places, turns) = (slots(QUERIES_AT_ONCE + QUERIES_WAITING_MAX), slots(QUERIES_AT_ONCE));
        Self { stored: Mutex::new(stored), places, turns }
    }
}

impl Kept {
    /// Takes in a page of metrics, as it was at a moment.
    pub(crate) fn take(&self, page: &str, at_ms: i64) {
        match exposition::read(page) {
            Ok(measured) => self.lock().measured.add(at_ms, measured),
            // It is our own page: the test of the endpoint reads it too.
            Err(error) => tracing::error!(%error, "our own metrics cannot be read"),
        }
    }

    /// Takes in all that rules recorded at a moment; of what is not among it an end.
    pub(crate) fn record(&self, at_ms: i64, recorded: Vec<(Labels, f64)>) {
        self.lock().recorded.add(at_ms, recorded);
    }

    /// The right to ask something. `None` where as many wait as may, and where it takes too long.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = tokio::time::timeout(QUERY_WAITS, Arc::clone(&self.turns).acquire_owned()).await.ok()?.ok()?;
        Some(Turn { _place: place, _turn: turn })
    }

    /// Labels of series that fit one of the lists and were there between two moments.
    pub(crate) fn names(&self, any: &[Vec<Matcher>], from_ms: i64, to_ms: i64) -> Vec<Labels> {
        let stored = self.lock();
        let mut all = stored.measured.names(any, from_ms, to_ms);
        all.extend(stored.recorded.names(any, from_ms, to_ms));
        drop(stored);
        all.sort();
        all.dedup();
        all
    }

    /// After what was measured last.
    pub(crate) fn place(&self) -> Place {
        self.lock().measured.place()
    }

    /// What was measured next after a place.
    pub(crate) fn after(&self, place: Place) -> Option<Moment> {
        self.lock().measured.after(place)
    }

    /// How much is kept, of what is measured and of what is recorded.
    pub(crate) fn held(&self) -> [Held; 2] {
        let stored = self.lock();
        [stored.measured.held(), stored.recorded.held()]
    }

    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locked only while samples are copied, never while a query is answered.
impl Source for Kept {
    fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64, room: &mut Loaded) -> Result<Vec<Series>, Error> {
        let stored = self.lock();
        let mut all = stored.measured.select(matchers, from_ms, to_ms, room)?;
        let recorded = stored.recorded.select(matchers, from_ms, to_ms, room)?;
        drop(stored);
        if !recorded.is_empty() {
            // What is measured under the same name counts.
            let known: HashSet<Labels> = all.iter().map(|it| it.labels.clone()).collect();
            all.extend(recorded.into_iter().filter(|it| !known.contains(&it.labels)));
        }
        Ok(all)
    }
}

/// Measures again and again, and asks rules about it, until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    loop {
        let measuring = Arc::clone(&app);
        let measured = tokio::task::spawn_blocking(move || {
            let now = clock::now();
            let at_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
            measuring.series.take(&api::metrics_page(&measuring), at_ms);
            measuring.alerts.prometheus.step(&measuring, now);
        });
        if let Err(error) = measured.await {
            tracing::error!(%error, "measuring ended badly");
        }
        if app.stop.run_until_cancelled(tokio::time::sleep(SERIES_EVERY)).await.is_none() {
            return;
        }
    }
}
