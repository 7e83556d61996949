//! A router for clients that speak HTTP/1.1 or HTTP/2, with or without TLS: what is handed in comes both ways.

use super::Shown;
use crate::control_stream::OnFailure;
use crate::limits;
use crate::places::Places;
use crate::tls::{Judge, Server};
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// ALPN of such an end.
pub const EITHER_ALPN: &[&str] = &["h2", "http/1.1"];

/// The TLS end of the moment; `None` where there is none yet.
pub type Ends = Arc<dyn Fn() -> Option<Server> + Send + Sync>;

/// Serves `router` until `stop` fires; then requests under way get [`limits::DRAIN`]. Without `ends` clients speak in plain. A handler takes
/// who they are as `Extension<Shown<P>>`. Bodies are the router's to bound.
///
/// Cancel by `stop`, not by dropping the future: connections already accepted would live on.
pub async fn serve_either<P: Clone + Send + Sync + 'static>(
    listener: TcpListener,
    ends: Option<Ends>,
    judge: Judge<P>,
    on_failure: OnFailure,
    router: Router,
    stop: CancellationToken,
) {
    let each = Places::default();
    let cut_off = CancellationToken::new();
    let (connections, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(limits::SERVICE_CONNECTIONS_MAX)));
    while let Some(slot) = stop.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(crate::listen::accept(&listener)).await else { break };
        let Some((stream, remote)) = accepted else { continue };
        let Some(place) = each.take(remote.ip(), limits::SERVICE_CONNECTIONS_EACH_MAX) else { continue };
        let (ends, judge, on_failure, router) =
            (ends.clone(), Arc::clone(&judge), Arc::clone(&on_failure), router.clone());
        let (stop, cut_off) = (stop.clone(), cut_off.clone());
        connections.spawn(async move {
            let serving = one((stream, remote), ends, judge, on_failure, router, stop);
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
    ends: Option<Ends>,
    judge: Judge<P>,
    on_failure: OnFailure,
    router: Router,
    stop: CancellationToken,
) {
    let Some(ends) = ends else {
        return speak(stream, Shown::<P> { peer: None, remote }, router, stop).await;
    };
    let Some(end) = ends() else { return };
    match end.accept(stream, judge, limits::HANDSHAKE_WITHIN).await {
        Ok(accepted) => speak(accepted.stream, Shown { peer: accepted.peer, remote }, router, stop).await,
        Err(error) => on_failure(remote, error),
    }
}

async fn speak<S, P>(stream: S, shown: Shown<P>, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Clone + Send + Sync + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(shown.clone());
        // A router is always ready.
        router.clone().call(request.map(Body::new))
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::LOCAL_HEAD_WITHIN)
        .max_buf_size(limits::LOCAL_HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::EITHER_STREAMS_MAX)
        .max_header_list_size(limits::LOCAL_HEAD_BYTES_MAX as u32)
        .keep_alive_interval(limits::EXT_AUTHZ_IDLE)
        .keep_alive_timeout(limits::KEEPALIVE_WITHIN);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
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
