//! Puts the framing guard between a connection and hyper's HTTP/1.1 server.
//!
//! Bytes of a head are held back until the head is complete and accepted; body bytes pass while the guard counts.
//! A refused head is replaced by a tiny request of our own, so that hyper answers in order, through the normal
//! service, which finds the refusal beside it. A body that breaks a rule ends the connection.
//! Deadlines live here too: slow heads, stalled bodies, idle connections, responses that nobody reads.

use crate::framing::{Guard, Head, Rule, Verdict};
use crate::limits;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What hyper reads in place of a refused head.
const STAND_IN: &[u8] = b"POST /refused HTTP/1.1\r\nhost: refused\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// Bytes read from the socket at once, and the only buffer for it in each thread.
const READ_BYTES: usize = 16 << 10;
/// A connection's own buffer is given back when it is empty and larger than this, in bytes.
const KEEP_BYTES: usize = 4 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// What the guard found out about the request that hyper is about to hand to the service.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// When the head was complete (or refused).
    pub at: Instant,
    /// What it announces, or the rule it broke.
    pub head: Result<Head, Rule>,
}

/// What the service tells the guard and the guard the service.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// One per request that hyper has not handed out yet. At most one, since heads are judged one by one.
    heads: VecDeque<Note>,
    /// Requests handed to hyper whose responses are not finished.
    in_flight: usize,
    /// The answer to a head that asked for a protocol switch.
    switched: Option<bool>,
    /// A rule broken inside a body.
    broken: Option<Rule>,
    reader: Option<Waker>,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change below is a plain assignment, so a panic elsewhere leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known about the request just handed out. `None` cannot be while hyper reads only what the guard gave.
    pub fn next(&self) -> Option<Note> {
        self.lock().heads.pop_front()
    }

    /// The response to a request is finished, or nobody waits for it any more.
    pub fn finished(&self) {
        let mut inner = self.lock();
        inner.in_flight = inner.in_flight.saturating_sub(1);
    }

    /// Answers a request for a protocol switch.
    pub fn decide(&self, switched: bool) {
        let mut inner = self.lock();
        inner.switched = Some(switched);
        if let Some(reader) = inner.reader.take() {
            reader.wake();
        }
    }

    /// The rule that a body broke, where one did.
    pub fn broken(&self) -> Option<Rule> {
        self.lock().broken
    }
}

/// How long a connection waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// See [`limits::HEAD_TIME`].
    pub head: Duration,
    /// See [`limits::IDLE_TIME`].
    pub idle: Duration,
    /// See [`limits::BODY_STALL_TIME`].
    pub body_stall: Duration,
    /// See [`limits::WRITE_STALL_TIME`].
    pub write_stall: Duration,
    /// See [`limits::LINGER_TIME`].
    pub linger: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            head: limits::HEAD_TIME,
            idle: limits::IDLE_TIME,
            body_stall: limits::BODY_STALL_TIME,
            write_stall: limits::WRITE_STALL_TIME,
            linger: limits::LINGER_TIME,
        }
    }
}

/// A connection that gives hyper only what the guard accepted.
#[derive(Debug)]
pub struct StrictIo<S> {
    inner: S,
    times: Times,
    guard: Guard,
    notes: Notes,
    /// Received and not given out yet, from `start` on; the first `passed` bytes of that may be given out.
    held: Vec<u8>,
    start: usize,
    passed: usize,
    /// Given out so far of [`STAND_IN`], where it stands in.
    stand_in: Option<usize>,
    broken: Option<Rule>,
    waiting: Option<Waiting>,
    read_timer: Timer,
    write_timer: Timer,
    shutdown: Shutdown,
}

/// What the reader waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Request,
    RestOfHead,
    RestOfBody,
}

#[derive(Debug)]
enum Shutdown {
    Open,
    /// Closed on our side; so many more bytes are read and thrown away.
    Linger {
        bytes_left: usize,
    },
}

impl<S> StrictIo<S> {
    /// Guards `inner`; the service keeps the other end of `notes`.
    pub fn new(inner: S, notes: Notes) -> Self {
        Self::with_times(inner, notes, Times::default())
    }

    /// As [`StrictIo::new`], with other times.
    pub fn with_times(inner: S, notes: Notes, times: Times) -> Self {
        Self {
            inner,
            times,
            guard: Guard::default(),
            notes,
            held: Vec::new(),
            start: 0,
            passed: 0,
            stand_in: None,
            broken: None,
            waiting: None,
            read_timer: Timer::default(),
            write_timer: Timer::default(),
            shutdown: Shutdown::Open,
        }
    }

