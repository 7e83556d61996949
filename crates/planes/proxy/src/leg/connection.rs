//! A leg as a whole: its streams, what is to be written, and the one task that reads and writes.

use super::frame::{self, Frame, Reset};
use super::meter::{self, Meter, Points};
use super::silence::{Next, Silence};
use super::stream::{Stream, Violation};
use crate::alarm::Alarm;
use crate::limits;
use crate::message::RequestHead;
use bartizan_runtime::tls::Records;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

/// One end of a leg. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Leg(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    /// This end asks; the other one answers.
    asks: bool,
    /// Frames to be written.
    out: RefCell<Vec<u8>>,
    /// The task that reads and writes.
    driver: RefCell<Option<Waker>>,
    /// Who waits for room in `out`.
    crowd: RefCell<Vec<Waker>>,
    streams: RefCell<HashMap<u32, Rc<Stream>, BuildHasherDefault<Number>>>,
    /// The number of the newest stream.
    newest: Cell<u32>,
    /// And of the newest one of which anything may have gone out.
    told: Cell<u32>,
    /// What the other end said that it understands; see [`frame::UNDERSTANDS_INTERIM`].
    understands: Cell<u32>,
    /// Requests that were given up unanswered, beyond those that were answered; both ends count.
    given_up: Cell<u32>,
    /// No new streams.
    leaving: Cell<bool>,
    ended: Cell<bool>,
}

/// Spreads numbers that the other end may choose in rising order alone: there is nothing in it to attack.
#[derive(Debug, Default)]
struct Number(u64);

impl Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Leg {
    /// An end that asks, or one that answers.
    pub fn new(asks: bool) -> Self {
        let mut out = Vec::new();
        if asks {
            frame::write_credit(&mut out, 0, frame::UNDERSTANDS_INTERIM); // goes out with the first request
        }
        Self(Rc::new(Inner {
            asks,
            out: RefCell::new(out),
            driver: RefCell::default(),
            crowd: RefCell::default(),
            streams: RefCell::default(),
            newest: Cell::new(0),
            told: Cell::new(0),
            understands: Cell::new(0),
            given_up: Cell::new(0),
            leaving: Cell::new(false),
            ended: Cell::new(false),
        }))
    }

    /// A new stream to ask on; `None` where this leg takes no more.
    pub(super) fn open(&self) -> Option<Rc<Stream>> {
        if !self.has_room() {
            return None;
        }
        let stream = Stream::new(self.0.newest.get() + 1);
        self.0.newest.set(stream.id);
        self.0.streams.borrow_mut().insert(stream.id, Rc::clone(&stream));
        Some(stream)
    }

    /// Whether another request may be sent over it.
    pub fn has_room(&self) -> bool {
        self.is_good() && self.streams() < limits::LEG_STREAMS_MAX
    }

    /// Whether it is open, and stays so for now.
    pub fn is_good(&self) -> bool {
        !self.0.leaving.get() && !self.0.ended.get() && self.0.newest.get() < u32::MAX
    }

    /// Requests under way.
    pub fn streams(&self) -> usize {
        self.0.streams.borrow().len()
    }

    /// A stream is not needed any more.
    pub(super) fn close(&self, id: u32) {
        self.0.streams.borrow_mut().remove(&id);
        if self.0.leaving.get() {
            self.wake_driver(); // perhaps it was the last one
        }
    }

    /// Gives up a request of this end that is not answered.
    pub(super) fn give_up(&self, id: u32) {
        self.write(|out| frame::write_reset(out, id, Reset::Cancelled));
        // What comes gets another leg before the other end takes this for a flood. What is under way here goes on.
        if self.count_given_up() >= limits::LEG_GIVEN_UP_MAX / 2 {
            self.leave();
        }
    }

    /// A request was answered to the end.
    pub(super) fn answered(&self) {
        self.0.given_up.set(self.0.given_up.get().saturating_sub(1));
    }

    fn count_given_up(&self) -> u32 {
        let count = self.0.given_up.get().saturating_add(1);
        self.0.given_up.set(count);
        count
    }

    /// Writes frames. They go out with whatever else is ready at this moment.
    pub(super) fn write(&self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.0.ended.get() {
            return;
        }
        let mut out = self.0.out.borrow_mut();
        let was_empty = out.is_empty();
        write(&mut out);
        drop(out);
        if was_empty {
            self.wake_driver();
        }
    }

