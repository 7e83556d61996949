//! One accepted connection: its stream, its peer, its slot, and the way to cut it off.

use crate::tls::ServerStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// Who is at the other end; a handler finds it with `request.extensions().get::<PeerInfo<P>>()`.
#[derive(Clone, Debug)]
pub struct PeerInfo<P> {
    /// What the judge made of the client's certificate; `None` where it showed none.
    pub peer: Option<P>,
    /// The client's address.
    pub remote: SocketAddr,
}

/// A connection for tonic. Once cut off, reads and writes fail, which ends whatever runs on it.
pub(super) struct Conn<P> {
    stream: ServerStream<TcpStream>,
    info: PeerInfo<P>,
    cut_off: CancellationToken,
    cutting: Pin<Box<WaitForCancellationFutureOwned>>,
    _slot: OwnedSemaphorePermit,
}

/// Nothing in it is pinned in place.
impl<P> Unpin for Conn<P> {}

impl<P> Conn<P> {
    pub(super) fn new(
        stream: ServerStream<TcpStream>,
        info: PeerInfo<P>,
        cut_off: &CancellationToken,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let cutting = Box::pin(cut_off.clone().cancelled_owned());
        Self { stream, info, cut_off: cut_off.clone(), cutting, _slot: slot }
    }

    /// `Err` once cut off; until then the task is woken when it happens.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.cut_off.is_cancelled() || self.cutting.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server stopped"));
        }
        Ok(())
    }
}

impl<P: Clone + Send + Sync + 'static> Connected for Conn<P> {
    type ConnectInfo = PeerInfo<P>;

    fn connect_info(&self) -> PeerInfo<P> {
        self.info.clone()
    }
}

impl<P> AsyncRead for Conn<P> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<P> AsyncWrite for Conn<P> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
