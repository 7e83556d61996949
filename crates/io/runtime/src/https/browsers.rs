//! A router for browsers, encrypted or (on loopback) not: every request comes with who is at the other end of its connection.

use crate::limits;
use crate::listen;
use crate::places::Places;
use crate::tls::{Judge, Server};
use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use http_body_util::Limited;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// A connection as its requests know it. A handler takes it as `Extension<Visitor>`.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// Its other end.
    pub remote: SocketAddr,
    /// Our own.
    pub local: SocketAddr,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// What a connection begins with.
#[derive(Clone)]
pub enum Front {
    /// Nothing: HTTP at once.
    Plain,
    /// A handshake in which no certificate is asked for.
    Encrypted(Arc<Server>),
}

/// Serves `router` until `stop` fires; then requests under way get [`limits::DRAIN`], and what is left is closed. `front` gives what
/// the next connection begins with.
///
/// Heads, bodies and connections are bounded here; how long an answer takes is the router's to bound, since some never end.
///
/// Cancel by `stop`, not by dropping the future: connections already accepted would live on.
pub async fn serve_browsers(
    listener: TcpListener,
    front: impl Fn() -> Front + Send + Sync + 'static,
    router: Router,
    stop: CancellationToken,
) {
    let router = router.layer(DefaultBodyLimit::max(limits::BROWSER_BODY_BYTES_MAX));
    let each = Places::default();
    let cut_off = CancellationToken::new();
    let (connections, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(limits::BROWSER_CONNECTIONS_MAX)));
    while let Some(slot) = stop.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listen::try_accept(&listener)).await else { break };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept on the port for browsers failed, pausing");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = each.take(remote.ip(), limits::BROWSER_CONNECTIONS_EACH_MAX);
        let (Some(place), Ok(local)) = (place, stream.local_addr()) else { continue };
        let (front, router) = (front(), router.clone());
        let (stop, cut_off) = (stop.clone(), cut_off.clone());
        connections.spawn(async move {
            cut_off.run_until_cancelled(begin(stream, (remote, local), front, router, stop)).await;
            drop((slot, place));
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits::DRAIN, connections.wait()).await.is_err() {
        cut_off.cancel();
        connections.wait().await;
    }
}

async fn begin(
    stream: TcpStream,
    (remote, local): (SocketAddr, SocketAddr),
    front: Front,
    router: Router,
    stop: CancellationToken,
) {
    match front {
        Front::Plain => serve(stream, Visitor { remote, local, encrypted: false }, router, stop).await,
        Front::Encrypted(end) => {
            let nobody: Judge<()> = Arc::new(|_| Ok(()));
            match end.accept(stream, nobody, limits::HANDSHAKE_WITHIN).await {
                Ok(accepted) => serve(accepted.stream, Visitor { remote, local, encrypted: true }, router, stop).await,
                // Most are browsers that do not trust the certificate yet.
                Err(error) => tracing::debug!(failure = error.failure.as_str(), detail = error.detail, "no handshake"),
            }
        }
    }
}

async fn serve<S>(stream: S, visitor: Visitor, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(visitor);
        let request = request.map(|body| Body::new(Limited::new(body, limits::BROWSER_BODY_BYTES_MAX)));
        // A router is always ready.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::LOCAL_HEAD_WITHIN)
        .max_buf_size(limits::LOCAL_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // How a browser's connection ends is the browser's business.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
