//! What a plain connection is about to speak, from bytes that stay in the socket.

use crate::limits;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// What the first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// An HTTP/1.x request line begins.
    Http1,
    /// The HTTP/2 connection preface begins.
    Http2,
    /// Something else, or nothing in time.
    Bytes,
}

/// Bytes looked at: the longest method of the list below with its space.
const LOOK: usize = 10;
/// Methods that begin an HTTP/1.x request on a connection of unknown protocol.
const METHODS: &[&str] = &[
    "GET ",
    "HEAD ",
    "POST ",
    "PUT ",
    "PATCH ",
    "DELETE ",
    "OPTIONS ",
    "PROPFIND ",
    "REPORT ",
    "MKCOL ",
    "COPY ",
    "MOVE ",
];
/// Enough of the HTTP/2 preface to tell it from `PUT` or `PROPFIND` (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI ";

/// For a listener whose protocol is HTTP: which version. Waits for `patience` until something comes.
///
/// # Errors
/// `TimedOut` where nothing comes in time, `UnexpectedEof` where the connection ends first.
pub async fn http_version(stream: &TcpStream, patience: Duration) -> io::Result<Speaks> {
    let judge = |bytes: &[u8]| {
        let n = bytes.len().min(PREFACE.len());
        if bytes[..n] != PREFACE[..n] { Some(Speaks::Http1) } else { (n == PREFACE.len()).then_some(Speaks::Http2) }
    };
    match look(stream, patience, judge).await? {
        Some(speaks) => Ok(speaks),
        None => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing that tells the version of HTTP was sent")),
    }
}

/// For a listener of unknown protocol: what the client begins with, or bytes where it waits for the server to speak.
///
/// # Errors
/// Where the connection breaks or ends first.
pub async fn anything(stream: &TcpStream) -> io::Result<Speaks> {
    Ok(look(stream, limits::SNIFF_TIME, judge).await?.unwrap_or(Speaks::Bytes))
}

/// As [`anything`] where the server is known to speak first: what is there already may tell otherwise, and nothing is waited for.
///
/// # Errors
/// Where the connection breaks or ends first.
pub async fn at_once(stream: &TcpStream) -> io::Result<Speaks> {
    Ok(look(stream, Duration::ZERO, judge).await?.unwrap_or(Speaks::Bytes))
}

/// What the bytes tell that are there; `None` where there are none, or too few.
///
/// # Errors
/// Where the connection breaks or ended.
pub async fn already(stream: &TcpStream) -> io::Result<Option<Speaks>> {
    let mut bytes = [0; LOOK];
    match timeout(Duration::ZERO, stream.peek(&mut bytes)).await {
        Err(_) => Ok(None),
        Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(n) => Ok(judge(&bytes[..n?])),
    }
}

/// `None` while more bytes could still tell.
fn judge(bytes: &[u8]) -> Option<Speaks> {
    let begins = |word: &[u8]| {
        let n = bytes.len().min(word.len());
        (bytes[..n] == word[..n]).then_some(n == word.len())
    };
    match begins(PREFACE) {
        Some(true) => return Some(Speaks::Http2),
        Some(false) => return None,
        None => {}
    }
    let mut open = false;
    for method in METHODS {
        match begins(method.as_bytes()) {
            Some(true) => return Some(Speaks::Http1),
            Some(false) => open = true,
            None => {}
        }
    }
    (!open).then_some(Speaks::Bytes)
}

/// Waits for `patience` until something comes, then for [`limits::SNIFF_TIME`] until `judge` can tell.
async fn look(
    stream: &TcpStream,
    patience: Duration,
    judge: impl Fn(&[u8]) -> Option<Speaks>,
) -> io::Result<Option<Speaks>> {
    let mut bytes = [0; LOOK];
    let Ok(n) = timeout(patience, stream.peek(&mut bytes)).await else { return Ok(None) };
    let (mut n, since) = (n?, Instant::now());
    loop {
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(speaks) = judge(&bytes[..n]) {
            return Ok(Some(speaks));
        }
        if since.elapsed() >= limits::SNIFF_TIME {
            return Ok(None);
        }
        // The same bytes stay readable, so readiness cannot tell when there are more.
        tokio::time::sleep(limits::SNIFF_PAUSE).await;
        n = stream.peek(&mut bytes).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_protocols_apart_by_their_first_bytes() {
        for (bytes, speaks) in [
            (&b"GET / HTTP/1.1"[..10], Some(Speaks::Http1)),
            (b"PRI * HTTP", Some(Speaks::Http2)),
            (b"P", None),
            (b"PR", None),
            (b"PRI", None),
            (b"PROP", None),
            (b"PROPFIND /", Some(Speaks::Http1)),
            (b"PROXY TCP4", Some(Speaks::Bytes)),
            (b"GETX", Some(Speaks::Bytes)),
            (b"\x00\x00\x00\x08\x04\xd2", Some(Speaks::Bytes)),
            (b"\x16\x03\x01", Some(Speaks::Bytes)),
        ] {
            assert_eq!(judge(bytes), speaks, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
