//! A router over plain HTTP/1.1, for programs of this machine: connections, heads and idle time are bounded, bodies are the router's to
//! bound.

use crate::limits;
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

/// Serves `router` until `stop` fires; then connections end.
///
/// Cancel by `stop`, not by dropping the future: connections already accepted would live on.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let (connections, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(limits::DOCUMENT_CONNECTIONS_MAX)));
    while let Some(slot) = stop.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            let _ = stop.run_until_cancelled(one(stream, router)).await; // how a connection ends is the client's business
            drop(slot);
        });
    }
    connections.close();
    connections.wait().await;
}

async fn one(stream: TcpStream, router: Router) {
    let service = service_fn(move |request: Request<Incoming>| router.clone().call(request.map(Body::new)));
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::LOCAL_HEAD_WITHIN)
        .max_buf_size(limits::LOCAL_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
