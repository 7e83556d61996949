//! One accepted connection: its stream, its caller, its slot, and the way to cut it off.

use super::authority::Rewriter;
use bytes::BytesMut;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// Bytes read at once; two pages.
const READ_BYTES: usize = 8 << 10;

/// A connection for tonic. Once cut off, reads and writes fail, which ends whatever runs on it.
pub(super) struct Conn<C> {
    stream: UnixStream,
    rewriter: Rewriter,
    /// As it came.
    raw: BytesMut,
    /// As the HTTP/2 library gets it.
    ready: BytesMut,
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
        let (rewriter, raw, ready) = (Rewriter::default(), BytesMut::new(), BytesMut::new());
        Self { stream, rewriter, raw, ready, caller, cut_off: cut_off.clone(), cutting, _slot: slot }
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
        let this = &mut *self;
        while this.ready.is_empty() {
            let mut piece = [0; READ_BYTES];
            let mut piece = ReadBuf::new(&mut piece);
            std::task::ready!(Pin::new(&mut this.stream).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(())); // the client has gone; what it began is of no use
            }
            this.raw.extend_from_slice(piece.filled());
            this.rewriter.run(&mut this.raw, &mut this.ready)?;
        }
        let some = this.ready.len().min(buf.remaining());
        buf.put_slice(&this.ready.split_to(some));
        Poll::Ready(Ok(()))
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
