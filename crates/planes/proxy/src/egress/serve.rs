//! One connection of the program: to the forward proxy, or captured on its way to somewhere else.

use super::body::OutBody;
use super::way::Way;
use super::{captured, connect, forward};
use crate::limits;
use bartizan_core::egress::Refusal;
use bartizan_runtime::listen;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Serves it to its end. Dropping the future cuts it off.
pub(super) async fn serve(way: Rc<Way>, stream: TcpStream) {
    let own = way.ask(|side| Ok(side.proxy)).ok();
    // The forward proxy is dialled on loopback, at its port; everything else was on its way to somewhere else.
    let meant = |at: &SocketAddr| at.ip().is_loopback() && own.is_none_or(|own| own.port() == at.port());
    match listen::original_destination(&stream).filter(|at| !meant(at)) {
        Some(at) => Box::pin(captured::serve(way, stream, at)).await,
        None => Box::pin(http(way, stream, None)).await,
    }
}

/// HTTP/1.1 of the program, each request on its own; `captured` is where it was on its way to.
pub(super) async fn http<S>(way: Rc<Way>, stream: S, captured: Option<SocketAddr>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let way = Rc::clone(&way);
        async move {
            let response = match *request.method() {
                Method::CONNECT if captured.is_none() => Box::pin(connect::tunnel(way, request)).await,
                _ => Box::pin(forward::forward(way, request, captured)).await,
            };
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .max_buf_size(limits::HEAD_BYTES_MAX)
        .max_headers(limits::HEADERS_MAX)
        .header_read_timeout(limits::IDLE_TIME);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = way.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection out of the fleet ended");
    }
}

/// What the program is told: the reason, and not how the rest of the list looks.
pub(super) fn refusal(refusal: Refusal) -> Response<OutBody> {
    let status = match refusal {
        Refusal::NotReady | Refusal::TooMany | Refusal::NoToken => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::BadRequest => StatusCode::BAD_REQUEST,
        Refusal::NoAddress | Refusal::Credential => StatusCode::BAD_GATEWAY,
        _ => StatusCode::FORBIDDEN,
    };
    answer(status, refusal.text(), refusal.as_str())
}

/// An answer of the guard's own.
pub(super) fn answer(status: StatusCode, error: &str, reason: &str) -> Response<OutBody> {
    let body = format!("{}\n", serde_json::json!({ "error": error, "reason": reason }));
    let mut response = Response::new(OutBody::Own(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