    /// Gives out what was accepted. False where there is nothing.
    fn give(&mut self, out: &mut ReadBuf<'_>) -> bool {
        if let Some(at) = self.stand_in {
            let n = out.remaining().min(STAND_IN.len() - at);
            out.put_slice(&STAND_IN[at..at + n]);
            self.stand_in = Some(at + n);
            return n > 0;
        }
        if self.passed == 0 {
            return false;
        }
        let n = out.remaining().min(self.passed);
        out.put_slice(&self.held[self.start..self.start + n]);
        self.start += n;
        self.passed -= n;
        if self.start == self.held.len() {
            self.start = 0;
            self.held.clear();
            if self.held.capacity() > KEEP_BYTES {
                self.held = Vec::new();
            }
        }
        true
    }

    /// Judges what is held. True where something may be given out now.
    fn judge(&mut self) -> io::Result<bool> {
        let in_head = self.guard.is_between();
        match self.guard.judge(&self.held[self.start..]) {
            Verdict::More => return Ok(false),
            Verdict::Body(bytes) => self.passed = bytes,
            Verdict::Head { bytes, head } => {
                self.passed = bytes;
                self.note(Ok(head));
            }
            Verdict::Refuse(rule) => self.refuse(rule, in_head)?,
        }
        self.waiting = None;
        Ok(true)
    }

    /// Takes in the answer to a wish for a protocol switch, also where the client sends nothing: its silence is bounded again.
    fn settle(&mut self) {
        if self.guard.is_undecided()
            && let Some(switched) = self.notes.lock().switched.take()
        {
            self.guard.decide(switched);
        }
    }

    fn note(&self, head: Result<Head, Rule>) {
        let mut inner = self.notes.lock();
        inner.in_flight += 1;
        inner.heads.push_back(Note { at: Instant::now(), head });
    }

    /// A refused head is answered; a refused body ends the connection.
    fn refuse(&mut self, rule: Rule, in_head: bool) -> io::Result<()> {
        if in_head {
            self.stand_in = Some(0);
            self.note(Err(rule));
            return Ok(());
        }
        self.broken = Some(rule);
        self.notes.lock().broken = Some(rule);
        Err(broken(rule))
    }

    /// What a reader that finds nothing waits for, and how long it may; `None` where there is no bound.
    fn waits_for(&self) -> Option<(Waiting, Duration)> {
        if self.guard.is_undecided() || self.guard.is_switched() {
            None // the relay behind a switch has its own bound
        } else if !self.guard.is_between() {
            Some((Waiting::RestOfBody, self.times.body_stall))
        } else if self.start < self.held.len() {
            Some((Waiting::RestOfHead, self.times.head))
        } else if self.notes.lock().in_flight == 0 {
            Some((Waiting::Request, self.times.idle))
        } else {
            None // the response is still being made
        }
    }

    /// Called when the socket has nothing. Ready where the wait was too long, with what to do about it.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some((waiting, patience)) = self.waits_for() else {
            self.waiting = None;
            if self.guard.is_undecided() {
                self.notes.lock().reader = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        if self.waiting != Some(waiting) {
            self.waiting = Some(waiting);
            self.read_timer.restart();
        }
        ready!(self.read_timer.poll_over(cx, patience));
        Poll::Ready(match waiting {
            Waiting::Request => Ok(()),
            Waiting::RestOfHead => {
                self.guard.refuse(Rule::SlowHead);
                self.refuse(Rule::SlowHead, true)
            }
            Waiting::RestOfBody => {
                self.guard.refuse(Rule::SlowBody);
                self.refuse(Rule::SlowBody, false)
            }
        })
    }
}

fn broken(rule: Rule) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("request refused: {}", rule.word()))
}

impl<S: AsyncRead + Unpin> StrictIo<S> {
    /// Reads body bytes that need no judging straight into hyper's buffer.
    fn poll_read_opaque(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let wanted = usize::try_from(self.guard.opaque()).unwrap_or(usize::MAX).min(out.remaining());
        let mut part = ReadBuf::new(out.initialize_unfilled_to(wanted));
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
        let n = part.filled().len();
        out.advance(n);
        self.guard.skip(n as u64);
        self.waiting = None;
        Poll::Ready(Ok(n))
    }

