//! Looks at every issuer again and again, and publishes what changed.

use super::fetch::fetch;
use crate::app::App;
use crate::error::chain;
use crate::limits::ISSUER_PAUSE_MAX;
use bartizan_runtime::clock;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Runs until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    let mut changes = app.watch();
    // Something came that could not be published.
    let mut unpublished = false;
    while !app.stop.is_cancelled() {
        let (due, next) = app.issuers.due(app.in_force().desired.fleet.users.as_ref(), clock::now());
        let mut looks = JoinSet::new();
        for said in due {
            let dir = app.options.fleet.parent().unwrap_or(Path::new("")).to_owned();
            looks.spawn(async move {
                let answer = fetch(&said, &dir).await;
                (said, answer)
            });
        }
        while let Some(looked) = app.stop.run_until_cancelled(looks.join_next()).await.flatten() {
            let Ok((said, answer)) = looked else { continue }; // a panic was reported where it happened
            if app.issuers.take(&said, answer, clock::now()) {
                tracing::info!(issuer = said.issuer, "took up the keys of an issuer");
                unpublished = true;
            }
        }
        if unpublished {
            match app.publish_again().await {
                Ok(_) => unpublished = false,
                Err(error) => tracing::error!(why = chain(&error), "the keys of issuers are not published"),
            }
        }
        // Timers stand still while a machine sleeps, and the clock does not.
        let pause = next.map_or(ISSUER_PAUSE_MAX, |next| next.since(clock::now()).min(ISSUER_PAUSE_MAX));
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            _ = changes.changed() => {}
        }
    }
}
