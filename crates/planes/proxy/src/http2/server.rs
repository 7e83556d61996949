//! One accepted connection of HTTP/2: h2's server with our limits, a task for each request, and the end of the connection.

use super::ahead::Ahead;
use super::inflow::Inflow;
use super::pings::Pings;
use super::send::{Outflow, said};
use super::websocket;
use crate::aside::Aside;
use crate::conn::Conn;
use crate::forward::{Came, handle};
use crate::framing::Rule;
use crate::gathered::{Gathered, gathered};
use crate::interim::Interims;
use crate::limits;
use crate::message::{Body, Fields, RequestHead};
use crate::respond::{self, Download};
use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, DATE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;
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
    let (stream, out) = gathered(stream);
    let serving = pin!(serve(&conn, stream, stop));
    let over = Aside::new(conn.trust.until_over());
    let served = tokio::select! {
        biased;
        served = out.drive(serving) => served,
        () = over => return,
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
fn is_breach(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_library() && error.reason() != Some(Reason::NO_ERROR)
}

async fn serve<S>(conn: &Rc<Conn>, stream: Gathered<S>, stop: &CancellationToken) -> Result<(), h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut leaving = pin!(Aside::new(idle_or(stop, conn)));
    let builder = builder();
    let mut connection = tokio::select! {
        connection = builder.handshake::<_, Bytes>(stream) => connection?,
        () = leaving.as_mut() => return Ok(()), // it has said nothing yet
    };
    let mut pings = connection.ping_pong().map(|by| Pings::new(by, conn.worker.alarms.alarm()));
    let mut is_leaving = false;
    poll_fn(|cx| {
        if !is_leaving && leaving.as_mut().poll(cx).is_ready() {
            is_leaving = true;
            connection.graceful_shutdown();
        }
        if pings.as_mut().is_some_and(|pings| pings.poll(cx).is_ready()) {
            tracing::debug!("the client does not answer");
            pings = None;
            connection.abrupt_shutdown(Reason::NO_ERROR);
        }
        poll_requests(conn, &mut connection, cx)
    })
    .await
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits::H2_STREAMS_MAX)
        .max_header_list_size(limits::H2_HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(limits::H2_RESETS_MAX)
        .max_local_error_reset_streams(Some(limits::H2_RESETS_MAX))
        .initial_window_size(limits::H2_WINDOW_BYTES)
        .initial_connection_window_size(4 * limits::H2_WINDOW_BYTES)
        .max_send_buffer_size(limits::H2_SEND_BYTES_MAX)
        .enable_connect_protocol();
    builder
}

/// Begins with each request that came, until nothing comes any more and all is answered.
fn poll_requests<S>(
    conn: &Rc<Conn>,
    connection: &mut Connection<Gathered<S>, Bytes>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), h2::Error>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(came) = ready!(connection.poll_accept(cx)) {
        let (request, reply) = came?;
        tokio::task::spawn_local(answer(Rc::clone(conn), request, reply));
    }
    Poll::Ready(Ok(()))
}

/// Handles a request and answers it, unless the client gives it up.
async fn answer(conn: Rc<Conn>, request: Request<RecvStream>, reply: SendResponse<Bytes>) {
    let is_head = request.method() == Method::HEAD;
    let reply = Rc::new(RefCell::new(reply));
    let (parts, stream) = request.into_parts();
    // Of a WebSocket the stream is no body: it is what comes once the program agreed.
    let (body, tunnel) = if websocket::is_asked(&parts) { (None, Some(stream)) } else { (Some(stream), None) };
    let mut judging = pin!(judge(Rc::clone(&conn), parts, body, Interims::to_http2(Ahead::new(&reply))));
    let download = poll_fn(|cx| match judging.as_mut().poll(cx) {
        Poll::Ready(download) => Poll::Ready(Some(download)),
        Poll::Pending => reply.borrow_mut().poll_reset(cx).map(|_| None),
    });
    let Some(mut download) = download.await else { return };
    match (download.switched.take(), tunnel) {
        (Some(switched), Some(stream)) => return websocket::pass(&conn, &reply, stream, download, *switched).await,
        // The client would take it for an agreement, whoever said it.
        (None, Some(_)) if download.head.status.is_success() => return reply.borrow_mut().send_reset(Reason::CANCEL),
        _ => {}
    }
    let begun = begin(&mut reply.borrow_mut(), &download, is_head);
    match begun {
        Ok(None) => while poll_fn(|cx| download.poll_chunk(cx)).await.is_some_and(|chunk| chunk.is_ok()) {},
        Ok(Some(mut outflow)) => {
            if let Err(error) = poll_fn(|cx| outflow.poll(&mut download, cx)).await {
                tracing::debug!(%error, "a response was not sent to its end");
            }
        }
        Err(error) => tracing::debug!(%error, "a response could not be sent"),
    }
}

/// What comes of a request; one without a body of its own asks for WebSocket.
async fn judge(conn: Rc<Conn>, mut parts: Parts, stream: Option<RecvStream>, interims: Interims) -> Download {
    let came = Came { began: Instant::now(), upgrade: stream.is_none(), interims };
    // The filter for the form of a request has the last word about what stands in it.
    let Some(target) = parts.uri.path_and_query() else { return respond::refused(&conn, Rule::Target) };
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut fields = Fields::from_map(&parts.headers);
    fields.join("cookie", b"; "); // HTTP/2 may cut them, and what comes next may be HTTP/1.1 (RFC 9113 section 8.2.3)
    if came.upgrade {
        parts.method = websocket::as_http1(&mut fields);
    }
    let length = fields.only("content-length").and_then(|length| length.parse().ok());
    let mut head = RequestHead::new(parts.method, target.as_str().as_bytes(), authority, fields);
    head.http2 = true;
    let mut inflow = stream.map(|stream| Inflow::new(stream, length));
    let body = poll_fn(|cx| Poll::Ready(inflow.take().map(|inflow| Body::http2_request(inflow, cx)))).await;
    handle(conn, head, body.unwrap_or_default(), came).await
}

/// Sends the head of a response. `None` where nothing of its body is to be sent.
fn begin(reply: &mut SendResponse<Bytes>, download: &Download, is_head: bool) -> Result<Option<Outflow>, h2::Error> {
    let mut head = said(&download.head);
    let is_silent = is_head || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status());
    let is_over = is_silent || download.is_over();
    let fields = head.headers_mut();
    if let Some(length) = download.length().filter(|_| !is_over) {
        fields.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    if !fields.contains_key(DATE)
        && let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::now()))
    {
        fields.insert(DATE, date);
    }
    match reply.send_response(head, is_over) {
        Ok(stream) => Ok((!is_over).then(|| Outflow::new(stream))),
        Err(error) => {
            reply.send_reset(Reason::INTERNAL_ERROR);
            Err(error)
        }
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