    /// Reads into `held`; gives the number of bytes, 0 at the end of the stream.
    fn poll_read_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.guard.is_undecided() && self.held.len() - self.start >= limits::AHEAD_BYTES_MAX {
            return Poll::Pending; // the waker is left by `poll_patience`
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut part = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
            self.held.extend_from_slice(part.filled());
            Poll::Ready(Ok(part.filled().len()))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StrictIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if let Some(rule) = this.broken {
                return Poll::Ready(Err(broken(rule)));
            }
            if out.remaining() == 0 || this.give(out) {
                return Poll::Ready(Ok(()));
            }
            if this.stand_in.is_some() {
                // Nothing comes after a refused head; hyper answers and closes. An end of the stream would tell it that the
                // client has gone, and nobody would be answered.
                return Poll::Pending;
            }
            this.settle();
            if this.start < this.held.len() && this.judge()? {
                continue;
            }
            let read = if this.held.is_empty() && this.guard.opaque() > 0 {
                this.poll_read_opaque(cx, out)
            } else {
                this.poll_read_held(cx)
            };
            match read? {
                Poll::Ready(0) => return Poll::Ready(Ok(())),
                Poll::Ready(_) if !out.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(_) => {}
                Poll::Pending => {
                    ready!(this.poll_patience(cx))?;
                    if this.stand_in.is_none() {
                        return Poll::Ready(Ok(())); // idle for too long: the end of the stream
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> StrictIo<S> {
    /// Bounds how long a write may stand still.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() || self.guard.is_switched() {
            self.write_timer.restart();
            return written;
        }
        ready!(self.write_timer.poll_over(cx, self.times.write_stall));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the response was not read for too long")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for StrictIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.bounded(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, parts);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.bounded(cx, flushed)
    }

    /// Closes our side. Where input is left that nobody will read, it is read and thrown away for a moment: closing a
    /// socket with unread input resets it, and the reset can overtake the answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if matches!(this.shutdown, Shutdown::Open) {
            let closed = Pin::new(&mut this.inner).poll_shutdown(cx);
            ready!(this.bounded(cx, closed))?;
            if this.guard.is_switched() || (this.guard.is_between() && this.held.is_empty()) {
                return Poll::Ready(Ok(()));
            }
            this.read_timer.restart();
            this.shutdown = Shutdown::Linger { bytes_left: limits::LINGER_BYTES_MAX };
        }
        loop {
            this.held.clear();
            let Shutdown::Linger { bytes_left } = &mut this.shutdown else { return Poll::Ready(Ok(())) };
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut part = ReadBuf::new(scratch);
                Pin::new(&mut this.inner).poll_read(cx, &mut part).map_ok(|()| part.filled().len())
            });
            match read {
                Poll::Ready(Ok(n)) if n > 0 && n < *bytes_left => *bytes_left -= n,
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return this.read_timer.poll_over(cx, this.times.linger).map(Ok),
            }
        }
    }
}

/// A deadline that is set when somebody first waits, and costs nothing while nobody does.
#[derive(Debug, Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    deadline: Option<Instant>,
}

impl Timer {
    /// The next wait starts anew.
    fn restart(&mut self) {
        self.deadline = None;
    }

    /// Ready once `patience` has passed since the wait began.
    fn poll_over(&mut self, cx: &mut Context<'_>, patience: Duration) -> Poll<()> {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + patience);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        // An earlier alarm is left as it is and looked at again when it rings: moving it costs more than that.
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const SHORT: Times = Times {
        head: Duration::from_millis(30),
        idle: Duration::from_millis(60),
        body_stall: Duration::from_millis(30),
        write_stall: Duration::from_millis(30),
        linger: Duration::from_millis(30),
    };
    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    fn pair() -> (DuplexStream, StrictIo<DuplexStream>, Notes) {
        let (client, server) = duplex(1 << 20);
        let notes = Notes::default();
        (client, StrictIo::with_times(server, notes.clone(), SHORT), notes)
    }

    async fn read(io: &mut StrictIo<DuplexStream>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 4096];
        let n = io.read(&mut bytes).await?;
        bytes.truncate(n);
        Ok(bytes)
    }