    /// Ready where little enough waits to be written.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.out.borrow().len() < limits::LEG_WAITING_BYTES_MAX || self.0.ended.get() {
            return Poll::Ready(());
        }
        self.0.crowd.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }

    /// Whether an interim response may be sent now: the other end knows such, and reads what it is sent.
    pub(super) fn takes_interim(&self) -> bool {
        self.0.understands.get() & frame::UNDERSTANDS_INTERIM != 0
            && self.0.out.borrow().len() < limits::LEG_WAITING_BYTES_MAX
    }

    /// Takes no new streams and ends once those under way are through.
    pub fn leave(&self) {
        if self.0.leaving.replace(true) {
            return;
        }
        if !self.0.asks {
            self.write(|out| frame::write_going_away(out, self.0.newest.get()));
        }
        self.wake_driver();
    }

    /// Asks the other end to leave. What it has sent by then is still taken, so that nothing is lost.
    pub fn ask_to_leave(&self) {
        self.write(|out| frame::write_going_away(out, u32::MAX));
    }

    fn wake_driver(&self) {
        if let Some(driver) = self.0.driver.borrow_mut().take() {
            driver.wake();
        }
    }

    /// It is over: everything on it is.
    pub(crate) fn end(&self) {
        self.0.ended.set(true);
        let streams = std::mem::take(&mut *self.0.streams.borrow_mut());
        // The other end cannot have looked at what never went out.
        let unseen = |stream: &Stream| self.0.asks && stream.id > self.0.told.get();
        streams.values().for_each(|s| s.end(if unseen(s) { Reset::Refused } else { Reset::Broken }));
        self.wake_crowd();
    }

    fn wake_crowd(&self) {
        std::mem::take(&mut *self.0.crowd.borrow_mut()).into_iter().for_each(Waker::wake);
    }

    fn stream(&self, id: u32) -> Option<Rc<Stream>> {
        self.0.streams.borrow().get(&id).cloned()
    }

    /// Takes a frame in, and says what it was worth. New requests are given to `begin`.
    fn take(
        &self,
        id: u32,
        frame: Frame<'_>,
        begin: &mut dyn FnMut(RequestHead, Rc<Stream>),
    ) -> Result<Points, Violation> {
        match frame {
            // Where the other end does not read, answers to its questions are not piled up.
            Frame::Ping if self.0.out.borrow().len() >= limits::LEG_WAITING_BYTES_MAX => Ok(meter::ASKS),
            Frame::Ping => {
                self.write(|out| frame::write_ping(out, true));
                Ok(meter::ASKS)
            }
            Frame::Pong => Ok(meter::IDLE),
            Frame::GoingAway(last) => {
                self.0.leaving.set(true);
                let streams = self.0.streams.borrow();
                streams.values().filter(|stream| stream.id > last).for_each(|stream| stream.end(Reset::Refused));
                Ok(meter::IDLE)
            }
            Frame::Credit(bits) if id == 0 => {
                self.0.understands.set(bits);
                Ok(meter::IDLE)
            }
            Frame::Request(head, length, end) => self.request_came(id, head, length, end, begin).map(|()| meter::HEAD),
            Frame::Response(..) | Frame::Interim(_) if !self.0.asks => Err(Violation("a response to who answers")),
            frame => match self.stream(id) {
                Some(stream) => {
                    let gives_up = !self.0.asks && matches!(frame, Frame::Reset(_)) && !stream.has_said_all();
                    if gives_up && self.count_given_up() >= limits::LEG_GIVEN_UP_MAX {
                        return Err(Violation("too many requests that it gave up"));
                    }
                    take_on(&stream, frame)
                }
                // Late, for a stream that was given up here.
                None if id <= self.0.newest.get() => Ok(meter::IDLE),
                None => Err(Violation("a stream that there is not")),
            },
        }
    }

    fn request_came(
        &self,
        id: u32,
        head: RequestHead,
        length: Option<u64>,
        end: bool,
        begin: &mut dyn FnMut(RequestHead, Rc<Stream>),
    ) -> Result<(), Violation> {
        if self.0.asks || id <= self.0.newest.get() {
            return Err(Violation("a request that is not the newest"));
        }
        if self.0.leaving.get() || self.streams() >= limits::LEG_STREAMS_MAX {
            self.0.newest.set(id); // what follows on it is late
            self.write(|out| frame::write_reset(out, id, Reset::Refused));
            return Ok(());
        }
        self.0.newest.set(id);
        let stream = Stream::new(id);
        stream.head_came(None, length, end)?;
        self.0.streams.borrow_mut().insert(id, Rc::clone(&stream));
        begin(head, stream);
        Ok(())
    }
}

