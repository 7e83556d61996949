//! The body of an answer from outside, passed on as it comes; its end is the end of the trip.

use super::metered::Bytes as Counted;
use super::trip::Trip;
use crate::limits;
use bartizan_core::event::Ending;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep};

/// What the program is sent.
pub(super) enum OutBody {
    /// Of the guard's own.
    Own(Full<Bytes>),
    /// From outside.
    Passed(Box<Passed>),
}

/// See the module.
pub(super) struct Passed {
    body: Incoming,
    bytes: Counted,
    trip: Option<Trip>,
    /// Ready once the destination is not allowed any more.
    over: Pin<Box<dyn Future<Output = Ending>>>,
    stall: Pin<Box<Sleep>>,
}

impl Passed {
    pub(super) fn new(
        body: Incoming,
        bytes: Counted,
        trip: Trip,
        over: impl Future<Output = Ending> + 'static,
    ) -> Self {
        let stall = Box::pin(sleep(limits::BODY_STALL_TIME));
        Self { body, bytes, trip: Some(trip), over: Box::pin(over), stall }
    }

    fn finish(&mut self, error: Option<&str>) {
        if let Some(trip) = self.trip.take() {
            trip.closed(self.bytes.up(), self.bytes.down(), error);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.trip.is_none() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(ending) = self.over.as_mut().poll(cx) {
            self.finish(Some(ending.as_str()));
            return Poll::Ready(Some(Err(io::Error::other(ending.as_str()))));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.stall.as_mut().reset(Instant::now() + limits::BODY_STALL_TIME);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.finish(None);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.finish(Some("broken"));
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
            Poll::Pending => {
                if self.stall.as_mut().poll(cx).is_ready() {
                    self.finish(Some("idle"));
                    return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        // hyper need not ask for the end of a body whose length it knows.
        let whole = self.body.is_end_stream();
        self.finish(if whole { None } else { Some("cut_short") });
    }
}

impl Body for OutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Passed(passed) => passed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Passed(passed) => passed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Passed(passed) => passed.body.size_hint(),
        }
    }
}
