//! Serves as long as the fleet file says, and where.

use super::end::{self, End};
use super::router;
use crate::app::App;
use crate::limits::{FEDERATION_LOOK_MAX, FEDERATION_RETRY};
use crate::stream::{judge, on_failure};
use arc_swap::ArcSwapOption;
use bartizan_core::authorization::Authorization;
use bartizan_runtime::{https, listen};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Serves until the app stops; goes along where the fleet file changes.
pub(crate) async fn keep(app: Arc<App>) {
    let mut changes = app.watch();
    while !app.stop.is_cancelled() {
        let said = app.in_force().desired.fleet.authorization.clone();
        let stop = app.stop.child_token();
        let serving = said.clone().map(|said| tokio::spawn(serve(Arc::clone(&app), said, stop.clone())));
        loop {
            tokio::select! {
                () = app.stop.cancelled() => break,
                // Also by the clock: a task that was not told must not go on with an old file for ever.
                _ = changes.changed() => {}
                () = tokio::time::sleep(FEDERATION_LOOK_MAX) => {}
            }
            if place(app.in_force().desired.fleet.authorization.as_ref()) != place(said.as_ref()) {
                break;
            }
        }
        stop.cancel();
        if let Some(serving) = serving {
            let _ = serving.await; // a panic was reported where it happened
        }
    }
}

/// What a listener cannot go along with; clients are looked up at each request.
fn place(said: Option<&Authorization>) -> Option<(std::net::SocketAddr, &str)> {
    said.map(|said| (said.listen, said.issuer.as_str()))
}

async fn serve(app: Arc<App>, said: Authorization, stop: CancellationToken) {
    let (listener, first) = loop {
        match (listen::bind(said.listen), End::issue(&app, &said).await) {
            (Ok(listener), Ok(end)) => break (listener, end),
            (Err(error), _) => tracing::error!(%error, "the authorization server cannot be served, trying again"),
            (_, Err(why)) => tracing::error!(why, "the authorization server has no certificate, trying again"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(FEDERATION_RETRY)).await.is_none() {
            return;
        }
    };
    tracing::info!(listen = %said.listen, issuer = said.issuer, "the authorization server is served");
    let end = Arc::new(ArcSwapOption::from_pointee(first));
    let renewing = tokio::spawn(end::keep(Arc::clone(&app), said, Arc::clone(&end), stop.clone()));
    let shown = move || end.load().as_ref().map(|end| end.server.clone());
    https::serve_router(listener, shown, judge(&app), on_failure(&app), router(app), stop).await;
    let _ = renewing.await; // a panic was reported where it happened
}
