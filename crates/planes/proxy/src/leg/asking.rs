//! A request sent over a leg, and its response. Both are carried by whoever waits for them; but a request of HTTP/2 whose body
//! is still to come is sent by a task of its own, since there each direction goes on though the other one stands still.

use super::connection::Leg;
use super::frame::{self, Reset};
use super::stream::Stream;
use crate::interim::Interims;
use crate::limits;
use crate::message::{Body, Chunk, RequestHead, ResponseHead, Trouble};
use crate::upstream::Failure;
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A request that is sent, or its response that is read. Dropped before its end, it gives the request up.
#[derive(Debug)]
pub struct Exchange {
    leg: Leg,
    stream: Rc<Stream>,
    /// What is sent of the request, where its body was not at hand.
    upload: Option<Rc<RefCell<Upload>>>,
    /// Whoever waits for the response sends it, and it is not over.
    uploads: bool,
    interims: Interims,
}

#[derive(Debug)]
struct Upload {
    leg: Leg,
    stream: Rc<Stream>,
    body: Body,
    /// Taken from the body and not sent yet.
    piece: Bytes,
    /// What was taken from it so far; `None` where it is not needed any more, or too much.
    kept: Option<Kept>,
    /// The body was taken back.
    over: bool,
}

/// The beginning of a body, so that all of it can be sent again.
#[derive(Debug)]
struct Kept {
    pieces: Vec<Bytes>,
    bytes: usize,
    /// Of the whole body, where it is known.
    length: Option<u64>,
}

impl Exchange {
    /// Sends a request's head, and its body where that is here and short; `Err` gives the body back where the leg takes no more.
    pub fn begin(leg: &Leg, head: &RequestHead, body: Body, interims: Interims) -> Result<Self, Body> {
        let Some(stream) = leg.open() else { return Err(body) };
        let whole = body.as_whole().filter(|whole| stream.has_room(whole.len()));
        let length = body.length();
        leg.write(|out| {
            let is_empty = whole.as_ref().is_some_and(Bytes::is_empty);
            frame::write_request(out, stream.id, head, length, is_empty);
            if let Some(whole) = whole.as_ref().filter(|whole| !whole.is_empty()) {
                stream.sent(whole.len());
                frame::write_data(out, stream.id, whole, true);
            }
        });
        let mut it = Self { leg: leg.clone(), stream, upload: None, uploads: false, interims };
        if whole.is_some() {
            it.stream.said_all();
            return Ok(it);
        }
        let kept = Some(Kept { pieces: Vec::new(), bytes: 0, length });
        let (leg, stream) = (leg.clone(), Rc::clone(&it.stream));
        let upload = Upload { leg, stream, body, piece: Bytes::new(), kept, over: false };
        let upload = Rc::new(RefCell::new(upload));
        if head.http2 {
            tokio::task::spawn_local(run(Rc::clone(&upload)));
        } else {
            it.uploads = true;
        }
        it.upload = Some(upload);
        Ok(it)
    }

    /// The whole body, where nobody looked at the request; `None` where it was at hand from the beginning, or was too long to be
    /// kept.
    pub fn take_back(&mut self) -> Option<Body> {
        self.uploads = false;
        self.upload.take()?.borrow_mut().take_back()
    }

    /// The request will not be sent again.
    pub fn keep_no_more(&mut self) {
        if let Some(upload) = &self.upload {
            upload.borrow_mut().kept = None;
        }
    }

    /// How long the response's body is, where that was said.
    pub fn length(&self) -> Option<u64> {
        self.stream.length()
    }

    /// Whether nothing of the response is left to be read.
    pub fn is_over(&self) -> bool {
        self.stream.is_over()
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Some(upload) = self.upload.as_ref().filter(|_| self.uploads) else { return Poll::Ready(Ok(())) };
        let sent = ready!(upload.borrow_mut().poll(cx));
        self.uploads = false;
        Poll::Ready(sent)
    }

