//! Connections that the program opened to somewhere, and that were led here instead: the guard knows the address, and has to find
//! out the name. What it finds must be one that the address was given out for.

use super::connect::pass;
use super::dial::dial;
use super::hello::{self, Hello};
use super::judge::{Asked, Leave, judge};
use super::serve::http;
use super::trip::Trip;
use super::way::Way;
use crate::limits;
use bartizan_core::egress::Outside;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Serves a connection that was on its way to `at`. Dropping the future cuts it off.
pub(super) async fn serve(way: Rc<Way>, stream: TcpStream, at: SocketAddr) {
    let asked = Asked::Address(at.ip());
    // Where a rule names the address, nothing has to come first: the server may be the one to speak.
    if let Ok(leave) = judge(&way, &asked, at.port(), &[Outside::Tcp], None).await
        && leave.rule.is_some()
    {
        let trip = Trip::to(&way, Some(asked.clone()), at.port(), "tcp");
        return Box::pin(bytes(way, trip, stream, asked, leave)).await;
    }
    // Who goes to an address that belongs to no name is refused whatever comes; a moment is for the name that may be in it.
    let known = way.answers.borrow().is_of_some_name(at.ip(), Instant::now());
    let learning = way.ask(|side| Ok(side.rules.learn)).unwrap_or(false);
    let patience = match known {
        true => limits::HEAD_TIME,
        false if learning => limits::SNIFF_TIME,
        false => limits::EGRESS_UNKNOWN_TIME,
    };
    match first_byte(&stream, patience).await {
        Some(22) => Box::pin(tls(way, stream, at)).await,
        Some(byte) if byte.is_ascii_uppercase() => Box::pin(http(way, stream, Some(at))).await,
        _ => {
            let trip = Trip::to(&way, Some(asked.clone()), at.port(), "tcp");
            match judge(&way, &asked, at.port(), &[Outside::Tcp], None).await {
                Ok(leave) => Box::pin(bytes(way, trip, stream, asked, leave)).await,
                Err(why) => trip.refused(why, None),
            }
        }
    }
}

async fn first_byte(stream: &TcpStream, patience: Duration) -> Option<u8> {
    let mut byte = [0];
    match timeout(patience, stream.peek(&mut byte)).await {
        Ok(Ok(1)) => Some(byte[0]),
        _ => None,
    }
}

async fn bytes(way: Rc<Way>, trip: Trip, stream: TcpStream, asked: Asked, leave: Leave) {
    match dial(&leave.to).await {
        Ok((upstream, at)) => Box::pin(pass(way, trip, stream, upstream, at, asked, leave)).await,
        Err(error) => trip.failed(&error.to_string()),
    }
}

async fn tls(way: Rc<Way>, mut stream: TcpStream, at: SocketAddr) {
    let trip = Trip::to(&way, Some(Asked::Address(at.ip())), at.port(), "https");
    let Hello { bytes, name } = match hello::read(&mut stream, Vec::new()).await {
        Ok(hello) => hello,
        Err(why) => return trip.refused(why, None),
    };
    let asked = Asked::Name(name);
    let trip = trip.found_to_be_for(asked.clone());
    match Box::pin(judge(&way, &asked, at.port(), &[Outside::Https], Some(at.ip()))).await {
        // The same bytes again, for the same look at them.
        Ok(leave) => match dial(&leave.to).await {
            Ok((upstream, at)) => {
                let stream = Again { bytes, read: 0, stream };
                Box::pin(pass(way, trip, stream, upstream, at, asked, leave)).await;
            }
            Err(error) => trip.failed(&error.to_string()),
        },
        Err(why) => {
            hello::refuse(&mut stream).await;
            trip.refused(why, Some(&format!("on its way to {at}")));
        }
    }
}

/// A stream whose first bytes were read already.
struct Again {
    bytes: Vec<u8>,
    read: usize,
    stream: TcpStream,
}

impl AsyncRead for Again {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if self.read < self.bytes.len() {
            let n = out.remaining().min(self.bytes.len() - self.read);
            out.put_slice(&self.bytes[self.read..self.read + n]);
            self.read += n;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl AsyncWrite for Again {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
