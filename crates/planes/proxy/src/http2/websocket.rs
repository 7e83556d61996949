//! WebSocket on a stream of HTTP/2 (RFC 8441): the client asks with an extended CONNECT, the program as HTTP/1.1 has it.

use super::send::said;
use crate::conn::Conn;
use crate::message::Fields;
use crate::respond::{Download, Switched};
use crate::switched;
use bartizan_crypto::{base64, random};
use bytes::{Buf, Bytes};
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::request::Parts;
use http::{Method, StatusCode};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Most that is written at once, in bytes: other streams of the connection want room too.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Whether a request asks for it. Other protocols stay what they are, a CONNECT.
pub(super) fn is_asked(parts: &Parts) -> bool {
    let protocol = parts.extensions.get::<Protocol>();
    parts.method == Method::CONNECT && protocol.is_some_and(|protocol| protocol.as_str() == "websocket")
}

/// What programs are asked by (RFC 6455 section 4.1), beside `Upgrade`, which each hop sets. On HTTP/2 there is no key, so it is
/// ours; programs want one. What they make of it is not looked at: who answers 101 to `Upgrade: websocket` means it.
pub(super) fn as_http1(fields: &mut Fields) -> Method {
    fields.set("sec-websocket-key", base64::encode(&random::bytes::<16>()).as_bytes());
    Method::GET
}

/// Says that the program agreed, and passes bytes both ways until either end is through.
pub(super) async fn pass(
    conn: &Rc<Conn>,
    reply: &RefCell<SendResponse<Bytes>>,
    inflow: RecvStream,
    download: Download,
    switched: Switched,
) {
    let mut head = said(&download.head);
    *head.status_mut() = StatusCode::OK;
    [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT, CONTENT_LENGTH]
        .into_iter()
        .for_each(|name| drop(head.headers_mut().remove(name)));
    let sent = reply.borrow_mut().send_response(head, false);
    drop(download); // the record of the request ends with its head
    let outflow = match sent {
        Ok(outflow) => Rc::new(RefCell::new(outflow)),
        Err(error) => return tracing::debug!(%error, "the protocol switch was not completed"),
    };
    let _busy = Busy::on(conn);
    // Bytes alone do not tell of a reset where the client is through and the program says nothing.
    let ends = Rc::clone(&outflow);
    let given_up = async move { drop(poll_fn(|cx| ends.borrow_mut().poll_reset(cx)).await) };
    switched::pass(conn, Tunnel { inflow, outflow, read: Bytes::new() }, switched, given_up).await;
}

/// Keeps a connection from being taken for idle.
struct Busy<'a>(&'a Conn);

impl<'a> Busy<'a> {
    fn on(conn: &'a Conn) -> Self {
        conn.in_flight.set(conn.in_flight.get() + 1);
        Self(conn)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get().saturating_sub(1));
        self.0.idle_since.set(Instant::now());
    }
}

/// A stream, both ways, as bytes. Dropped before its end, it is reset.
struct Tunnel {
    inflow: RecvStream,
    outflow: Rc<RefCell<SendStream<Bytes>>>,
    /// Came, and was not read.
    read: Bytes,
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.read.is_empty() {
            match ready!(self.inflow.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(data) => self.read = data.map_err(io::Error::other)?,
            }
        }
        let n = self.read.len().min(out.remaining());
        out.put_slice(&self.read[..n]);
        self.read.advance(n);
        // The client may send as much again. Fails only on a stream that is over.
        let _ = self.inflow.flow_control().release_capacity(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (mut outflow, wanted) = (self.outflow.borrow_mut(), bytes.len().min(WRITE_BYTES_MAX));
        outflow.reserve_capacity(wanted);
        while outflow.capacity() == 0 && wanted > 0 {
            match ready!(outflow.poll_capacity(cx)) {
                Some(room) => room.map_err(io::Error::other)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        let n = wanted.min(outflow.capacity());
        outflow.send_data(Bytes::copy_from_slice(&bytes[..n]), false).map_err(io::Error::other)?;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // what was given to the connection is written by it
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.outflow.borrow_mut().send_data(Bytes::new(), true).map_err(io::Error::other))
    }
}
