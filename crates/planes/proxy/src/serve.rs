//! HTTP/2 on one accepted connection: hyper's server with our limits, and the end of a connection.

use crate::aside::Aside;
use crate::conn::{Conn, Left};
use crate::forward::{Came, handle};
use crate::framing::Rule;
use crate::gathered::gathered;
use crate::interim::Interims;
use crate::limits;
use crate::message::{Body, Chunk, Fields, RequestHead};
use crate::respond::{self, Download};
use crate::upstream::LocalExec;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Serves HTTP/2 until the client closes, is idle for too long, or `stop` fires or trust is about to run out and the
/// streams under way are through (two GOAWAY frames, RFC 9113 section 6.8); no longer than trust in the connection lasts.
///
/// Dropping the future cuts the connection off.
pub async fn serve_http2<S>(conn: Rc<Conn>, stream: S, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(|request| {
        let conn = Rc::clone(&conn);
        async move { Ok::<_, Infallible>(respond(conn, request).await) }
    });
    let mut builder = http2::Builder::new(LocalExec);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::H2_STREAMS_MAX)
        .max_header_list_size(limits::H2_HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(limits::H2_RESETS_MAX)
        .max_local_error_reset_streams(limits::H2_RESETS_MAX)
        .initial_stream_window_size(limits::H2_WINDOW_BYTES)
        .initial_connection_window_size(4 * limits::H2_WINDOW_BYTES)
        .max_send_buf_size(limits::H2_SEND_BYTES_MAX)
        .keep_alive_interval(limits::H2_PING)
        .keep_alive_timeout(limits::H2_PING);
    let (stream, out) = gathered(stream);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let left = async {
        tokio::select! {
            () = conn.trust.until_over() => Left::AtOnce,
            () = idle_or(stop, &conn) => Left::Soon,
        }
    };
    let served = tokio::select! {
        biased;
        served = out.drive(connection.as_mut()) => served,
        left = Aside::new(left) => {
            if left == Left::AtOnce {
                return;
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = out.drive(connection) => served,
                () = conn.trust.until_over() => return,
            }
        }
    };
    match served {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            if out.is_flooded() || is_breach(&error) {
                respond::report(&conn, Rule::Http2);
            }
            tracing::debug!(%error, "connection ended");
        }
        Err(error) => tracing::debug!(%error, "connection ended"),
    }
}

/// Whether h2 ended the connection because of what the client did: broke the protocol, or did too much of what only costs.
fn is_breach(error: &hyper::Error) -> bool {
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    h2.is_some_and(|error| error.is_go_away() && error.is_library() && error.reason() != Some(h2::Reason::NO_ERROR))
}

/// One request, and its response in hyper's words.
async fn respond(conn: Rc<Conn>, request: Request<Incoming>) -> Response<Download> {
    let (parts, body) = request.into_parts();
    // hyper has no way to send interim responses.
    let came = Came { began: Instant::now(), upgrade: false, interims: Interims::default() };
    let download = match parts.uri.path_and_query() {
        // The filter for the form of a request has the last word about what stands in it.
        Some(target) => {
            let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
            let mut fields = Fields::from_map(&parts.headers);
            fields.join("cookie", b"; "); // HTTP/2 may cut them, and what comes next may be HTTP/1.1 (RFC 9113 section 8.2.3)
            let mut head = RequestHead::new(parts.method, target.as_str().as_bytes(), authority, fields);
            head.http2 = true;
            let mut incoming = Some(body);
            let body = poll_fn(|cx| Poll::Ready(incoming.take().map(|incoming| Body::http2_request(incoming, cx))));
            let body = body.await.unwrap_or_default();
            handle(conn, head, body, came).await
        }
        None => respond::refused(&conn, Rule::Target),
    };
    let mut response = Response::new(());
    *response.status_mut() = download.head.status;
    *response.headers_mut() = download.head.fields.to_map();
    response.map(|()| download)
}

/// A response's body for hyper's HTTP/2.
impl http_body::Body for Download {
    type Data = Bytes;
    type Error = crate::message::Trouble;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.poll_chunk(cx).map(|chunk| chunk.map(|chunk| chunk.map(Chunk::into_frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.length().map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}

/// As [`Conn::late_or`], or when no stream was open for [`limits::IDLE_TIME`].
async fn idle_or(stop: &CancellationToken, conn: &Conn) {
    let idle = async {
        loop {
            let since = if conn.in_flight.get() > 0 { Instant::now() } else { conn.idle_since.get() };
            let until = since + limits::IDLE_TIME;
            if Instant::now() >= until {
                return;
            }
            sleep_until(until).await;
        }
    };
    tokio::select! {
        () = idle => {}
        () = conn.proxy().winding_down.cancelled() => {}
        () = conn.late_or(stop) => {}
    }
}
