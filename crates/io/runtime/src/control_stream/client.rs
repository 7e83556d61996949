//! The dialling end: one TLS connection, and a gRPC client on it.

use crate::control_v1::control_client::ControlClient;
use crate::tls::{self, ClientStream, HandshakeError, Judge};
use crate::{limits, listen};
use hyper_util::rt::TokioIo;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// A client of the control service. Cloning is cheap and shares the connection.
pub type Client = ControlClient<Channel>;

/// Why control was not reached. Try again after a pause.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there.
    #[error("control is not reachable at `{addr}`")]
    Unreachable {
        /// Where.
        addr: SocketAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Somebody answers, but is not control or speaks no TLS.
    #[error("control at `{addr}` was not accepted")]
    Handshake {
        /// Where.
        addr: SocketAddr,
        /// The judge's cause, or the protocol's.
        #[source]
        source: HandshakeError,
    },
    /// TLS works, HTTP/2 does not.
    #[error("`{addr}` does not speak HTTP/2")]
    Http {
        /// Where.
        addr: SocketAddr,
        /// What went wrong.
        #[source]
        source: tonic::transport::Error,
    },
}

/// Connects to control and has it judged. Message limits are set on the client.
///
/// The client lives as long as this one connection: once it ends, every call fails with `unavailable`, and the
/// caller connects anew, with the identity it holds by then. Where control refuses *our* certificate, this
/// returns `Ok` and the first call fails (see [`tls::Client::connect`]).
///
/// Dropping the future closes what was opened.
///
/// # Errors
/// [`ConnectError`]; each step has a time limit.
pub async fn connect(addr: SocketAddr, tls: tls::Client, judge: Judge<()>) -> Result<Client, ConnectError> {
    let socket = listen::connect(addr, limits::CONNECT_WITHIN)
        .await
        .map_err(|source| ConnectError::Unreachable { addr, source })?;
    let accepted = tls
        .connect(socket, judge, limits::HANDSHAKE_WITHIN)
        .await
        .map_err(|source| ConnectError::Handshake { addr, source })?;
    let channel = Endpoint::from_static("http://control")
        .http2_keep_alive_interval(limits::KEEPALIVE_EVERY)
        .keep_alive_timeout(limits::KEEPALIVE_WITHIN)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(limits::CONTROL_WINDOW_BYTES)
        .initial_connection_window_size(2 * limits::CONTROL_WINDOW_BYTES)
        .http2_max_header_list_size(limits::CONTROL_HEADER_BYTES_MAX)
        .connect_with_connector(Once(Some(TokioIo::new(accepted.stream))))
        .await
        .map_err(|source| ConnectError::Http { addr, source })?;
    Ok(ControlClient::new(channel)
        .max_decoding_message_size(limits::DOWN_BYTES_MAX)
        .max_encoding_message_size(limits::UP_BYTES_MAX))
}

/// Hands out the one stream. tonic would dial again by itself, with an identity that may have run out since.
struct Once(Option<TokioIo<ClientStream<TcpStream>>>);

impl tower_service::Service<Uri> for Once {
    type Response = TokioIo<ClientStream<TcpStream>>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::Error::other("the connection to control is over, connect anew")))
    }
}
