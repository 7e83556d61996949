//! Requests on one accepted connection, one after the other: read strictly, handled, answered.

#[cfg(test)]
mod tests;

use super::io::{Io, Stream};
use super::print::{self, Framing};
use super::writer::Writer;
use crate::alarm::Alarm;
use crate::aside::Aside;
use crate::conn::{Conn, Left};
use crate::forward::{Came, handle};
use crate::framing::{self, BodyPiece, Guard, Rule, Verdict};
use crate::interim::Interims;
use crate::limits;
use crate::message::{Body, Chunk, RequestHead, ResponseHead, Trouble};
use crate::respond::{self, Download, Switched};
use crate::switched;
use bytes::Bytes;
use http::Method;
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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

/// One connection, shared between whoever answers and whoever reads a request's body. All of it runs on one thread, and nobody
/// keeps a cell borrowed while it waits.
#[derive(Debug)]
struct Shared {
    io: RefCell<Io>,
    guard: RefCell<Guard>,
    times: Times,
    /// For what is read.
    patience: Alarm,
    /// For what is written.
    unread: Alarm,
    /// What is waited for between requests.
    waiting: Cell<Waiting>,
    /// A rule broken inside a body.
    broken: Cell<Option<Rule>>,
    /// The client wants to be told to send its body.
    continue_due: Cell<bool>,
}

/// Writes interim responses ahead of the one that is to come.
#[derive(Clone, Debug)]
pub struct Ahead(Rc<Shared>);

