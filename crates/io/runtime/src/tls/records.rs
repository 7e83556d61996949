//! An encrypted connection with reading and writing taken apart: whoever drives it decides when what is collected becomes
//! records and goes out, so that many messages share a record and a call to the kernel.

use super::{ClientStream, ServerStream};
use rustls::Connection;
use std::cell::RefCell;
use std::io::{self, BufRead, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes read from a socket at once, and the only buffer for that in each thread: four full records.
const READ_BYTES: usize = 64 << 10;
/// Most slices given to one write.
const SLICES_MAX: usize = 64;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// The connection, after its handshake.
pub struct Records {
    socket: TcpStream,
    tls: Connection,
    ended: bool,
}

impl Records {
    /// Takes over a connection that was accepted.
    pub fn accepted(stream: ServerStream<TcpStream>) -> Self {
        let (socket, tls) = stream.into_inner();
        Self::new(socket, tls.into())
    }

    /// Takes over a connection that was dialled.
    pub fn dialled(stream: ClientStream<TcpStream>) -> Self {
        let (socket, tls) = stream.into_inner();
        Self::new(socket, tls.into())
    }

    fn new(socket: TcpStream, mut tls: Connection) -> Self {
        tls.set_buffer_limit(None); // the caller has a bound of its own
        Self { socket, tls, ended: false }
    }

    /// Reads once and gives what was said to `take`, in pieces. Gives the number of bytes, 0 at the end of the stream.
    ///
    /// # Errors
    /// What the kernel says, `InvalidData` for what is no TLS, and whatever `take` says.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Poll<io::Result<usize>> {
        // What came with the end of the handshake is there already.
        let mut taken = self.take_plain(take)?;
        loop {
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            taken = ready!(self.poll_socket(cx, take))?;
        }
    }

    fn poll_socket(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut part = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut part))?;
            self.ended = part.filled().is_empty();
            Poll::Ready(self.decrypt(part.filled(), take))
        })
    }

    fn decrypt(&mut self, mut wire: &[u8], take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<usize> {
        let mut taken = 0;
        while !wire.is_empty() {
            if self.tls.read_tls(&mut wire)? == 0 {
                self.ended = true; // said goodbye; what comes after that counts for nothing
                break;
            }
            let state = self.tls.process_new_packets().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            self.ended |= state.peer_has_closed();
            taken += self.take_plain(take)?;
        }
        Ok(taken)
    }

    fn take_plain(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let mut reader = self.tls.reader();
            let n = match reader.fill_buf() {
                Ok(plain) if !plain.is_empty() => {
                    take(plain)?;
                    plain.len()
                }
                Ok(_) => return Ok(taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) => return Err(error),
            };
            self.tls.reader().consume(n);
            taken += n;
        }
    }

    /// Takes bytes to be said; they become records at once, and go out with [`Records::poll_flush`].
    ///
    /// # Errors
    /// Where the connection was closed.
    pub fn write(&mut self, plain: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(plain)
    }

    /// Sends every record that is ready.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            let mut blocked = false;
            let mut out = Out { socket: &mut self.socket, cx, blocked: &mut blocked };
            match self.tls.write_tls(&mut out) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(_) if blocked => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Says goodbye and closes our side.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            self.tls.send_close_notify();
        }
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// The socket as something that is written to at once or not at all.
struct Out<'a, 'c> {
    socket: &'a mut TcpStream,
    cx: &'a mut Context<'c>,
    blocked: &'a mut bool,
}

impl Out<'_, '_> {
    fn now(&mut self, polled: Poll<io::Result<usize>>) -> io::Result<usize> {
        match polled {
            Poll::Ready(written) => written,
            Poll::Pending => {
                *self.blocked = true;
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }
}

impl Write for Out<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let polled = Pin::new(&mut *self.socket).poll_write(self.cx, bytes);
        self.now(polled)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let slices = &slices[..slices.len().min(SLICES_MAX)];
        let polled = Pin::new(&mut *self.socket).poll_write_vectored(self.cx, slices);
        self.now(polled)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("ended", &self.ended).finish_non_exhaustive()
    }
}
