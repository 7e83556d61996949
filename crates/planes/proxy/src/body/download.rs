//! A response body on its way to the client.

use crate::record::Record;
use crate::upstream::Lease;
use bartizan_core::event::Ending;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a response body ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The service broke it off.
    #[error(transparent)]
    Upstream(hyper::Error),
    /// Trust ended.
    #[error("trust ended: {}", .0.as_str())]
    Over(Ending),
}

/// A response body, and what has to happen at its end: the connection it came on goes back to its pool, and the
/// request's record is written.
#[derive(Debug)]
pub struct Download {
    content: Content,
    record: Option<Record>,
}

#[derive(Debug)]
enum Content {
    Own(Option<Bytes>),
    Passed(Incoming, Option<Lease>),
}

impl Download {
    /// A body of our own.
    pub fn own(text: String, record: Record) -> Self {
        let content = Content::Own(Some(Bytes::from(text)).filter(|b| !b.is_empty()));
        Self { content, record: Some(record) }
    }

    /// A body passed on from upstream.
    pub fn passed(body: Incoming, lease: Option<Lease>, record: Record) -> Self {
        let mut it = Self { content: Content::Passed(body, lease), record: Some(record) };
        it.give_back_at_end();
        it
    }

    /// Ready with an error once the request is not allowed any more.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, DownloadError>>> {
        // What we say ourselves, a refusal perhaps, is said to its end.
        let (Content::Passed(..), Some(record)) = (&self.content, &mut self.record) else { return Poll::Pending };
        let Some(Poll::Ready(ending)) = record.ongoing().map(|ongoing| ongoing.poll_over(cx)) else {
            return Poll::Pending;
        };
        record.taken_back(ending);
        Poll::Ready(Some(Err(DownloadError::Over(ending))))
    }

    fn give_back_at_end(&mut self) {
        if let Content::Passed(body, lease) = &mut self.content
            && body.is_end_stream()
            && let Some(lease) = lease.take()
        {
            lease.give_back();
        }
    }

    fn ended(&mut self) {
        if let Content::Passed(_, lease) = &mut self.content
            && let Some(lease) = lease.take()
        {
            lease.give_back();
        }
        if let Some(record) = self.record.take() {
            record.complete();
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = DownloadError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match &mut self.content {
            Content::Own(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Content::Passed(body, _) => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(frame) => frame.map(|frame| frame.map_err(DownloadError::Upstream)),
                Poll::Pending => return self.poll_over(cx),
            },
        };
        if let Poll::Ready(over) = self.poll_over(cx) {
            return Poll::Ready(over); // a body that never pauses ends as well
        }
        match &frame {
            None => self.ended(),
            Some(Ok(_)) => self.give_back_at_end(),
            Some(Err(_)) => {
                if let Some(record) = &mut self.record {
                    record.fail("upstream_cut_short");
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(bytes) => bytes.is_none(),
            Content::Passed(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Content::Passed(body, _) => body.size_hint(),
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // hyper stops asking once a body of known length is out, or at once for HEAD.
        if self.is_end_stream() {
            self.ended();
        }
    }
}