/// Takes in what belongs to a stream.
fn take_on(stream: &Stream, frame: Frame<'_>) -> Result<Points, Violation> {
    match frame {
        Frame::Response(head, length, end) => stream.head_came(Some(head), length, end).map(|()| meter::HEAD),
        Frame::Interim(head) => stream.interim_came(head).map(|()| meter::IDLE),
        Frame::Data(data, end) => {
            let worth = match (data.is_empty(), end) {
                (true, false) => meter::IDLE,
                (true, true) => meter::NOTHING,
                (false, _) => meter::CONTENT,
            };
            stream.data_came(data, end).map(|()| worth)
        }
        Frame::Trailers(trailers) => stream.trailers_came(trailers).map(|()| meter::CONTENT),
        Frame::Credit(bytes) => stream.credit_came(bytes).map(|()| meter::IDLE),
        Frame::Reset(reset) => {
            stream.end(reset);
            Ok(meter::NOTHING)
        }
        _ => Err(Violation("a frame that belongs to no stream")),
    }
}

/// Reads and writes until the leg is over. Requests are given to `begin`, which starts something that answers them.
///
/// # Errors
/// Why it broke: what the kernel or TLS said, `InvalidData` for what is no frame or breaks the protocol, `TimedOut` where the other
/// end is silent though asked.
pub(crate) async fn drive(
    leg: &Leg,
    mut records: Records,
    quiet: Alarm,
    begin: &mut dyn FnMut(RequestHead, Rc<Stream>),
) -> io::Result<()> {
    let meter = Meter::default();
    let (held, writing) = <(Vec<u8>, Vec<u8>)>::default();
    let silence = Silence::default();
    let mut driver = Driver { leg, held, writing, meter, quiet, silence, deaf: None, said_goodbye: false };
    let ended = poll_fn(|cx| driver.poll(&mut records, begin, cx)).await;
    leg.end();
    ended
}

struct Driver<'a> {
    leg: &'a Leg,
    /// The beginning of a frame.
    held: Vec<u8>,
    /// Lent for what is written.
    writing: Vec<u8>,
    meter: Meter,
    quiet: Alarm,
    /// How long nothing came.
    silence: Silence,
    /// Why nothing can be written any more, though what the other end said before may still be there to be read.
    deaf: Option<io::Error>,
    /// The other end was told that nothing comes any more.
    said_goodbye: bool,
}

