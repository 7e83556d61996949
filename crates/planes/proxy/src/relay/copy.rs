//! One direction of a relayed connection. Bytes go through room that a thread lends to whoever is on, so that a silent connection has
//! none; what a slow reader leaves is kept with the connection until it is taken.

use crate::limits::RELAY_BYTES;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Where one direction stands.
#[derive(Debug, Default)]
pub(super) struct Copy {
    /// Read and not written: `taken..until` of it.
    held: Vec<u8>,
    taken: usize,
    until: usize,
    /// Something was written that may not have left yet.
    unflushed: bool,
    /// The end of what is read was seen.
    ended: bool,
    /// It was said to the other side.
    shut: bool,
}

impl Copy {
    /// Moves what there is. Ready once the end was passed on.
    pub(super) fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.shut {
            return Poll::Ready(Ok(()));
        }
        ready!(self.write_held(cx, to))?;
        if !self.ended {
            let mut room = ROOM.take();
            room.resize(RELAY_BYTES, 0);
            let moved = self.poll_through(cx, &mut room, from, to);
            if self.until > 0 {
                self.keep(room);
            } else {
                ROOM.set(room);
            }
            ready!(moved)?;
        }
        ready!(Pin::new(to).poll_shutdown(cx))?;
        self.shut = true;
        Poll::Ready(Ok(()))
    }

    /// Ready at the end of `from`, when all of it is written.
    fn poll_through<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
        from: &mut R,
        to: &mut W,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            let mut read = ReadBuf::new(room);
            match Pin::new(&mut *from).poll_read(cx, &mut read) {
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
                Poll::Ready(read) => read?,
            }
            let bytes = read.filled();
            if bytes.is_empty() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            let mut written = 0;
            while written < bytes.len() {
                match Pin::new(&mut *to).poll_write(cx, &bytes[written..]) {
                    Poll::Ready(n) => written += some(n?)?,
                    Poll::Pending => {
                        (self.taken, self.until) = (written, bytes.len());
                        return Poll::Pending;
                    }
                }
                self.unflushed = true;
            }
        }
    }

    /// Holds on to what was read into `room` and not written: to a copy where that is little, so that many slow readers keep no more
    /// than they have to, and else to the room itself, since a stream that is read slower than it comes would copy all of it.
    fn keep(&mut self, room: Vec<u8>) {
        let rest = &room[self.taken..self.until];
        if rest.len() > RELAY_BYTES / 4 {
            self.held = room;
        } else {
            (self.held, self.taken, self.until) = (rest.to_vec(), 0, rest.len());
            ROOM.set(room);
        }
    }

    fn write_held<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<io::Result<()>> {
        if self.until == 0 {
            return Poll::Ready(Ok(()));
        }
        while self.taken < self.until {
            self.taken += some(ready!(Pin::new(&mut *to).poll_write(cx, &self.held[self.taken..self.until]))?)?;
            self.unflushed = true;
        }
        (self.taken, self.until) = (0, 0);
        give_back(std::mem::take(&mut self.held));
        Poll::Ready(Ok(()))
    }
}

/// To the thread where it is room, not a copy of less.
fn give_back(room: Vec<u8>) {
    if room.len() == RELAY_BYTES {
        ROOM.set(room);
    }
}

/// A writer that takes nothing takes nothing ever.
fn some(n: usize) -> io::Result<usize> {
    if n == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(n) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    async fn through(bytes: &[u8], near: usize, far: usize, sip: usize) -> Vec<u8> {
        let ((mut client, mut from), (mut to, mut server)) = (duplex(near), duplex(far));
        let mut copy = Copy::default();
        let write = async {
            client.write_all(bytes).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let read = async {
            let (mut all, mut some) = (Vec::new(), vec![0; sip]);
            loop {
                match server.read(&mut some).await.unwrap() {
                    0 => return all,
                    n => all.extend_from_slice(&some[..n]),
                }
                tokio::task::yield_now().await;
            }
        };
        let copied = poll_fn(|cx| copy.poll(cx, &mut from, &mut to));
        let (copied, (), all) = tokio::join!(copied, write, read);
        copied.unwrap();
        assert!(copy.held.capacity() == 0, "nothing is kept");
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_byte_arrives_in_order(
            bytes in prop::collection::vec(any::<u8>(), 0..200_000), near in 1..100_000usize, far in 1..100_000usize, sip in 1..100_000usize
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            // A byte at a time takes its time.
            let bytes = if near.min(far).min(sip) < 100 { &bytes[..bytes.len().min(2_000)] } else { &bytes[..] };
            prop_assert_eq!(runtime.block_on(through(bytes, near, far, sip)), bytes);
        }
    }

    #[tokio::test]
    async fn one_that_is_silent_has_no_room_and_one_whose_reader_is_slow_has_a_bound() {
        let ((mut client, mut from), (mut to, _server)) = (duplex(1 << 20), duplex(10));
        let mut copy = Copy::default();
        let mut poll = |copy: &mut Copy| {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            copy.poll(&mut cx, &mut from, &mut to)
        };
        assert!(poll(&mut copy).is_pending());
        assert_eq!(copy.held.capacity(), 0);
        client.write_all(&vec![1; 1 << 19]).await.unwrap();
        for _ in 0..3 {
            assert!(poll(&mut copy).is_pending());
            assert!((1..=RELAY_BYTES).contains(&copy.held.capacity()), "{}", copy.held.capacity());
        }
    }

    #[tokio::test]
    async fn a_writer_that_breaks_is_told() {
        let ((mut client, mut from), (mut to, server)) = (duplex(64), duplex(64));
        client.write_all(b"x").await.unwrap();
        drop(server);
        let mut copy = Copy::default();
        let broken = poll_fn(|cx| copy.poll(cx, &mut from, &mut to)).await;
        assert_eq!(broken.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
