//! What pages are shown again and again: made once for all of them, however many look.

use crate::app::App;
use crate::overview;
use bartizan_core::Timestamp;
use bartizan_runtime::clock;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// One text with the moment it was made.
#[derive(Debug, Default)]
struct Kept(Mutex<Option<(Instant, Shown)>>);

/// A text for pages.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// JSON in one line.
    pub(crate) text: Arc<str>,
    /// The same without the time it was made: what is equal here has not changed.
    pub(crate) mark: u64,
}

/// What is kept.
#[derive(Debug, Default)]
pub(crate) struct Glance {
    map: Kept,
    status: Kept,
    alerts: Kept,
}

impl Glance {
    /// The map, at most `age` old.
    pub(crate) async fn map(&self, app: &Arc<App>, age: Duration) -> Option<Shown> {
        self.map.get(app, age, |app, now| serde_json::to_value(overview::map(app, now))).await
    }

    /// Alerts, at most `age` old.
    pub(crate) async fn alerts(&self, app: &Arc<App>, age: Duration) -> Option<Shown> {
        self.alerts.get(app, age, |app, now| serde_json::to_value(app.alerts.status(now))).await
    }

    /// The status, at most `age` old.
    pub(crate) async fn status(&self, app: &Arc<App>, age: Duration) -> Option<Shown> {
        self.status.get(app, age, |app, _| serde_json::to_value(crate::api::status(app))).await
    }
}

impl Kept {
    async fn get(
        &self,
        app: &Arc<App>,
        age: Duration,
        make: fn(&App, Timestamp) -> serde_json::Result<Value>,
    ) -> Option<Shown> {
        // Whoever comes meanwhile waits, and finds it.
        let mut held = self.0.lock().await;
        if let Some((made, shown)) = &*held
            && made.elapsed() < age
        {
            return Some(shown.clone());
        }
        let app = Arc::clone(app);
        let made = tokio::task::spawn_blocking(move || make(&app, clock::now()).ok().map(shown)).await.ok()??;
        *held = Some((Instant::now(), made.clone()));
        Some(made)
    }
}

fn shown(mut value: Value) -> Shown {
    let text = value.to_string().into();
    if let Some(all) = value.as_object_mut() {
        all.remove("now");
    }
    let mark = std::hash::BuildHasher::hash_one(
        &std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default(),
        value.to_string(),
    );
    Shown { text, mark }
}
