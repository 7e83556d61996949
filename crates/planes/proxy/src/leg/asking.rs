//! A request sent over a leg, and its response. Both are carried by whoever waits for them.

use super::connection::Leg;
use super::frame::{self, Reset};
use super::stream::Stream;
use crate::message::{Body, Chunk, RequestHead, ResponseHead, Trouble};
use crate::upstream::Failure;
use bytes::Bytes;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// A request that is sent, or its response that is read. Dropped before its end, it gives the request up.
#[derive(Debug)]
pub struct Exchange {
    leg: Leg,
    stream: Rc<Stream>,
    upload: Option<Upload>,
}

#[derive(Debug)]
struct Upload {
    body: Body,
    /// Taken from the body and not sent yet.
    piece: Bytes,
}

impl Exchange {
    /// Sends a request's head, and its body where that is here and short; `Err` gives the body back where the leg takes no more.
    pub fn begin(leg: &Leg, head: &RequestHead, body: Body) -> Result<Self, Body> {
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
        let upload = whole.is_none().then_some(Upload { body, piece: Bytes::new() });
        Ok(Self { leg: leg.clone(), stream, upload })
    }

    /// How long the response's body is, where that was said.
    pub fn length(&self) -> Option<u64> {
        self.stream.length()
    }

    /// Sends as much of the request as can be.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let broken = |why: String| Poll::Ready(Err(Failure::Broken(why)));
        while let Some(Upload { body, piece }) = &mut self.upload {
            match ready!(self.stream.poll_send(&self.leg, piece, cx)) {
                Ok(()) => {}
                Err(Reset::NotNeeded) => {
                    self.upload = None;
                    break;
                }
                Err(reset) => return broken(format!("the request was reset ({reset:?})")),
            }
            match ready!(body.poll_chunk(cx)) {
                Some(Ok(Chunk::Data(data))) => *piece = data,
                Some(Err(trouble)) => return broken(trouble.to_string()),
                Some(Ok(Chunk::Trailers(_))) | None => {
                    self.leg.write(|out| frame::write_data(out, self.stream.id, &[], true));
                    self.upload = None;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The head of the response.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Failure>> {
        let sending = self.poll_upload(cx);
        match self.stream.poll_head(cx) {
            Poll::Ready(Ok(head)) => Poll::Ready(Ok(head)),
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
        let is_through = self.upload.is_none() && self.stream.has_all_come();
        if !is_through && self.stream.is_reset().is_none() {
            self.leg.write(|out| frame::write_reset(out, self.stream.id, Reset::Cancelled));
        }
        self.leg.close(self.stream.id);
    }
}
