//! HTTP on one accepted connection: hyper's servers with our limits, and the end of a connection.

use crate::conn::Conn;
use crate::forward::handle;
use crate::framing::Rule;
use crate::limits;
use crate::strict_io::{Note, StrictIo};
use crate::upstream::LocalExec;
use bartizan_core::event::{Refused, What};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Room in hyper's buffer beside the longest head that the framing guard lets through, in bytes.
const BESIDE_HEAD: usize = 16 << 10;

/// Serves HTTP/1.1 until the client closes, breaks a rule, or `stop` fires or trust is about to run out and the request
/// under way is answered; no longer than trust in the connection lasts.
///
/// Dropping the future cuts the connection off.
pub async fn serve_http1<S>(conn: Rc<Conn>, stream: S, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(notes) = conn.notes.clone() else { return };
    let service = service_fn(|request| {
        // Taken now, not when the future is first polled: by then the guard may have read on.
        // hyper reads nothing but what the guard gave it; were a request ever without a note, it was not judged.
        let note = notes.next().unwrap_or_else(|| Note { at: Instant::now(), head: Err(Rule::Parser) });
        let conn = Rc::clone(&conn);
        async move { Ok::<_, Infallible>(handle(conn, request, Some(note)).await) }
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits::HEAD_BYTES_MAX + BESIDE_HEAD).header_read_timeout(None); // the guard has deadlines of its own
    let io = TokioIo::new(StrictIo::new(stream, notes.clone()));
    let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = conn.trust.until_over() => return,
        () = late_or(stop, &conn) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection => served,
                () = conn.trust.until_over() => return,
            }
        }
    };
    if let Some(rule) = notes.broken() {
        report(&conn, rule);
    } else if let Err(error) = served {
        if error.is_parse() {
            report(&conn, Rule::Parser);
        }
        tracing::debug!(%error, "connection ended");
    }
}

/// Input that broke a rule where no answer was possible any more.
fn report(conn: &Conn, rule: Rule) {
    conn.worker.counters.refused();
    let peer = conn.caller.as_ref().map(|c| c.peer.id().clone());
    let refused = Refused { peer, remote: Some(conn.remote), rule: rule.word().into(), status: 0 };
    conn.proxy().events.offer(conn.side.seen_by(), None, What::Refused(refused));
}

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
        async move { Ok::<_, Infallible>(handle(conn, request, None).await) }
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
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = conn.trust.until_over() => return,
        () = idle_or(stop, &conn) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection => served,
                () = conn.trust.until_over() => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

/// Ends when `stop` fires or the connection had better end by itself, since trust in it soon does.
async fn late_or(stop: &CancellationToken, conn: &Conn) {
    tokio::select! {
        () = conn.trust.until_late() => {}
        () = stop.cancelled() => {}
    }
}

/// As [`late_or`], or when no stream was open for [`limits::IDLE_TIME`].
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
        () = late_or(stop, conn) => {}
    }
}
