//! Callers without mutual TLS, where a service still takes them (`mtls: permissive`).
//!
//! Nobody knows who they are: policies know them as `unauthenticated`, programs get no caller's identity, and each call is
//! counted by the address that it came from. Once the service is strict, what is open ends after the answer under way.

use crate::conn::{About, Carrier, Conn, Fresh, Side, Worker};
use crate::http1::{self, Stream};
use crate::http2::serve_http2;
use crate::limits;
use crate::live::Live;
use crate::sniff::{self, Speaks};
use crate::tcp;
use bartizan_core::edge::Mtls;
use bartizan_core::fleet::Protocol;
use bartizan_runtime::clock;
use std::io;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// First byte of every TLS connection: a handshake record (RFC 8446 section 5.1). No text protocol begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// Whether the own service still takes them.
pub fn is_taken(live: &Live) -> bool {
    let inbound = live.directory.as_ref().and_then(|directory| directory.own.inbound.as_ref());
    inbound.is_some_and(|inbound| inbound.mtls == Mtls::Permissive)
}

/// Whether the client begins with TLS. One that is silent for [`limits::PLAINTEXT_SILENCE`] waits for its server to speak,
/// which no TLS client does.
///
/// # Errors
/// Where the connection breaks or ends first.
pub async fn begins_with_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let Ok(read) = timeout(limits::PLAINTEXT_SILENCE, stream.peek(&mut first)).await else { return Ok(false) };
    if read? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(first[0] == TLS_HANDSHAKE) }
}

/// Serves one connection to its end. Dropping the future cuts it off.
pub async fn serve(fresh: Fresh) {
    let Fresh { worker, stream, remote, slot, stop } = fresh;
    let stop = until_strict(&worker, &stop);
    let protocol = {
        let live = worker.proxy.live();
        live.directory.as_ref().and_then(|directory| Some(directory.own.inbound.as_ref()?.protocol))
    };
    let speaks = match protocol {
        Some(Protocol::Tcp) => Ok(Speaks::Bytes),
        Some(Protocol::Auto) => sniff::anything(&stream).await,
        Some(Protocol::Http | Protocol::Grpc) | None => tokio::select! {
            speaks = sniff::http_version(&stream, limits::IDLE_TIME) => speaks,
            () = stop.cancelled() => return,
        },
    };
    let trust = worker.ledger.register_plain(&Side::Inbound);
    let about = About { worker, remote, slot };
    match speaks {
        Ok(Speaks::Http1) => {
            let conn = Conn::new(about, Side::Inbound, None, trust, Carrier::Http1);
            Box::pin(http1::serve(conn, Stream::Plain(stream), &stop)).await;
        }
        Ok(Speaks::Http2) => {
            let conn = Conn::new(about, Side::Inbound, None, trust, Carrier::Http2);
            Box::pin(serve_http2(conn, stream, &stop)).await;
        }
        Ok(Speaks::Bytes) => Box::pin(tcp::inbound_plain(about, stream, trust, &stop)).await,
        Err(error) => tracing::debug!(%error, "nothing came on a connection"),
    }
}

/// Notes that a call came without mutual TLS.
pub fn count(worker: &Worker, remote: std::net::SocketAddr) {
    worker.counters.plaintext(remote.ip(), clock::now());
}

/// Fires with `stop`, and when the service is strict.
fn until_strict(worker: &Rc<Worker>, stop: &CancellationToken) -> CancellationToken {
    let (token, mut changes, proxy) = (stop.child_token(), worker.proxy.changes(), worker.proxy.clone());
    let fires = token.clone();
    tokio::task::spawn_local(async move {
        let watching = async { while is_taken(&proxy.live()) && changes.changed().await.is_ok() {} };
        if fires.run_until_cancelled(watching).await.is_some() {
            fires.cancel();
        }
    });
    token
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn the_first_byte_tells() {
        for (bytes, tls) in [(&b"\x16\x03\x01"[..], Some(true)), (b"GET /", Some(false)), (b"", None)] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            client.write_all(bytes).await.unwrap();
            if bytes.is_empty() {
                drop(client);
            }
            assert_eq!(begins_with_tls(&stream).await.ok(), tls, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn who_says_nothing_waits_for_the_server() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(!begins_with_tls(&stream).await.unwrap());
    }
}