    /// The head of the response. Interim ones are passed on meanwhile.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Failure>> {
        let sending = self.poll_upload(cx);
        for head in self.stream.take_interim() {
            self.interims.pass(head, cx);
        }
        match self.stream.poll_head(cx) {
            Poll::Ready(Ok(head)) => {
                self.interims = Interims::default();
                Poll::Ready(Ok(head))
            }
            Poll::Ready(Err(Reset::Refused)) => Poll::Ready(Err(Failure::Unprocessed)),
            Poll::Ready(Err(reset)) => Poll::Ready(Err(Failure::Broken(format!("the leg ended ({reset:?})")))),
            Poll::Pending => match sending {
                Poll::Ready(Err(failure)) => Poll::Ready(Err(failure)),
                _ => Poll::Pending,
            },
        }
    }

    /// The next piece of the response's body.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        let _ = self.poll_upload(cx); // the response decides what becomes of the exchange
        self.stream.poll_chunk(&self.leg, cx)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let is_answered = self.stream.has_all_come();
        if is_answered {
            self.leg.answered();
        }
        if !(is_answered && self.stream.has_said_all()) && self.stream.is_reset().is_none() {
            self.leg.give_up(self.stream.id);
        }
        self.leg.close(self.stream.id);
        self.stream.end(Reset::Cancelled); // whoever still sends stops
    }
}

impl Upload {
    /// Sends as much of the request as can be.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Self { leg, stream, body, piece, kept, over } = self;
        if *over {
            return Poll::Ready(Ok(()));
        }
        loop {
            let is_last = body.is_over();
            match ready!(stream.poll_send(leg, piece, is_last, cx)) {
                Ok(()) if stream.has_said_all() => return Poll::Ready(Ok(())),
                Ok(()) => {}
                Err(Reset::NotNeeded) => return Poll::Ready(Ok(())),
                Err(reset) => return Poll::Ready(Err(Failure::Broken(format!("the request was reset ({reset:?})")))),
            }
            match ready!(body.poll_chunk(cx)) {
                Some(Ok(Chunk::Data(data))) => {
                    *kept = kept.take().and_then(|kept| kept.with(&data));
                    *piece = data;
                }
                Some(Ok(Chunk::Trailers(trailers))) => {
                    *kept = None;
                    stream.send_trailers(leg, &trailers);
                }
                Some(Err(trouble)) => return Poll::Ready(Err(Failure::Broken(trouble.to_string()))),
                None => stream.send_end(leg),
            }
        }
    }

    fn take_back(&mut self) -> Option<Body> {
        self.over = true;
        let Kept { pieces, bytes, length } = self.kept.take()?;
        let mut read = BytesMut::with_capacity(bytes);
        pieces.iter().for_each(|piece| read.extend_from_slice(piece));
        Some(Body::again(read.freeze(), length, std::mem::take(&mut self.body)))
    }
}

impl Kept {
    /// With another piece, where that is not too much.
    fn with(mut self, piece: &Bytes) -> Option<Self> {
        self.bytes += piece.len();
        self.pieces.push(piece.clone());
        (self.bytes <= limits::REPLAY_BYTES_MAX).then_some(self)
    }
}

/// Sends all of a request, unless the stream is over before.
async fn run(upload: Rc<RefCell<Upload>>) {
    let sent = poll_fn(|cx| {
        let mut upload = upload.borrow_mut();
        match upload.stream.poll_gone(cx) {
            Poll::Ready(_) => Poll::Ready(Ok(())),
            Poll::Pending => upload.poll(cx),
        }
    });
    let failed = sent.await.is_err();
    let upload = upload.borrow();
    if failed && upload.stream.is_reset().is_none() {
        // Whoever asked did not say all: the program may not take it for all.
        upload.leg.give_up(upload.stream.id);
        upload.stream.end(Reset::Cancelled);
    }
}
