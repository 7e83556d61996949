//! A request body on its way to the next hop.

use crate::limits;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// What went wrong with a body, seen from whoever waits for the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It grew beyond [`limits::BODY_BYTES_MAX`].
    TooLarge,
    /// The client stopped sending, or sent what the framing guard refused.
    Broken,
}

/// Tells whether the body was the reason that a request failed.
#[derive(Clone, Debug, Default)]
pub struct Watch(Rc<Cell<Option<Trouble>>>);

impl Watch {
    /// The trouble, where there was some.
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.get()
    }
}

/// Streams a request body and stops it at the limit.
#[derive(Debug)]
pub struct Upload {
    inner: Incoming,
    /// Bytes that may still come; `None` where there is no bound.
    left: Option<u64>,
    watch: Watch,
}

impl Upload {
    /// Passes `inner` on; without a bound where `endless`.
    pub fn new(inner: Incoming, endless: bool, watch: Watch) -> Self {
        Self { inner, left: (!endless).then_some(limits::BODY_BYTES_MAX), watch }
    }

    fn fail(&self, trouble: Trouble) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        self.watch.0.set(Some(trouble));
        Poll::Ready(Some(Err(UploadError)))
    }
}

/// The request body ended before its end; [`Watch`] says why.
#[derive(Debug, thiserror::Error)]
#[error("the request body was cut off")]
pub struct UploadError;

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            None => Poll::Ready(None),
            Some(Err(_)) => self.fail(Trouble::Broken),
            // Trailers could say again what the filters took out of the head; requests have no use for them.
            Some(Ok(frame)) if frame.is_trailers() => Poll::Ready(None),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                match &mut self.left {
                    Some(left) if bytes > *left => self.fail(Trouble::TooLarge),
                    Some(left) => {
                        *left -= bytes;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => Poll::Ready(Some(Ok(frame))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
