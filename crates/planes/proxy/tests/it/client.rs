//! Clients: raw bytes, so that nothing is made right on the way, and TLS with any certificate.

use crate::world::{PATIENCE, World};
use bartizan_runtime::tls::{Client, ClientStream, Identity};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A request that asks for the connection to be closed afterwards.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n")
}

/// A plain connection.
pub async fn plain(addr: SocketAddr) -> TcpStream {
    timeout(PATIENCE, TcpStream::connect(addr)).await.unwrap().unwrap()
}

/// A TLS connection that takes any server; `Err` where the handshake failed.
pub async fn tls(
    addr: SocketAddr,
    identity: Option<&Identity>,
    alpn: &[&str],
) -> Result<ClientStream<TcpStream>, String> {
    let client = Client::new(identity, alpn).unwrap();
    let judge = Arc::new(|_: &[&[u8]]| Ok(()));
    let accepted = client.connect(plain(addr).await, judge, PATIENCE).await;
    accepted.map(|accepted| accepted.stream).map_err(|error| error.to_string())
}

/// Mutual TLS as `service`, for HTTP/1.1.
pub async fn mtls(world: &World, addr: SocketAddr, service: &str) -> ClientStream<TcpStream> {
    tls(addr, Some(&world.shown(service)), &["http/1.1"]).await.unwrap()
}

/// Sends bytes and reads until the other end closes.
pub async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: impl AsRef<[u8]>) -> String {
    // A server that refuses early may close before all is written.
    let _ = stream.write_all(bytes.as_ref()).await;
    let _ = stream.flush().await;
    hear(&mut stream).await
}

/// Reads until the other end closes.
pub async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    // An abrupt end (a reset, no close_notify) is an end too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the other end closes in time");
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until `text` has come.
pub async fn hear_until(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(text) {
        let n = timeout(PATIENCE, stream.read_buf(&mut all)).await.expect("it comes in time").unwrap();
        assert!(n > 0, "ended before {text:?}: {:?}", String::from_utf8_lossy(&all));
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The status of a response.
pub fn status(response: &str) -> u16 {
    let status = response.split(' ').nth(1).and_then(|s| s.parse().ok());
    status.unwrap_or_else(|| panic!("no response: {response:?}"))
}

/// A header of a response.
pub fn header<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let head = response.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

/// Waits until `ready`, in small steps.
pub async fn until(what: &str, mut ready: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !ready().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}
