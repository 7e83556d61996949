//! One request on a connection to a program or a peer, and its response. Both are carried by whoever waits for them: there is no
//! task between.

use super::io::Io;
use super::print::{self, Framing};
use super::response::{self, Rest};
use crate::alarm::{Alarm, Alarms};
use crate::framing::{Chunks, Piece};
use crate::interim::Interims;
use crate::limits;
use crate::message::{Body, Chunk, Fields, RequestHead, ResponseHead, Trouble};
use crate::upstream::Failure;
use bytes::Bytes;
use http::{Method, StatusCode};
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// What is left of a connection when an exchange on it is through, and it may be used again.
pub trait Finished: std::fmt::Debug {
    /// Takes it; `patience` is how long the other end keeps it open, as far as it told.
    fn finished(&mut self, io: Io, patience: Option<Duration>);
}

/// A request that is sent, or its response that is read. Dropped before its end, it closes the connection.
#[derive(Debug)]
pub struct Exchange {
    io: Option<Io>,
    method: Method,
    upload: Option<(Body, Framing)>,
    /// The request could not be sent to its end: nothing else may follow it.
    cut: bool,
    seen: usize,
    /// Bytes of the response came.
    answered: bool,
    rest: State,
    keep_alive: bool,
    patience: Option<Duration>,
    alarms: Alarms,
    /// Made where the response is waited for.
    stalled: Option<Alarm>,
    back: Option<Box<dyn Finished>>,
    interims: Interims,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunks),
    Trailers,
    Close,
    Done,
}

impl Exchange {
    /// Writes the request into the connection's buffer; nothing is sent before it is polled.
    pub fn new(
        mut io: Io,
        head: &RequestHead,
        (body, interims): (Body, Interims),
        alarms: Alarms,
        back: Option<Box<dyn Finished>>,
    ) -> Self {
        let framing = body.length().map_or(Framing::Chunked, Framing::Length);
        print::request(io.out(), head, framing);
        let mut it = Self {
            io: Some(io),
            method: head.method.clone(),
            upload: (!body.is_empty()).then_some((body, framing)),
            cut: false,
            seen: 0,
            answered: false,
            rest: State::Head,
            keep_alive: false,
            patience: None,
            alarms,
            stalled: None,
            back,
            interims,
        };
        it.begin_upload();
        it
    }

    /// What is here of the body goes out with the head.
    fn begin_upload(&mut self) {
        let (Some((body, framing)), Some(io)) = (&self.upload, &mut self.io) else { return };
        if let Some(whole) = body.as_whole() {
            print::data(io.out(), &whole, *framing);
            print::end(io.out(), &Fields::default(), *framing);
            self.upload = None;
        }
    }

    /// Whether anything of a response came.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// The rest's length, where it is known.
    pub fn length(&self) -> Option<u64> {
        match self.rest {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// Sends as much of the request as can be. Ready with an error once it cannot be sent; it is then never said to be complete.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let sent = self.poll_sending(cx);
        if let Poll::Ready(Err(_)) = sent {
            (self.upload, self.cut) = (None, true);
        }
        sent
    }

    fn poll_sending(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Some(io) = &mut self.io else { return Poll::Ready(Ok(())) };
        loop {
            if let Poll::Ready(Err(error)) = io.poll_write_out(cx) {
                return Poll::Ready(Err(Failure::Broken(error.to_string())));
            }
            if io.waiting() >= limits::WRITE_AHEAD_BYTES {
                return Poll::Pending;
            }
            let Some((body, framing)) = &mut self.upload else { break };
            let trailers = match ready!(body.poll_chunk(cx)) {
                Some(Ok(Chunk::Data(data))) => {
                    print::data(io.out(), &data, *framing);
                    continue;
                }
                Some(Err(trouble)) => return Poll::Ready(Err(Failure::Broken(trouble.to_string()))),
                Some(Ok(Chunk::Trailers(_))) | None => Fields::default(), // requests have no use for them
            };
            print::end(io.out(), &trailers, *framing);
            self.upload = None;
        }
        if io.waiting() > 0 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// The head of the response. Interim ones are passed on and do not end the wait.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Failure>> {
        // A response may come although the request cannot be sent to its end: a refusal of its body, say.
        let sending = self.poll_upload(cx);
        loop {
            let Some(io) = &mut self.io else { return Poll::Ready(Err(Failure::Broken("no connection".into()))) };
            match response::read(io.held(), &mut self.seen, &self.method) {
                Err(rule) => return Poll::Ready(Err(Failure::Malformed(rule))),
                Ok(Some(read)) => {
                    io.consume(read.bytes);
                    let status = read.head.status;
                    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                        self.interims.pass(read.head, cx);
                        continue;
                    }
                    self.interims = Interims::default();
                    self.keep_alive = read.keep_alive;
                    self.patience = read.patience;
                    self.rest = match read.rest {
                        Rest::Length(0) => State::Done,
                        Rest::Length(n) => State::Length(n),
                        Rest::Chunked => State::Chunked(Chunks::new()),
                        Rest::Close => State::Close,
                    };
                    if status != StatusCode::SWITCHING_PROTOCOLS {
                        self.finish_where_done();
                    }
                    return Poll::Ready(Ok(read.head));
                }
                Ok(None) => {}
            }
            match io.poll_fill(cx) {
                Poll::Ready(Ok(n)) if n > 0 => self.answered = true,
                Poll::Ready(end) => {
                    if let Poll::Ready(Err(failure)) = sending {
                        return Poll::Ready(Err(failure));
                    }
                    let why = end.map_or_else(|error| error.to_string(), |_| "it was closed".to_owned());
                    return Poll::Ready(Err(Failure::Broken(why)));
                }
                Poll::Pending => {
                    return match sending {
                        // Nothing can be said any more and nothing is heard.
                        Poll::Ready(Err(failure)) => Poll::Ready(Err(failure)),
                        _ => Poll::Pending,
                    };
                }
            }
        }
    }