impl Driver<'_> {
    fn poll(
        &mut self,
        records: &mut Records,
        begin: &mut dyn FnMut(RequestHead, Rc<Stream>),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        {
            let mut driver = self.leg.0.driver.borrow_mut();
            match &mut *driver {
                Some(held) => held.clone_from(cx.waker()),
                None => *driver = Some(cx.waker().clone()),
            }
        }
        if self.said_goodbye {
            return self.linger(records, cx);
        }
        let read = if self.is_behind() { Read::Waiting } else { self.read(records, begin, cx)? };
        let was_behind = self.is_behind();
        let written = self.write_if_heard(records, cx)?;
        let leg = self.leg;
        let is_over = leg.0.leaving.get() && leg.0.streams.borrow().is_empty();
        if read == Read::End || (is_over && self.deaf.is_some()) {
            return Poll::Ready(self.deaf.take().map_or(Ok(()), Err));
        }
        if was_behind && !self.is_behind() {
            cx.waker().wake_by_ref(); // there may be more to read
        }
        if is_over && written.is_ready() {
            ready!(records.poll_close(cx))?;
            return self.say_goodbye(records, cx);
        }
        self.poll_quiet(written.is_pending(), cx)
    }

    /// Whoever asked has heard by now that this end leaves, and from which request on it must ask elsewhere; or is about to. While
    /// it may still be writing, the socket stays open: closing it over what was not read would be a reset, which can overtake
    /// answers on their way.
    fn say_goodbye(&mut self, records: &mut Records, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.leg.0.asks {
            return Poll::Ready(Ok(()));
        }
        self.said_goodbye = true;
        self.quiet.set(limits::LINGER_TIME);
        self.linger(records, cx)
    }

    /// Throws away what comes until the other end closes as well, for a moment.
    fn linger(&mut self, records: &mut Records, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..limits::LEG_READS_MAX {
            match records.poll_read(cx, &mut |_| Ok(())) {
                Poll::Pending => return self.quiet.poll(cx).map(Ok),
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        self.quiet.poll(cx).map(Ok)
    }

    /// Writes what there is. Where that fails at the end that asks, it hears the other one out: what that said before it went away,
    /// answers and from which request on it looked at none, is there still.
    fn write_if_heard(&mut self, records: &mut Records, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        if self.deaf.is_none() {
            match self.write(records, cx) {
                Err(error) if self.leg.0.asks => {
                    self.leg.0.leaving.set(true); // nothing new begins here
                    self.deaf = Some(error);
                }
                written => return written,
            }
        }
        Ok(Poll::Pending)
    }

    /// Whether so much waits to be written that nothing more is taken in: who asks and does not read would else make us hold
    /// every answer. Whoever asks always reads, so that the two ends never wait for each other.
    fn is_behind(&self) -> bool {
        !self.leg.0.asks && self.leg.0.out.borrow().len() >= 2 * limits::LEG_WAITING_BYTES_MAX
    }

    /// Reads what there is, though not for ever: others want to be served as well.
    fn read(
        &mut self,
        records: &mut Records,
        begin: &mut dyn FnMut(RequestHead, Rc<Stream>),
        cx: &mut Context<'_>,
    ) -> io::Result<Read> {
        for _ in 0..limits::LEG_READS_MAX {
            let (leg, held, meter) = (self.leg, &mut self.held, &mut self.meter);
            match records.poll_read(cx, &mut |plain| take(leg, (held, meter), plain, begin)) {
                Poll::Pending => return Ok(Read::Waiting),
                Poll::Ready(Ok(0)) => return Ok(Read::End),
                Poll::Ready(Ok(_)) => {
                    self.silence.heard();
                    self.quiet.set(limits::LEG_QUIET_TIME);
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
        cx.waker().wake_by_ref();
        Ok(Read::Waiting)
    }

    /// Writes what there is. What comes while it cannot be written waits, and goes out together.
    fn write(&mut self, records: &mut Records, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        loop {
            if records.poll_flush(cx)?.is_pending() {
                return Ok(Poll::Pending);
            }
            if self.leg.0.out.borrow().is_empty() {
                return Ok(Poll::Ready(()));
            }
            std::mem::swap(&mut *self.leg.0.out.borrow_mut(), &mut self.writing);
            self.leg.0.told.set(self.leg.0.newest.get());
            records.write(&self.writing)?;
            self.meter.wrote(self.writing.len());
            self.writing.clear();
            if self.writing.capacity() > limits::LEG_KEEP_BYTES {
                self.writing = Vec::new();
            }
            self.leg.wake_crowd();
        }
    }

    /// Nothing was said for a while: an idle leg keeps no buffers.
    fn give_back(&mut self) {
        let mut out = self.leg.0.out.borrow_mut();
        for buffer in [&mut *out, &mut self.writing, &mut self.held] {
            buffer.shrink_to(0); // what is in it stays
        }
    }

    /// Asks whether the other end is there where it is silent, and gives it up where it stays so. A leg that is not used ends.
    fn poll_quiet(&mut self, unread: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.quiet.set_if_off(limits::LEG_QUIET_TIME);
        ready!(self.quiet.poll(cx));
        self.quiet.set(limits::LEG_QUIET_TIME);
        self.meter.rested();
        self.give_back();
        let busy = !self.leg.0.streams.borrow().is_empty();
        match self.silence.passed(busy, unread) {
            Next::Wait => {}
            Next::Ask => {
                self.leg.write(|out| frame::write_ping(out, false));
                cx.waker().wake_by_ref();
            }
            Next::Leave => {
                self.leg.leave();
                cx.waker().wake_by_ref();
            }
            Next::Dead(why) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why))),
        }
        let _ = self.quiet.poll(cx);
        Poll::Pending
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    Waiting,
    End,
}

/// Takes every whole frame out of `plain`; what is left of it is held.
fn take(
    leg: &Leg,
    (held, meter): (&mut Vec<u8>, &mut Meter),
    plain: &[u8],
    begin: &mut dyn FnMut(RequestHead, Rc<Stream>),
) -> io::Result<()> {
    let broken = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let is_whole = held.is_empty();
    if !is_whole {
        held.extend_from_slice(plain);
    }
    let all = if is_whole { plain } else { &held[..] };
    let mut at = 0;
    while let Some((id, frame, bytes)) = frame::read(&all[at..]).map_err(|error| broken(error.to_string()))? {
        at += bytes;
        let worth = leg.take(id, frame, begin);
        let worth = worth.map_err(|Violation(what)| broken(format!("the other end sent {what}")))?;
        if !meter.came(worth) {
            return Err(broken("the other end sent too much that carries nothing".to_owned()));
        }
    }
    if is_whole {
        held.extend_from_slice(&plain[at..]);
    } else {
        held.drain(..at);
    }
    if held.is_empty() && held.capacity() > limits::LEG_KEEP_BYTES {
        *held = Vec::new();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_have_gone_out_may_have_been_looked_at() {
        for (asks, of_the_unsaid) in [(true, Reset::Refused), (false, Reset::Broken)] {
            let leg = Leg::new(asks);
            let said = leg.open().unwrap();
            leg.0.told.set(said.id);
            let unsaid = leg.open().unwrap();
            leg.end();
            assert_eq!((said.is_reset(), unsaid.is_reset()), (Some(Reset::Broken), Some(of_the_unsaid)), "{asks}");
            assert!(leg.open().is_none());
        }
    }
}
