//! Reads the first message of TLS off a connection and looks at the name in it.

use super::client_hello::{self, Verdict};
use crate::limits;
use bartizan_core::egress::{HostName, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

/// A fatal alert `access_denied` (RFC 8446 section 6), so that a client is told in words of its own.
const ACCESS_DENIED: &[u8] = &[21, 3, 3, 0, 2, 2, 49];
/// Bytes read at once.
const PIECE: usize = 4 << 10;

/// What the client began with: the bytes, which nobody outside has seen yet, and the name in them.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) bytes: Vec<u8>,
    pub(super) name: HostName,
}

/// Reads until the whole message is there; `bytes` came already.
///
/// # Errors
/// The refusal, of which the client was told.
pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, bytes: Vec<u8>) -> Result<Hello, Refusal> {
    let outcome = collect(stream, bytes).await;
    if outcome.is_err() {
        refuse(stream).await;
    }
    outcome
}

async fn collect<S: AsyncRead + Unpin>(stream: &mut S, mut bytes: Vec<u8>) -> Result<Hello, Refusal> {
    let until = Instant::now() + limits::HANDSHAKE_TIME;
    // Records have heads: what the reader bounds is the message, and many short records are more than that.
    while bytes.len() <= 2 * limits::CLIENT_HELLO_BYTES_MAX {
        match client_hello::read(&bytes) {
            Verdict::More => {}
            Verdict::Hello(name) => return Ok(Hello { bytes, name }),
            Verdict::Refused(refusal) => return Err(refusal),
        }
        bytes.reserve(PIECE);
        match timeout_at(until, stream.read_buf(&mut bytes)).await {
            Err(_) => return Err(Refusal::Slow),
            Ok(Ok(0) | Err(_)) => return Err(Refusal::NotTls),
            Ok(Ok(_)) => {}
        }
    }
    Err(Refusal::BadHello)
}

/// Tells a client in the words of TLS, and closes.
pub(super) async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S) {
    // Who does not listen is closed all the same.
    let _ = stream.write_all(ACCESS_DENIED).await;
    let _ = stream.shutdown().await;
}
