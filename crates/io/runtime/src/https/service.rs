//! A router behind TLS, where clients may show a certificate: every request comes with who its client proved to be.

use crate::control_stream::OnFailure;
use crate::limits;
use crate::places::Places;
use crate::tls::{Judge, Server};
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// Who is at the other end of a request's connection. A handler takes it as `Extension<Shown<P>>`.
#[derive(Clone, Debug)]
pub struct Shown<P> {
    /// What the judge made of its certificate; `None` where it showed none.
    pub peer: Option<P>,
    /// Its address.
    pub remote: SocketAddr,
}

/// Serves `router` until `stop` fires; then requests under way get [`limits::DRAIN`]. `ends` gives the TLS end of the moment;
/// a connection for which there is none is closed. Bodies are the router's to bound.
///
/// Cancel by `stop`, not by dropping the future: connections already accepted would live on.
pub async fn serve_router<P: Clone + Send + Sync + 'static>(
    listener: TcpListener,
    ends: impl Fn() -> Option<Server> + Send + Sync + 'static,
    judge: Judge<P>,
    on_failure: OnFailure,
    router: Router,
    stop: CancellationToken,
) {
    let each = Places::default();
    let cut_off = CancellationToken::new();
    let (connections, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(limits::SERVICE_CONNECTIONS_MAX)));
    while let Some(slot) = stop.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept on an HTTPS port failed, pausing");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = each.take(remote.ip(), limits::SERVICE_CONNECTIONS_EACH_MAX);
        let (Some(place), Some(end)) = (place, ends()) else { continue };
        let (judge, on_failure, router) = (Arc::clone(&judge), Arc::clone(&on_failure), router.clone());
        let (stop, cut_off) = (stop.clone(), cut_off.clone());
        connections.spawn(async move {
            let serving = one((stream, remote), end, judge, on_failure, router, stop);
            cut_off.run_until_cancelled(serving).await;
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

async fn one<P: Clone + Send + Sync + 'static>(
    (stream, remote): (TcpStream, SocketAddr),
    end: Server,
    judge: Judge<P>,
    on_failure: OnFailure,
    router: Router,
    stop: CancellationToken,
) {
    let accepted = match end.accept(stream, judge, limits::HANDSHAKE_WITHIN).await {
        Ok(accepted) => accepted,
        Err(error) => return on_failure(remote, error),
    };
    let shown = Shown { peer: accepted.peer, remote };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(shown.clone());
        // A router is always ready.
        router.clone().call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::LOCAL_HEAD_WITHIN)
        .max_buf_size(limits::LOCAL_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(accepted.stream), service);
    let mut connection = pin!(connection);
    let life = tokio::time::sleep(limits::SERVICE_CONNECTION_LIFE);
    // How a client's connection ends is the client's business.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = async { tokio::select! { () = stop.cancelled() => {}, () = life => {} } } => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(limits::DOCUMENT_WITHIN, connection).await;
        }
    }
}
