//! One request on a leg, as one end sees it: what came and was not taken yet, and what may still be sent.

use super::connection::Leg;
use super::frame::Reset;
use crate::limits;
use crate::message::{Chunk, Fields, ResponseHead, Trouble};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub id: u32,
    inbox: RefCell<Inbox>,
    /// Who waits for what comes.
    reader: RefCell<Option<Waker>>,
    /// Who waits for the stream's end before its end, and perhaps another than who reads.
    watcher: RefCell<Option<Waker>>,
    /// Bytes that may be sent.
    window: Cell<u32>,
    /// Who waits for more of them.
    writer: RefCell<Option<Waker>>,
    /// The end of what this end says is on its way.
    said_all: Cell<bool>,
    reset: Cell<Option<Reset>>,
}

#[derive(Debug, Default)]
struct Inbox {
    /// A head came.
    begun: bool,
    head: Option<ResponseHead>,
    /// Interim responses that came before it and were not passed on yet.
    interim: Vec<ResponseHead>,
    data: VecDeque<Bytes>,
    trailers: Option<Fields>,
    /// Nothing comes any more.
    ended: bool,
    /// Of the body, as far as it is known: what is to come, and what all of it is.
    left: Option<u64>,
    length: Option<u64>,
    /// Bytes that may come.
    window: u32,
    /// Bytes that were taken since the other end was told.
    taken: u32,
}

/// What the other end did that it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Violation(pub &'static str);

impl Stream {
    /// A stream of which nothing came yet.
    pub(super) fn new(id: u32) -> Rc<Self> {
        Rc::new(Self {
            id,
            inbox: RefCell::new(Inbox { window: limits::LEG_WINDOW_BYTES, ..Inbox::default() }),
            reader: RefCell::default(),
            watcher: RefCell::default(),
            window: Cell::new(limits::LEG_WINDOW_BYTES),
            writer: RefCell::default(),
            said_all: Cell::default(),
            reset: Cell::default(),
        })
    }

    /// A head came, and with it what is known of the body.
    pub(super) fn head_came(
        &self,
        head: Option<ResponseHead>,
        length: Option<u64>,
        end: bool,
    ) -> Result<(), Violation> {
        let mut inbox = self.inbox.borrow_mut();
        if inbox.begun || inbox.ended {
            return Err(Violation("a second head"));
        }
        (inbox.begun, inbox.head) = (true, head);
        (inbox.left, inbox.length, inbox.ended) = (length, length, end);
        drop(inbox);
        self.wake_reader();
        Ok(())
    }

    /// An interim response came. More than are passed on are dropped.
    pub(super) fn interim_came(&self, head: ResponseHead) -> Result<(), Violation> {
        let mut inbox = self.inbox.borrow_mut();
        if inbox.begun || inbox.ended {
            return Err(Violation("an interim response after the response"));
        }
        if inbox.interim.len() < limits::INTERIM_MAX {
            inbox.interim.push(head);
        }
        drop(inbox);
        self.wake_reader();
        Ok(())
    }

    /// The interim responses that came since this was asked.
    pub(super) fn take_interim(&self) -> Vec<ResponseHead> {
        std::mem::take(&mut self.inbox.borrow_mut().interim)
    }

    /// A piece of the body came.
    pub(super) fn data_came(&self, data: &[u8], end: bool) -> Result<(), Violation> {
        let mut inbox = self.inbox.borrow_mut();
        if inbox.ended || !inbox.begun {
            return Err(Violation("data before the head or after the end"));
        }
        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
        inbox.window = inbox.window.checked_sub(bytes).ok_or(Violation("more data than there is room for"))?;
        if let Some(left) = &mut inbox.left {
            *left = left.checked_sub(bytes.into()).ok_or(Violation("a body longer than it said"))?;
        }
        if !data.is_empty() {
            inbox.data.push_back(Bytes::copy_from_slice(data));
        }
        if end && inbox.left.is_some_and(|left| left > 0) {
            drop(inbox);
            self.end(Reset::Broken); // shorter than it said: whoever reads has to know
            return Ok(());
        }
        inbox.ended = end;
        drop(inbox);
        self.wake_reader();
        Ok(())
    }

    /// The body is through, and this follows.
    pub(super) fn trailers_came(&self, trailers: Fields) -> Result<(), Violation> {
        self.data_came(&[], true)?;
        self.inbox.borrow_mut().trailers = Some(trailers);
        Ok(())
    }

    /// More may be sent.
    pub(super) fn credit_came(&self, bytes: u32) -> Result<(), Violation> {
        let window = self.window.get().checked_add(bytes).filter(|window| *window <= limits::LEG_WINDOW_BYTES);
        self.window.set(window.ok_or(Violation("more credit than a window holds"))?);
        if let Some(waker) = self.writer.borrow_mut().take() {
            waker.wake();
        }
        Ok(())
    }

    /// It is over, for whatever reason.
    pub(super) fn end(&self, reset: Reset) {
        if self.reset.get().is_none() {
            self.reset.set(Some(reset));
        }
        for place in [&self.writer, &self.watcher] {
            if let Some(waker) = place.borrow_mut().take() {
                waker.wake();
            }
        }
        self.wake_reader();
    }