    #[tokio::test]
    async fn requests_are_given_out_one_by_one_with_a_note_each() {
        let (mut client, mut io, notes) = pair();
        client
            .write_all(&[GET, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc", GET].concat())
            .await
            .unwrap();
        assert_eq!(read(&mut io).await.unwrap(), GET);
        assert!(notes.next().is_some_and(|n| n.head.is_ok()) && notes.next().is_none(), "the second is not judged yet");
        assert!(read(&mut io).await.unwrap().starts_with(b"POST"));
        assert!(notes.next().is_some());
        assert_eq!(read(&mut io).await.unwrap(), b"abc");
        assert_eq!(read(&mut io).await.unwrap(), GET);
    }

    #[tokio::test]
    async fn a_head_is_held_back_until_it_is_whole() {
        let (mut client, mut io, notes) = pair();
        let (first, rest) = GET.split_at(GET.len() - 1);
        client.write_all(first).await.unwrap();
        let mut reading = Box::pin(read(&mut io));
        tokio::select! {
            biased;
            _ = &mut reading => panic!("bytes of an unfinished head were given out"),
            () = tokio::task::yield_now() => {}
        }
        assert!(notes.next().is_none());
        client.write_all(rest).await.unwrap();
        assert_eq!(reading.await.unwrap(), GET);
    }

    #[tokio::test]
    async fn a_refused_head_is_replaced_and_nothing_follows() {
        let (mut client, mut io, notes) = pair();
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\nGET /two HTTP/1.1\r\n").await.unwrap();
        assert_eq!(read(&mut io).await.unwrap(), STAND_IN);
        assert_eq!(notes.next().unwrap().head, Err(Rule::HostDuplicate));
        let more = tokio::time::timeout(Duration::from_millis(50), read(&mut io)).await;
        assert!(more.is_err(), "neither a request nor the end of the stream, which would say that the client has gone");
    }

    #[tokio::test]
    async fn after_a_declined_switch_the_silence_of_a_client_is_bounded() {
        let (mut client, mut io, notes) = pair();
        let wish = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        client.write_all(wish).await.unwrap();
        assert_eq!(read(&mut io).await.unwrap(), wish);
        notes.next().unwrap();
        notes.finished();
        notes.decide(false);
        let end = tokio::time::timeout(Duration::from_secs(20), read(&mut io)).await;
        assert_eq!(end.expect("an idle connection ends").unwrap(), b"");
    }

    #[tokio::test]
    async fn a_slow_head_is_refused_though_its_bytes_keep_coming() {
        let (mut client, mut io, notes) = pair();
        let drip = async {
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx: ").await.unwrap();
            loop {
                client.write_all(b"y").await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let given = tokio::select! { given = read(&mut io) => given.unwrap(), () = drip => vec![] };
        assert_eq!(given, STAND_IN);
        assert_eq!(notes.next().unwrap().head, Err(Rule::SlowHead));
    }

    #[tokio::test]
    async fn a_head_that_stops_is_refused_as_slow() {
        let (mut client, mut io, notes) = pair();
        client.write_all(b"GET / HT").await.unwrap();
        assert_eq!(read(&mut io).await.unwrap(), STAND_IN);
        assert_eq!(notes.next().unwrap().head, Err(Rule::SlowHead));
    }

    #[tokio::test]
    async fn a_body_that_stops_ends_the_connection() {
        let (mut client, mut io, notes) = pair();
        client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
        read(&mut io).await.unwrap();
        assert_eq!(read(&mut io).await.unwrap(), b"abc");
        assert_eq!(read(&mut io).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(notes.broken(), Some(Rule::SlowBody));
    }

    #[tokio::test]
    async fn a_broken_chunk_ends_the_connection() {
        let (mut client, mut io, notes) = pair();
        client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\nabc").await.unwrap();
        read(&mut io).await.unwrap();
        read(&mut io).await.unwrap_err();
        assert_eq!(notes.broken(), Some(Rule::BareLf));
    }

    #[tokio::test]
    async fn idleness_ends_the_stream_but_not_while_a_response_is_made() {
        let (mut client, mut io, notes) = pair();
        client.write_all(GET).await.unwrap();
        read(&mut io).await.unwrap();
        let mut reading = Box::pin(read(&mut io));
        tokio::select! {
            _ = &mut reading => panic!("ended although a response is being made"),
            () = tokio::time::sleep(SHORT.idle * 2) => {}
        }
        drop(reading);
        notes.finished();
        assert_eq!(read(&mut io).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_response_that_nobody_reads_ends_the_connection() {
        let (_client, server) = duplex(16);
        let mut io = StrictIo::with_times(server, Notes::default(), SHORT);
        let error = io.write_all(&[b'x'; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn after_a_switch_all_bytes_pass() {
        let (mut client, mut io, notes) = pair();
        let head = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
        client.write_all(&[&head[..], b"\x81\x01x"].concat()).await.unwrap();
        assert_eq!(read(&mut io).await.unwrap(), head);
        let mut reading = Box::pin(read(&mut io));
        tokio::select! {
            biased;
            _ = &mut reading => panic!("bytes passed before the answer"),
            () = tokio::task::yield_now() => {}
        }
        notes.decide(true);
        assert_eq!(reading.await.unwrap(), b"\x81\x01x");
        client.write_all(b"\r\n\r\n\0").await.unwrap();
        assert_eq!(read(&mut io).await.unwrap(), b"\r\n\r\n\0");
    }

    #[tokio::test]
    async fn a_declined_switch_goes_on_with_the_next_request() {
        let (mut client, mut io, notes) = pair();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .await
            .unwrap();
        read(&mut io).await.unwrap();
        notes.decide(false);
        client.write_all(GET).await.unwrap();
        assert_eq!(read(&mut io).await.unwrap(), GET);
    }
}
