//! Envoy's external authorization on one accepted connection: gRPC over HTTP/2, and the plain HTTP flavour over HTTP/1.1 and
//! HTTP/2. What is answered is the caller's matter.

use crate::ext_authz_v3::authorization_server::{Authorization, AuthorizationServer};
use crate::ext_authz_v3::{CheckRequest, CheckResponse};
use crate::limits;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Status, async_trait};
use tower_service::Service;

/// Who answers. Called on the serving task: return quickly.
pub trait Desk: Clone + Send + Sync + 'static {
    /// Answers a question that came over gRPC. Whatever is wrong with it is a denial.
    fn check(&self, question: CheckRequest) -> CheckResponse;

    /// Answers a question that came as the request itself, without its body: status 200 lets it in, any other denies it and
    /// becomes the answer to the client.
    fn check_head(&self, head: &Parts) -> Response<String>;
}

/// Serves one connection until the other end closes it; after `stop` fires, until what is under way is answered.
///
/// Dropping the future closes the connection.
pub async fn serve<S, D>(stream: S, desk: D, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    D: Desk,
{
    let service = service_fn(move |request| answer(desk.clone(), request));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::EXT_AUTHZ_IDLE)
        .max_buf_size(limits::EXT_AUTHZ_HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::EXT_AUTHZ_STREAMS_MAX)
        .max_header_list_size(limits::EXT_AUTHZ_HEADER_BYTES_MAX)
        .keep_alive_interval(limits::EXT_AUTHZ_IDLE)
        .keep_alive_timeout(limits::KEEPALIVE_WITHIN);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(error, "a connection for external authorization ended");
    }
}

async fn answer<D: Desk>(desk: D, request: Request<Incoming>) -> Result<Response<Body>, std::convert::Infallible> {
    let kind = request.headers().get("content-type").map(|value| value.as_bytes());
    if kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) && request.version() == hyper::Version::HTTP_2 {
        let server = AuthorizationServer::new(Grpc(desk));
        return server.max_decoding_message_size(limits::EXT_AUTHZ_BYTES_MAX).call(request).await;
    }
    let (head, _) = request.into_parts();
    Ok(desk.check_head(&head).map(|text| Body::new(Full::new(Bytes::from(text)))))
}

struct Grpc<D>(D);

#[async_trait]
impl<D: Desk> Authorization for Grpc<D> {
    async fn check(&self, request: tonic::Request<CheckRequest>) -> Result<tonic::Response<CheckResponse>, Status> {
        Ok(tonic::Response::new(self.0.check(request.into_inner())))
    }
}
