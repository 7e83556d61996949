//! Looks at every bundle endpoint again and again, and publishes what changed.

use crate::app::App;
use crate::error::chain;
use crate::federation::fetch::fetch;
use crate::limits::FEDERATION_LOOK_MAX;
use bartizan_core::TrustDomain;
use bartizan_runtime::clock;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Runs until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    let mut changes = app.watch();
    // Something came that could not be published.
    let mut unpublished = false;
    while !app.stop.is_cancelled() {
        let in_force = app.in_force();
        let federation = &in_force.desired.fleet.federation;
        let (due, next) = app.federation.due(federation, clock::now());
        let Some(changed) = app.stop.run_until_cancelled(look(&app, due)).await else { return };
        unpublished |= changed;
        if unpublished {
            match app.publish_again().await {
                Ok(_) => unpublished = false,
                Err(error) => {
                    tracing::error!(why = chain(&error), "the bundles of other trust domains are not published")
                }
            }
        }
        // Timers stand still while a machine sleeps, and the clock does not.
        let pause = next.map_or(FEDERATION_LOOK_MAX, |next| next.since(clock::now()).min(FEDERATION_LOOK_MAX));
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = app.federation.asked.notified() => {}
            _ = changes.changed() => {}
        }
    }
}

/// Looks at all of `due` at once. True where something changed.
async fn look(app: &Arc<App>, due: Vec<TrustDomain>) -> bool {
    let in_force = app.in_force();
    let mut looks = JoinSet::new();
    for domain in due {
        let Some(foreign) = in_force.desired.fleet.federation.domains.get(&domain).cloned() else { continue };
        let Some(source) = app.federation.source(&domain) else { continue };
        let app = Arc::clone(app);
        looks.spawn(async move {
            let answer = fetch(&app, &domain, &foreign).await;
            (domain, source, answer)
        });
    }
    let mut changed = false;
    while let Some(looked) = looks.join_next().await {
        let Ok((domain, source, answer)) = looked else { continue }; // a panic was reported where it happened
        if app.federation.take(&domain, &source, answer, clock::now()) {
            tracing::info!(domain = %domain, "took up another bundle of another trust domain");
            changed = true;
        }
    }
    changed
}