    /// The next piece of the response's body.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        let _ = self.poll_upload(cx); // the response decides what becomes of the exchange
        loop {
            let Some(io) = &mut self.io else { return Poll::Ready(None) };
            match step(&mut self.rest, io) {
                Err(trouble) => {
                    self.io = None;
                    return Poll::Ready(Some(Err(trouble)));
                }
                Ok(Step::Chunk(chunk)) => {
                    self.stalled = None;
                    self.finish_where_done();
                    return Poll::Ready(Some(Ok(chunk)));
                }
                Ok(Step::End) => {
                    self.finish_where_done();
                    return Poll::Ready(None);
                }
                Ok(Step::More) => {}
            }
            let read = match io.poll_fill(cx) {
                Poll::Pending => {
                    let stalled = self.stalled.get_or_insert_with(|| self.alarms.alarm());
                    stalled.set_if_off(limits::RESPONSE_STALL_TIME);
                    ready!(stalled.poll(cx));
                    Err(std::io::ErrorKind::TimedOut.into())
                }
                Poll::Ready(read) => read,
            };
            self.stalled = None;
            match read {
                Ok(n) if n > 0 => {}
                Ok(_) if matches!(self.rest, State::Close) => self.rest = State::Done,
                _ => {
                    self.io = None;
                    return Poll::Ready(Some(Err(Trouble::Broken)));
                }
            }
        }
    }

    /// Gives the connection back as soon as the response is through, before its last piece is passed on: the next request may
    /// come faster than the caller takes it.
    fn finish_where_done(&mut self) {
        if !matches!(self.rest, State::Done) {
            return;
        }
        let Some(io) = self.io.take() else { return };
        // What came beyond the response belongs to nobody.
        let is_reusable =
            self.keep_alive && !self.cut && self.upload.is_none() && io.waiting() == 0 && io.held().is_empty();
        if let (true, Some(back)) = (is_reusable, &mut self.back) {
            back.finished(io, self.patience);
        }
    }

    /// The connection, once the other end agreed to another protocol on it.
    pub fn into_io(mut self) -> Option<Io> {
        self.io.take()
    }
}

enum Step {
    Chunk(Chunk),
    End,
    More,
}

/// Understands what is held.
fn step(rest: &mut State, io: &mut Io) -> Result<Step, Trouble> {
    loop {
        if let State::Done = rest {
            return Ok(Step::End);
        }
        let held = io.held();
        if held.is_empty() || matches!(rest, State::Head) {
            return Ok(Step::More);
        }
        let data = match rest {
            State::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(held.len());
                *left -= n as u64;
                if *left == 0 {
                    *rest = State::Done;
                }
                n_bytes(io, n)
            }
            State::Close => {
                let n = held.len();
                n_bytes(io, n)
            }
            State::Chunked(chunks) => match chunks.piece(held).map_err(|_| Trouble::Broken)? {
                Piece::Data(n) => n_bytes(io, n),
                Piece::Framing { bytes, last } => {
                    io.consume(bytes);
                    if last {
                        *rest = State::Trailers;
                    }
                    continue;
                }
            },
            State::Trailers => {
                let Some((bytes, fields)) = response::trailers(held).map_err(|_| Trouble::Broken)? else {
                    return Ok(Step::More);
                };
                io.consume(bytes);
                *rest = State::Done;
                return Ok(if fields.is_empty() { Step::End } else { Step::Chunk(Chunk::Trailers(fields)) });
            }
            State::Head | State::Done => return Ok(Step::More),
        };
        return Ok(Step::Chunk(Chunk::Data(data)));
    }
}

fn n_bytes(io: &mut Io, n: usize) -> Bytes {
    let bytes = Bytes::copy_from_slice(&io.held()[..n]);
    io.consume(n);
    bytes
}