impl Ahead {
    /// Writes one, unless the client leaves too much unread. Nothing of a response has been written by then.
    pub fn write(&self, head: &ResponseHead, cx: &mut Context<'_>) {
        let mut io = self.0.io.borrow_mut();
        if io.waiting() < limits::WRITE_AHEAD_BYTES {
            print::response(io.out(), head.status, &head.fields, Framing::None, false);
            let _ = io.poll_write_out(cx); // what does not fit now goes out before the response
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    Request,
    RestOfHead,
}

/// What a wait for a request came to.
enum Arrived {
    Request(RequestHead, framing::Head),
    Refused(Rule),
    /// Nothing comes any more.
    End,
}

/// Serves until the client closes, is idle for too long or breaks a rule, or `stop` fires or trust is about to run out and the
/// request under way is answered; no longer than trust in the connection lasts.
///
/// Dropping the future cuts the connection off.
pub async fn serve(conn: Rc<Conn>, stream: Stream, stop: &CancellationToken) {
    serve_with(conn, stream, stop, Times::default()).await;
}

/// As [`serve`], with other times.
async fn serve_with(conn: Rc<Conn>, stream: Stream, stop: &CancellationToken, times: Times) {
    let shared = Rc::new(Shared::new(stream, &conn, times));
    let (leaving, closing) = (Cell::new(false), Cell::new(false));
    let mut serving = pin!(run(&conn, &shared, &leaving, &closing));
    let left = Aside::new(conn.until_left(stop));
    tokio::select! {
        biased;
        () = serving.as_mut() => return,
        left = left => match left {
            Left::AtOnce => return,
            Left::Soon => leaving.set(true),
        },
    }
    // A client may be sending its next request just now: it gets an answer, and that says that it was the last one.
    let last_word = if stop.is_cancelled() { Duration::ZERO } else { limits::LAST_WORD_TIME };
    tokio::select! {
        () = serving.as_mut() => return,
        () = conn.trust.until_over() => return,
        () = tokio::time::sleep(last_word) => closing.set(true),
    }
    tokio::select! {
        () = serving => {}
        () = conn.trust.until_over() => {}
    }
}

/// With `leaving` the next answer is the last one; with `closing` nothing is waited for.
async fn run(conn: &Rc<Conn>, shared: &Rc<Shared>, leaving: &Cell<bool>, closing: &Cell<bool>) {
    loop {
        let (head, announced) = match poll_fn(|cx| shared.poll_request(cx, closing)).await {
            Arrived::End => return shared.close(false).await,
            Arrived::Refused(rule) => return shared.refuse(conn, rule).await,
            Arrived::Request(head, announced) => (head, announced),
        };
        let method = head.method.clone();
        // HTTP/1.0 knows no interim responses (RFC 9110 section 15.2).
        let ahead = announced.http11.then(|| Interims::to_http1(Ahead(Rc::clone(shared))));
        let interims = ahead.unwrap_or_default();
        let came = Came { began: Instant::now(), upgrade: announced.upgrade, interims };
        // Where it is, and not from an `async fn` of its own: that would be copied here, several kilobytes for each request.
        let handled = {
            let mut handling = pin!(handle(Rc::clone(conn), head, shared.body(announced), came));
            poll_fn(|cx| match handling.as_mut().poll(cx) {
                Poll::Ready(download) => Poll::Ready(Some(download)),
                Poll::Pending if shared.is_gone(cx) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        let Some(mut download) = handled else { return };
        if let Some(rule) = shared.broken.get() {
            respond::report(conn, rule);
        }
        if let Some(switched) = download.switched.take() {
            return shared.switch(conn, download, *switched).await;
        }
        shared.guard.borrow_mut().decide(false);
        // Where its body did not come to its end, where the next request begins is not known.
        let winding_down = conn.proxy().winding_down.is_cancelled();
        let mut close = leaving.get() || winding_down || !announced.keep_alive || !shared.guard.borrow().is_between();
        let http11 = announced.http11;
        let mut writer = Writer::new(download, &method, http11, &mut close);
        if let Err(error) = poll_fn(|cx| shared.poll_answer(&mut writer, cx)).await {
            return tracing::debug!(%error, "connection ended");
        }
        drop(writer);
        if close {
            return shared.close(true).await;
        }
    }
}

impl Shared {
    fn new(stream: Stream, conn: &Conn, times: Times) -> Self {
        Self {
            io: RefCell::new(Io::new(stream)),
            guard: RefCell::default(),
            times,
            patience: conn.worker.alarms.alarm(),
            unread: conn.worker.alarms.alarm(),
            waiting: Cell::new(Waiting::Nothing),
            broken: Cell::new(None),
            continue_due: Cell::new(false),
        }
    }

    fn poll_request(&self, cx: &mut Context<'_>, closing: &Cell<bool>) -> Poll<Arrived> {
        let (mut io, mut guard) = (self.io.borrow_mut(), self.guard.borrow_mut());
        loop {
            match guard.judge(io.held()) {
                Verdict::More => {}
                Verdict::Refuse(rule) => return Poll::Ready(Arrived::Refused(rule)),
                // Between two messages there is no body.
                Verdict::Body(_) => return Poll::Ready(Arrived::Refused(Rule::Parser)),
                Verdict::Head { bytes, head: announced } => {
                    let head = RequestHead::accepted(&io.held()[..bytes], guard.parts());
                    io.consume(bytes);
                    self.waiting.set(Waiting::Nothing);
                    self.patience.off();
                    return Poll::Ready(match head {
                        Some(head) => Arrived::Request(head, announced),
                        None => Arrived::Refused(Rule::Method),
                    });
                }
            }
            let waiting = if io.held().is_empty() { Waiting::Request } else { Waiting::RestOfHead };
            if closing.get() && waiting == Waiting::Request {
                return Poll::Ready(Arrived::End);
            }
            match io.poll_fill(cx) {
                Poll::Ready(Ok(n)) if n > 0 => continue,
                Poll::Ready(_) => return Poll::Ready(Arrived::End),
                Poll::Pending => {}
            }
            if self.waiting.replace(waiting) != waiting {
                let is_request = waiting == Waiting::Request;
                self.patience.set(if is_request { self.times.idle } else { self.times.head });
            }
            ready!(self.patience.poll(cx));
            return Poll::Ready(match waiting {
                Waiting::RestOfHead => {
                    guard.refuse(Rule::SlowHead);
                    Arrived::Refused(Rule::SlowHead)
                }
                Waiting::Request | Waiting::Nothing => Arrived::End,
            });
        }
    }

    /// The body that a head announced; taken at once where all of it is here.
    fn body(self: &Rc<Self>, announced: framing::Head) -> Body {
        let length = match announced.body {
            framing::Body::Length(0) => return Body::default(),
            framing::Body::Length(length) => Some(length),
            framing::Body::Chunked => None,
        };
        let mut io = self.io.borrow_mut();
        let whole = length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= io.held().len());
        if let Some(whole) = whole {
            let bytes = Bytes::copy_from_slice(&io.held()[..whole]);
            self.guard.borrow_mut().skip(whole as u64);
            io.consume(whole);
            return Body::whole(bytes);
        }
        self.continue_due.set(announced.expects);
        Body::http1_request(RequestBody { shared: Rc::clone(self), length })
    }

    /// Whether the client went away. What it sends ahead meanwhile is kept, within bounds.
    fn is_gone(&self, cx: &mut Context<'_>) -> bool {
        let guard = self.guard.borrow();
        if !guard.is_between() && !guard.is_undecided() {
            return false; // somebody reads the body, and sees for himself
        }
        let mut io = self.io.borrow_mut();
        while io.held().len() < limits::AHEAD_BYTES_MAX {
            match io.poll_fill(cx) {
                Poll::Ready(Ok(n)) if n > 0 => {}
                Poll::Ready(_) => return true,
                Poll::Pending => return false,
            }
        }
        false
    }

    fn poll_answer(&self, writer: &mut Writer, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = writer.poll(&self.io, cx);
        if written.is_ready() {
            self.unread.off();
            return written;
        }
        if self.io.borrow().waiting() > 0 {
            self.unread.set_if_off(self.times.write_stall);
            ready!(self.unread.poll(cx));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the response was not read for too long")));
        }
        self.unread.off();
        if self.is_gone(cx) { Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) } else { Poll::Pending }
    }

    /// Answers what was no request, and ends the connection.
    async fn refuse(&self, conn: &Rc<Conn>, rule: Rule) {
        let download = respond::refused(conn, rule);
        let mut close = true;
        let mut writer = Writer::new(download, &Method::GET, true, &mut close);
        if poll_fn(|cx| self.poll_answer(&mut writer, cx)).await.is_ok() {
            self.close(true).await;
        }
    }

    /// Closes our side. Where input may be left that nobody will read, it is read and thrown away for a moment: closing a socket
    /// with unread input resets it, and the reset can overtake the answer.
    async fn close(&self, answered: bool) {
        self.unread.set(self.times.write_stall);
        let closed = poll_fn(|cx| match self.io.borrow_mut().poll_close(cx) {
            Poll::Pending => self.unread.poll(cx).map(|()| false),
            Poll::Ready(closed) => Poll::Ready(closed.is_ok()),
        });
        let is_clean = self.guard.borrow().is_between() && self.io.borrow().held().is_empty();
        if !closed.await || !answered || is_clean {
            return;
        }
        self.patience.set(self.times.linger);
        let mut left = limits::LINGER_BYTES_MAX;
        poll_fn(|cx| {
            let mut io = self.io.borrow_mut();
            loop {
                let held = io.held().len();
                io.consume(held);
                match io.poll_fill(cx) {
                    Poll::Ready(Ok(n)) if n > 0 && n < left => left -= n,
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return self.patience.poll(cx),
                }
            }
        })
        .await;
    }

    /// Passes on that the program agreed to speak WebSocket, then bytes, until either end closes.
    async fn switch(self: &Rc<Self>, conn: &Rc<Conn>, download: Download, switched: Switched) {
        let mut close = false;
        let mut writer = Writer::new(download, &Method::GET, true, &mut close);
        let wrote = poll_fn(|cx| writer.poll(&self.io, cx)).await;
        drop(writer);
        if let Err(error) = wrote {
            return tracing::debug!(%error, "the protocol switch was not completed");
        }
        // The record of the request ended with its head.
        switched::pass(conn, Switch(Rc::clone(self)), switched, pending()).await;
    }
}

/// The body of a request, read from its connection as it is asked for.
#[derive(Debug)]
pub struct RequestBody {
    shared: Rc<Shared>,
    length: Option<u64>,
}

impl RequestBody {
    /// How long all of it is, where it was said.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next piece.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        let shared = &*self.shared;
        let (mut io, mut guard) = (shared.io.borrow_mut(), shared.guard.borrow_mut());
        let broken = |rule: Option<Rule>| {
            shared.broken.set(rule);
            Poll::Ready(Some(Err(Trouble::Broken)))
        };
        loop {
            match guard.body(io.held()) {
                Ok(BodyPiece::Data(n)) => {
                    shared.patience.off();
                    let data = Bytes::copy_from_slice(&io.held()[..n]);
                    io.consume(n);
                    return Poll::Ready(Some(Ok(Chunk::Data(data))));
                }
                Ok(BodyPiece::Framing(n)) => {
                    io.consume(n);
                    continue;
                }
                Ok(BodyPiece::End) => {
                    shared.patience.off();
                    return Poll::Ready(None);
                }
                Err(rule) => return broken(Some(rule)),
                Ok(BodyPiece::More) => {}
            }
            if shared.continue_due.take() {
                io.out().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                let _ = io.poll_write_out(cx); // what does not fit now goes out before the response
            }
            match io.poll_fill(cx) {
                Poll::Ready(Ok(n)) if n > 0 => shared.patience.off(),
                Poll::Ready(_) => return broken(None),
                Poll::Pending => {
                    shared.patience.set_if_off(shared.times.body_stall);
                    ready!(shared.patience.poll(cx));
                    guard.refuse(Rule::SlowBody);
                    return broken(Some(Rule::SlowBody));
                }
            }
        }
    }
}

/// A connection on which another protocol is spoken now.
struct Switch(Rc<Shared>);

impl AsyncRead for Switch {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.io.borrow_mut()).poll_read(cx, out)
    }
}

impl AsyncWrite for Switch {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.io.borrow_mut()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.io.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.io.borrow_mut()).poll_shutdown(cx)
    }
}
