//! A connection whose writes are gathered while its task has its turn, and go out together at the end of it. h2 writes each piece
//! of a body by itself, which costs a call to the kernel (and a TLS record) for each of many small responses. What comes is metered
//! on the way: see [`crate::flood`].

use crate::flood::Meter;
use crate::limits;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The end that a library reads and writes.
#[derive(Debug)]
pub struct Gathered<S>(Rc<RefCell<Inner<S>>>);

/// The end that writes what was gathered.
#[derive(Debug)]
pub struct Out<S>(Rc<RefCell<Inner<S>>>);

#[derive(Debug)]
struct Inner<S> {
    stream: S,
    out: Vec<u8>,
    /// How much of `out` was written.
    written: usize,
    meter: Meter,
    /// When the meter was told of time.
    told: Instant,
    flooded: bool,
}

/// Takes a connection apart.
pub fn gathered<S>(stream: S) -> (Gathered<S>, Out<S>) {
    let inner = Rc::new(RefCell::new(Inner {
        stream,
        out: Vec::new(),
        written: 0,
        meter: Meter::default(),
        told: Instant::now(),
        flooded: false,
    }));
    (Gathered(Rc::clone(&inner)), Out(inner))
}

impl<S> Out<S> {
    /// Whether it ended because the client flooded it.
    pub fn is_flooded(&self) -> bool {
        self.0.borrow().flooded
    }
}

impl<S: AsyncWrite + Unpin> Out<S> {
    /// Polls `connection`, which has the other end, to its end, and writes what it says each time it had its turn.
    ///
    /// # Errors
    /// Where nothing can be written any more; `connection` is not at its end then.
    pub async fn drive<C: Future>(&self, mut connection: Pin<&mut C>) -> io::Result<C::Output> {
        poll_fn(|cx| match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Ok(ended)),
            Poll::Pending => match self.0.borrow_mut().poll_write_out(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                _ => Poll::Pending,
            },
        })
        .await
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.written..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.meter.wrote(n);
            self.written += n;
        }
        self.written = 0;
        self.out.clear();
        if self.out.capacity() > limits::GATHERED_KEEP_BYTES {
            self.out = Vec::new();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ready where there is room for more.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.len() >= limits::GATHERED_BYTES_MAX {
            ready!(self.poll_write_out(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (mut inner, before) = (self.0.borrow_mut(), out.filled().len());
        ready!(Pin::new(&mut inner.stream).poll_read(cx, out))?;
        let now = Instant::now();
        let rested = now.duration_since(inner.told);
        if rested >= limits::H2_FLOOD_LOOK {
            inner.told = now;
            inner.meter.rested(rested);
        }
        if inner.meter.read(&out.filled()[before..]) {
            return Poll::Ready(Ok(()));
        }
        inner.flooded = true;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the client floods")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_room(cx))?;
        inner.out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_room(cx))?;
        slices.iter().for_each(|slice| inner.out.extend_from_slice(slice));
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What was gathered is as good as written: it goes out at the end of the turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_write_out(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn what_is_said_in_one_turn_goes_out_together_and_all_of_it_before_the_end() {
        let (near, mut far) = duplex(64);
        let (mut stream, out) = gathered(near);
        let connection = pin!(async move {
            for _ in 0..3 {
                stream.write_all(b"piece;").await.unwrap();
                stream.flush().await.unwrap();
            }
            tokio::task::yield_now().await;
            stream.write_all(&[b'x'; 3 * limits::GATHERED_BYTES_MAX]).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let hear = async {
            let mut first = [0; 64];
            let n = far.read(&mut first).await.unwrap();
            let mut rest = Vec::new();
            far.read_to_end(&mut rest).await.unwrap();
            (first[..n].to_vec(), rest.len())
        };
        let (driven, heard) = tokio::join!(out.drive(connection), hear);
        driven.unwrap();
        assert_eq!(heard, (b"piece;piece;piece;".to_vec(), 3 * limits::GATHERED_BYTES_MAX));
    }

    #[tokio::test]
    async fn who_cannot_be_written_to_any_more_ends_it() {
        let (near, far) = duplex(64);
        drop(far);
        let (mut stream, out) = gathered(near);
        let connection = pin!(async move {
            stream.write_all(b"x").await.unwrap();
            std::future::pending::<()>().await;
        });
        assert_eq!(out.drive(connection).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