    fn wake_reader(&self) {
        if let Some(waker) = self.reader.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Why it is over, where it is.
    pub(super) fn is_reset(&self) -> Option<Reset> {
        self.reset.get()
    }

    /// True once all came.
    pub(super) fn has_all_come(&self) -> bool {
        self.inbox.borrow().ended
    }

    /// How long the body is, where that was said.
    pub(super) fn length(&self) -> Option<u64> {
        if self.is_over() { Some(0) } else { self.inbox.borrow().length }
    }

    /// True once all came and was taken.
    pub(super) fn is_over(&self) -> bool {
        let inbox = self.inbox.borrow();
        inbox.ended && inbox.data.is_empty() && inbox.trailers.is_none()
    }

    /// True once the end of what this end says is on its way.
    pub(super) fn has_said_all(&self) -> bool {
        self.said_all.get()
    }

    /// Notes that the end of what this end says is on its way.
    pub(super) fn said_all(&self) {
        self.said_all.set(true);
    }

    /// Ready once it is over before its end.
    pub(super) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<Reset> {
        self.poll_over_by(&self.watcher, cx)
    }

    /// The same for whoever writes.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<Reset> {
        self.poll_over_by(&self.writer, cx)
    }

    fn poll_over_by(&self, place: &RefCell<Option<Waker>>, cx: &Context<'_>) -> Poll<Reset> {
        match self.reset.get() {
            Some(reset) => Poll::Ready(reset),
            None => {
                remember(place, cx);
                Poll::Pending
            }
        }
    }

    /// The head of the response.
    pub(super) fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Reset>> {
        if let Some(head) = self.inbox.borrow_mut().head.take() {
            return Poll::Ready(Ok(head));
        }
        self.poll_over_by(&self.reader, cx).map(Err)
    }

    /// The next piece of the body; tells the other end that there is room again.
    pub(super) fn poll_chunk(&self, leg: &Leg, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        let mut inbox = self.inbox.borrow_mut();
        if let Some(data) = inbox.data.pop_front() {
            inbox.taken += data.len() as u32; // bounded by the window
            if !inbox.ended && inbox.taken >= limits::LEG_WINDOW_BYTES / 2 {
                let taken = std::mem::take(&mut inbox.taken);
                inbox.window += taken;
                leg.write(|out| super::frame::write_credit(out, self.id, taken));
            }
            return Poll::Ready(Some(Ok(Chunk::Data(data))));
        }
        if inbox.ended {
            return Poll::Ready(inbox.trailers.take().map(|trailers| Ok(Chunk::Trailers(trailers))));
        }
        drop(inbox);
        self.poll_over_by(&self.reader, cx).map(|_| Some(Err(Trouble::Broken)))
    }

    /// Sends as much of `data` as there is room for; where it `is_last`, nothing follows. Ready once all of it is on its way.
    pub(super) fn poll_send(
        &self,
        leg: &Leg,
        data: &mut Bytes,
        is_last: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Reset>> {
        loop {
            if let Some(reset) = self.reset.get() {
                return Poll::Ready(Err(reset));
            }
            if data.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let window = self.window.get();
            if window == 0 {
                remember(&self.writer, cx);
                return Poll::Pending;
            }
            if leg.poll_room(cx).is_pending() {
                return Poll::Pending;
            }
            let n = data.len().min(window as usize).min(limits::LEG_DATA_BYTES_MAX);
            self.window.set(window - n as u32);
            let piece = data.split_to(n);
            let end = is_last && data.is_empty();
            self.said_all.set(end);
            leg.write(|out| super::frame::write_data(out, self.id, &piece, end));
        }
    }

    /// Says that nothing follows.
    pub(super) fn send_end(&self, leg: &Leg) {
        self.said_all.set(true);
        leg.write(|out| super::frame::write_data(out, self.id, &[], true));
    }

    /// Says what follows the body, and that it was all.
    pub(super) fn send_trailers(&self, leg: &Leg, trailers: &Fields) {
        self.said_all.set(true);
        leg.write(|out| super::frame::write_trailers(out, self.id, trailers));
    }

    /// Whether all of `bytes` may be sent at once.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        bytes <= self.window.get() as usize && bytes <= limits::LEG_DATA_BYTES_MAX
    }

    /// Counts what was sent at once.
    pub(super) fn sent(&self, bytes: usize) {
        self.window.set(self.window.get().saturating_sub(bytes as u32));
    }
}

fn remember(place: &RefCell<Option<Waker>>, cx: &Context<'_>) {
    let mut waker = place.borrow_mut();
    match &mut *waker {
        Some(held) => held.clone_from(cx.waker()), // nothing where it is the same one
        None => *waker = Some(cx.waker().clone()),
    }
}

/// A body that comes over a leg.
#[derive(Debug)]
pub struct Inflow {
    pub(super) leg: Leg,
    pub(super) stream: Rc<Stream>,
}

impl Inflow {
    /// How long it is, where that was said.
    pub fn length(&self) -> Option<u64> {
        self.stream.length()
    }

    /// Whether nothing of it is left to be read.
    pub fn is_over(&self) -> bool {
        self.stream.is_over()
    }

    /// The next piece.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        self.stream.poll_chunk(&self.leg, cx)
    }
}
