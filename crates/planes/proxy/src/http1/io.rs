//! A connection that carries HTTP/1.1, with what was received and not understood yet, and what is still to be written.

use bartizan_runtime::tls::{ClientStream, ServerStream};
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes read from a socket at once, and the only buffer for that in each thread.
const READ_BYTES: usize = 32 << 10;
/// A connection's own buffer is given back when it is empty and larger than this, in bytes.
const KEEP_BYTES: usize = 4 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// What the bytes go over.
#[derive(Debug)]
pub enum Stream {
    /// As they are.
    Plain(TcpStream),
    /// TLS that we dialled.
    Client(Box<ClientStream<TcpStream>>),
    /// TLS that we accepted.
    Server(Box<ServerStream<TcpStream>>),
    /// In memory; tests alone make one.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

/// A stream and its buffers.
#[derive(Debug)]
pub struct Io {
    stream: Stream,
    /// Received; what is before `start` was understood.
    held: Vec<u8>,
    start: usize,
    /// To be written, from `written` on.
    out: Vec<u8>,
    written: usize,
}

impl Io {
    /// With nothing received yet.
    pub fn new(stream: Stream) -> Self {
        Self { stream, held: Vec::new(), start: 0, out: Vec::new(), written: 0 }
    }

    /// What was received and not understood yet.
    pub fn held(&self) -> &[u8] {
        &self.held[self.start..]
    }

    /// `n` bytes of [`Io::held`] were understood.
    pub fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start >= self.held.len() {
            self.start = 0;
            if self.held.capacity() > KEEP_BYTES {
                self.held = Vec::new();
            } else {
                self.held.clear();
            }
        }
    }

    /// Reads what there is; gives the number of bytes, 0 at the end of the stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut part = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
            if self.start > 0 && self.start * 2 > self.held.len() {
                self.held.drain(..self.start);
                self.start = 0;
            }
            self.held.extend_from_slice(part.filled());
            Poll::Ready(Ok(part.filled().len()))
        })
    }

    /// Where to put what is to be written.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Takes bytes to be written.
    pub fn write_later(&mut self, bytes: &mut Vec<u8>) {
        if self.out.is_empty() {
            std::mem::swap(&mut self.out, bytes);
        } else {
            self.out.append(bytes);
        }
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.out.len() - self.written
    }

    /// Writes all that waits.
    pub fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.written..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += n;
        }
        if self.written > 0 {
            self.written = 0;
            if self.out.capacity() > KEEP_BYTES {
                self.out = Vec::new();
            } else {
                self.out.clear();
            }
        }
        match &mut self.stream {
            Stream::Plain(_) => Poll::Ready(Ok(())), // nothing is held back there
            stream => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Closes our side.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Whether a connection that nothing is expected on is still as it was: open, and silent. Costs no call to the kernel
    /// where nothing has happened.
    pub fn is_quiet(&mut self) -> bool {
        self.held().is_empty() && self.poll_fill(&mut Context::from_waker(Waker::noop())).is_pending()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Client(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Server(stream) => Pin::new(stream).poll_read(cx, out),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, out),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Client(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Server(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Client(stream) => Pin::new(stream).poll_flush(cx),
            Self::Server(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Client(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Server(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Once another protocol is spoken on it: first what was received ahead, then the stream.
impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.held().is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, out);
        }
        let n = out.remaining().min(self.held().len());
        out.put_slice(&self.held()[..n]);
        self.consume(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.waiting() > 0 {
            ready!(self.poll_write_out(cx))?;
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(cx))?;
        self.poll_close(cx)
    }
}
