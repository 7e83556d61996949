//! Serves as long as the fleet file says, and where.

use super::{Place, gate, names};
use crate::app::App;
use crate::error::chain;
use crate::federation::own_web;
use crate::limits::{FEDERATION_LOOK_MAX, FEDERATION_RETRY};
use crate::publish::InForce;
use crate::web_certificate::{Door, WebCertificate};
use bartizan_core::console::Console;
use bartizan_runtime::https::{self, Front, serve_browsers};
use bartizan_runtime::listen;
use bartizan_runtime::tls::{ClientAuth, Identity, Server};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Whether the files that `said` names, relative to `dir`, can be used. Blocks for the disk.
///
/// # Errors
/// [`crate::SourceError`].
pub fn check(said: &Console, dir: &Path) -> Result<(), crate::SourceError> {
    said.web.as_ref().map_or(Ok(()), |web| own_web(web, dir).map(drop))
}

/// Where the console is to be. `None` for nowhere.
fn place(in_force: &InForce) -> Option<(SocketAddr, Console)> {
    let (said, plan) = (&in_force.desired.fleet.console, &in_force.desired.plan);
    let listen = said.listen.or(plan.console).filter(|_| !said.off)?;
    Some((listen, said.clone()))
}

/// Serves until the app stops; goes along where the fleet file changes.
pub(crate) async fn keep(app: Arc<App>) {
    let mut changes = app.watch();
    while !app.stop.is_cancelled() {
        let wanted = place(&app.in_force());
        let stop = app.stop.child_token();
        let serving = wanted.clone().map(|(at, said)| tokio::spawn(serve(Arc::clone(&app), at, said, stop.clone())));
        loop {
            tokio::select! {
                () = app.stop.cancelled() => break,
                // Also by the clock: a task that was not told must not go on with an old file for ever.
                _ = changes.changed() => {}
                () = tokio::time::sleep(FEDERATION_LOOK_MAX) => {}
            }
            if place(&app.in_force()) != wanted {
                break;
            }
        }
        stop.cancel();
        if let Some(serving) = serving {
            let _ = serving.await; // a panic was reported where it happened
        }
        app.console.at.store(None);
    }
}

async fn serve(app: Arc<App>, at: SocketAddr, said: Console, stop: CancellationToken) {
    let (listener, certificate) = loop {
        match begin(&app, at, &said).await {
            Ok(both) => break both,
            Err(why) => {
                tracing::error!(why, "the console cannot be served, trying again");
                app.console.at.store(Some(Arc::new(Place::Nowhere(why))));
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep(FEDERATION_RETRY)).await.is_none() {
            return;
        }
    };
    let url = names::url(at, &said);
    tracing::info!(url, "the console is served");
    app.console.at.store(Some(Arc::new(Place::Here(url))));
    let renewing = certificate.clone().map(|it| tokio::spawn(it.keep(Arc::clone(&app), stop.clone())));
    let front = move || certificate.as_ref().map_or(Front::Plain, |it| Front::Encrypted(it.now()));
    serve_browsers(listener, front, gate::console(&app), stop).await;
    if let Some(renewing) = renewing {
        let _ = renewing.await; // a panic was reported where it happened
    }
}

/// The socket, and the certificate where the fleet file names one.
async fn begin(
    app: &App,
    at: SocketAddr,
    said: &Console,
) -> Result<(TcpListener, Option<WebCertificate<Server>>), String> {
    let certificate = match &said.web {
        None => None,
        Some(web) => Some(WebCertificate::read(app, Door::Console, web, front).await?),
    };
    Ok((listen::bind(at).map_err(|e| e.to_string())?, certificate))
}

fn front(identity: Identity) -> Result<Server, String> {
    Server::new(&identity, ClientAuth::None, https::ALPN).map_err(|error| chain(&error))
}
