//! Dials the addresses that were judged, one after the other, and no others.

use crate::limits;
use bartizan_runtime::listen;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// The first that answers.
///
/// # Errors
/// What the last one said.
pub(super) async fn dial(to: &[SocketAddr]) -> io::Result<(TcpStream, SocketAddr)> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for at in to {
        match listen::connect(*at, limits::CONNECT_TIME).await {
            Ok(stream) => return Ok((stream, *at)),
            Err(error) => last = error,
        }
    }
    Err(last)
}
