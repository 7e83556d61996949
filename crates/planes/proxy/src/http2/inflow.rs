//! The content of a request of HTTP/2, as it comes.

use crate::limits;
use crate::message::{Chunk, Fields, Trouble};
use bytes::Bytes;
use h2::RecvStream;
use std::task::{Context, Poll, ready};

/// What comes. Dropped before its end, the rest is not wanted.
#[derive(Debug)]
pub struct Inflow {
    stream: RecvStream,
    /// Taken already.
    ahead: Option<Result<Bytes, Trouble>>,
    /// Bytes to come beyond that, where it was said; h2 holds the client to it.
    left: Option<u64>,
}

impl Inflow {
    /// Of a stream whose request said a `length`, or did not.
    pub(super) fn new(stream: RecvStream, length: Option<u64>) -> Self {
        Self { stream, ahead: None, left: length }
    }

    /// All of it, where it came with its head, as that of most calls of gRPC does.
    ///
    /// # Errors
    /// The same, where it has to be read.
    pub fn try_whole(mut self, cx: &mut Context<'_>) -> Result<Bytes, Self> {
        if self.stream.is_end_stream() {
            return Ok(Bytes::new());
        }
        match self.poll_chunk(cx) {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(Chunk::Data(data)))) if self.stream.is_end_stream() => return Ok(data),
            Poll::Ready(Some(Ok(Chunk::Data(data)))) => self.ahead = Some(Ok(data)),
            Poll::Ready(Some(Err(trouble))) => self.ahead = Some(Err(trouble)),
            Poll::Ready(Some(Ok(Chunk::Trailers(_))) | None) => return Ok(Bytes::new()), // trailers of nothing
        }
        Err(self)
    }

    /// How long it is, where that is known.
    pub fn length(&self) -> Option<u64> {
        match &self.ahead {
            None if self.stream.is_end_stream() => Some(0),
            None => self.left,
            Some(Ok(data)) => self.left.map(|left| left + data.len() as u64),
            Some(Err(_)) => None,
        }
    }

    /// Whether nothing of it is left to be read.
    pub fn is_over(&self) -> bool {
        self.ahead.is_none() && self.stream.is_end_stream()
    }

    /// The next piece; `None` at the end. The client may send as much again.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        if let Some(ahead) = self.ahead.take() {
            return Poll::Ready(Some(ahead.map(Chunk::Data)));
        }
        loop {
            let Some(data) = ready!(self.stream.poll_data(cx)) else { break };
            let Ok(data) = data else { return Poll::Ready(Some(Err(Trouble::Broken))) };
            // Fails only on a stream that is over.
            let _ = self.stream.flow_control().release_capacity(data.len());
            // An empty piece is the end, or nothing; one who sends nothing but these is stopped by the meter.
            if !data.is_empty() {
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                return Poll::Ready(Some(Ok(Chunk::Data(data))));
            }
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(cx)) {
            Ok(None) => None,
            Ok(Some(trailers)) if trailers.len() <= limits::HEADERS_MAX => {
                Some(Ok(Chunk::Trailers(Fields::from_map(&trailers))))
            }
            Ok(Some(_)) | Err(_) => Some(Err(Trouble::Broken)),
        })
    }
}
