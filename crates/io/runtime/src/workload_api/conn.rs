//! One accepted connection: its stream, its caller, its slot, and the way to cut it off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// A connection for tonic. Once cut off, reads and writes fail, which ends whatever runs on it.
pub(super) struct Conn<C> {
    stream: UnixStream,
    caller: C,
    cut_off: CancellationToken,
    cutting: Pin<Box<WaitForCancellationFutureOwned>>,
    _slot: OwnedSemaphorePermit,
}

/// Nothing in it is pinned in place.
impl<C> Unpin for Conn<C> {}

impl<C> Conn<C> {
    pub(super) fn new(stream: UnixStream, caller: C, cut_off: &CancellationToken, slot: OwnedSemaphorePermit) -> Self {
        let cutting = Box::pin(cut_off.clone().cancelled_owned());
        Self { stream, caller, cut_off: cut_off.clone(), cutting, _slot: slot }
    }

    /// `Err` once cut off; until then the task is woken when it happens.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.cut_off.is_cancelled() || self.cutting.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server stopped"));
        }
        Ok(())
    }
}

impl<C: Clone + Send + Sync + 'static> Connected for Conn<C> {
    type ConnectInfo = C;

    fn connect_info(&self) -> C {
        self.caller.clone()
    }
}

impl<C> AsyncRead for Conn<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<C> AsyncWrite for Conn<C> {
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
