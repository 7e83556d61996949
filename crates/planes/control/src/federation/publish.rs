//! Our own bundle endpoint (SPIFFE Federation, section 5): one document over HTTPS, for whoever asks.

use crate::app::App;
use crate::limits::{FEDERATION_LOOK_MAX, FEDERATION_RETRY};
use crate::publish::InForce;
use bartizan_core::federation::{Endpoint, REFRESH_S};
use bartizan_core::snapshot::Kind;
use bartizan_identity::federation::{DocumentError, write};
use bartizan_runtime::tls::{ClientAuth, Identity, Server};
use bartizan_runtime::{https, listen};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The document of this trust domain. Its sequence is the epoch of the bundles: it grows with every change, over restarts too.
pub(crate) fn document(in_force: &InForce) -> Result<String, DocumentError> {
    let fleet = &in_force.desired.fleet;
    let refresh_s = fleet.federation.endpoint.as_ref().map_or(REFRESH_S, |endpoint| endpoint.refresh_s);
    write(&in_force.anchors, &fleet.trust_domain, in_force.epoch(Kind::Bundles).0, refresh_s)
}

/// Serves it where the fleet file says, until the app stops; goes along where the file changes.
pub(crate) async fn publish(app: Arc<App>) {
    let mut changes = app.watch();
    while !app.stop.is_cancelled() {
        let endpoint = app.in_force().desired.fleet.federation.endpoint.clone();
        let stop = app.stop.child_token();
        let serving = endpoint.clone().map(|endpoint| tokio::spawn(serve(Arc::clone(&app), endpoint, stop.clone())));
        loop {
            tokio::select! {
                () = app.stop.cancelled() => break,
                // Also by the clock: a task that was not told must not go on with an old file for ever.
                _ = changes.changed() => {}
                () = tokio::time::sleep(FEDERATION_LOOK_MAX) => {}
            }
            if app.in_force().desired.fleet.federation.endpoint != endpoint {
                break;
            }
        }
        stop.cancel();
        if let Some(serving) = serving {
            let _ = serving.await; // a panic was reported where it happened
        }
    }
}

async fn serve(app: Arc<App>, endpoint: Endpoint, stop: CancellationToken) {
    let listener = loop {
        match listen::bind(endpoint.listen) {
            Ok(listener) => break listener,
            Err(error) => tracing::error!(%error, "the bundle endpoint cannot be served, trying again"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(FEDERATION_RETRY)).await.is_none() {
            return;
        }
    };
    tracing::info!(listen = %endpoint.listen, "the bundle endpoint is served");
    let (for_ends, for_document) = (Arc::clone(&app), app);
    https::serve_document(
        listener,
        move || end(&for_ends),
        move || document(&for_document.in_force()).ok().map(Into::into),
        stop,
    )
    .await;
}

/// The TLS end of the moment: our certificate of the web, or control's SVID of now.
fn end(app: &App) -> Option<Server> {
    let own = app.own();
    let web = app.in_force().desired.sources.own.clone();
    let identity = web.map_or_else(|| Identity::new(&own.svid.chain, &own.key), Ok).ok()?;
    Server::new(&identity, ClientAuth::None, https::ALPN).ok()
}
