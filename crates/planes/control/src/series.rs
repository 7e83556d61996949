//! Our own metrics, measured again and again and kept for a day, so that PromQL can be asked about them here.

use crate::api;
use crate::app::App;
use crate::limits::{QUERIES_AT_ONCE, QUERIES_WAITING_MAX, QUERY_WAITS, SERIES_EVERY, SERIES_FOR};
use bartizan_promql::store::{Held, Store};
use bartizan_promql::{Error, Labels, Loaded, Matcher, Series, Source, exposition};
use bartizan_runtime::clock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is kept. It is a memory: a restart begins anew.
#[derive(Debug)]
pub(crate) struct Kept {
    store: Mutex<Store>,
    /// Whoever is answered or waits.
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
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
        let (places, turns) = (slots(QUERIES_AT_ONCE + QUERIES_WAITING_MAX), slots(QUERIES_AT_ONCE));
        Self { store: Mutex::new(Store::new(keep_ms)), places, turns }
    }
}

impl Kept {
    /// Takes in a page of metrics, as it was at a moment.
    pub(crate) fn take(&self, page: &str, at_ms: i64) {
        match exposition::read(page) {
            Ok(measured) => self.lock().add(at_ms, measured),
            // It is our own page: the test of the endpoint reads it too.
            Err(error) => tracing::error!(%error, "our own metrics cannot be read"),
        }
    }

    /// The right to ask something. `None` where as many wait as may, and where it takes too long.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = tokio::time::timeout(QUERY_WAITS, Arc::clone(&self.turns).acquire_owned()).await.ok()?.ok()?;
        Some(Turn { _place: place, _turn: turn })
    }

    /// Labels of series that fit one of the lists and were there between two moments.
    pub(crate) fn names(&self, any: &[Vec<Matcher>], from_ms: i64, to_ms: i64) -> Vec<Labels> {
        self.lock().names(any, from_ms, to_ms)
    }

    /// How much is kept.
    pub(crate) fn held(&self) -> Held {
        self.lock().held()
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locked only while samples are copied, never while a query is answered.
impl Source for Kept {
    fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64, room: &mut Loaded) -> Result<Vec<Series>, Error> {
        self.lock().select(matchers, from_ms, to_ms, room)
    }
}

/// Measures again and again, until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    loop {
        let measuring = Arc::clone(&app);
        let measured = tokio::task::spawn_blocking(move || {
            let now_ms = i64::try_from(clock::now().as_millis()).unwrap_or(i64::MAX);
            measuring.series.take(&api::metrics_page(&measuring), now_ms);
        });
        if let Err(error) = measured.await {
            tracing::error!(%error, "measuring ended badly");
        }
        if app.stop.run_until_cancelled(tokio::time::sleep(SERIES_EVERY)).await.is_none() {
            return;
        }
    }
}
