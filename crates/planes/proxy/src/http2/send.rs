//! A response on its way to a client of HTTP/2.

use crate::message::{Chunk, ResponseHead};
use crate::respond::Download;
use bytes::Bytes;
use h2::{Reason, SendStream};
use http::Response;
use std::task::{Context, Poll, ready};

/// A head in h2's words.
pub(super) fn said(head: &ResponseHead) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.fields.to_map();
    response
}

/// A body that is sent.
#[derive(Debug)]
pub(super) struct Outflow {
    stream: SendStream<Bytes>,
    /// Taken from the body, and whether it is the last; the client has no room for it yet.
    held: Option<(Bytes, bool)>,
}

impl Outflow {
    pub(super) fn new(stream: SendStream<Bytes>) -> Self {
        Self { stream, held: None }
    }

    /// Sends as much of `download` as can be; ready once all of it is on its way, or nobody wants it or has it any more.
    pub(super) fn poll(&mut self, download: &mut Download, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            if let Poll::Ready(reason) = self.stream.poll_reset(cx)? {
                return Poll::Ready(Err(reason.into()));
            }
            if self.held.is_some() {
                ready!(self.poll_room(cx))?;
                if self.send_held()? {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(download.poll_chunk(cx)) {
                Some(Ok(Chunk::Data(data))) => {
                    // No more than a claim: who asks for room for all of it takes it from streams that could use it.
                    self.stream.reserve_capacity(usize::from(!data.is_empty()));
                    self.held = Some((data, download.is_over()));
                }
                Some(Ok(Chunk::Trailers(trailers))) => {
                    self.stream.reserve_capacity(0);
                    return Poll::Ready(self.stream.send_trailers(trailers.to_map()));
                }
                // The client has to see that it is not whole.
                Some(Err(_)) => {
                    self.stream.send_reset(Reason::INTERNAL_ERROR);
                    return Poll::Ready(Err(Reason::INTERNAL_ERROR.into()));
                }
                None => return Poll::Ready(self.stream.send_data(Bytes::new(), true)),
            }
        }
    }

    /// Ready where some of what is held may be sent; h2 keeps the rest of it, within its bound.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let is_empty = self.held.as_ref().is_none_or(|(data, _)| data.is_empty());
        while !is_empty && self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Err(Reason::CANCEL.into())),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// True where that was all.
    fn send_held(&mut self) -> Result<bool, h2::Error> {
        let Some((data, is_last)) = self.held.take() else { return Ok(false) };
        self.stream.send_data(data, is_last)?;
        Ok(is_last)
    }
}
