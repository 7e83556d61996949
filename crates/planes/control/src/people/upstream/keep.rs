//! Looks at every provider again and again.

use super::fetch::look;
use crate::app::App;
use crate::error::chain;
use crate::limits::{ISSUER_PAUSE_MAX, ISSUER_RETRY};
use crate::people::desk::rules;
use bartizan_runtime::clock;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Runs until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    let mut changes = app.watch();
    while !app.stop.is_cancelled() {
        let has = rules(&app).is_some_and(|rules| !rules.providers.is_empty());
        if has {
            app.stop.run_until_cancelled(look_at_all(&app)).await;
        }
        let pause = if has { ISSUER_RETRY } else { ISSUER_PAUSE_MAX };
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            _ = changes.changed() => {}
        }
    }
}

async fn look_at_all(app: &App) {
    let Some(rules) = rules(app) else { return };
    let desk = match app.people.desk(app).await {
        Ok(Some(desk)) => desk,
        Ok(None) => return,
        Err(error) => return tracing::error!(why = chain(&error), "identity providers are not looked at"),
    };
    let mut looks = JoinSet::new();
    for said in rules.providers.into_values().filter(|said| desk.upstreams.is_due(said, clock::now())) {
        // What lies on disk counts meanwhile.
        desk.upstreams.found(&said);
        let dir = app.options.fleet.parent().unwrap_or(Path::new("")).to_owned();
        looks.spawn(async move {
            let answer = look(&said, &dir).await;
            (said, answer)
        });
    }
    while let Some(looked) = looks.join_next().await {
        let Ok((said, answer)) = looked else { continue }; // a panic was reported where it happened
        desk.upstreams.take(&said, answer, clock::now());
    }
}
