//! Content on its way from one connection to another, in pieces, whatever is spoken on either.

use super::Fields;
use crate::http1;
use crate::http2;
use crate::leg;
use crate::limits;
use crate::upstream;
use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// One piece.
#[derive(Debug)]
pub enum Chunk {
    /// Bytes of the content, at least one.
    Data(Bytes),
    /// What follows the content; nothing comes after it.
    Trailers(Fields),
}

impl Chunk {
    /// In hyper's words.
    pub fn into_frame(self) -> http_body::Frame<Bytes> {
        match self {
            Self::Data(data) => http_body::Frame::data(data),
            Self::Trailers(fields) => http_body::Frame::trailers(fields.to_map()),
        }
    }
}

/// What went wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It grew beyond [`limits::BODY_BYTES_MAX`].
    #[error("the body is too large")]
    TooLarge,
    /// Whoever sends it stopped, or sent what was refused.
    #[error("the body ended before its end")]
    Broken,
}

/// Tells whether the request's body was the reason that a request failed.
#[derive(Clone, Debug, Default)]
pub struct Watch(Rc<Cell<Option<Trouble>>>);

impl Watch {
    /// The trouble, where there was some.
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.get()
    }
}

/// A body that is read piece by piece.
#[derive(Debug, Default)]
pub struct Body {
    source: Source,
    /// Bytes that may still come; `None` where there is no bound.
    left: Option<u64>,
    watch: Watch,
}

#[derive(Debug, Default)]
enum Source {
    #[default]
    Empty,
    Whole(Bytes),
    Http1Request(http1::RequestBody),
    Http1Response(Box<http1::Exchange>),
    LegRequest(leg::Inflow),
    LegResponse(Box<leg::Exchange>),
    Http2Request(Box<http2::Inflow>),
    Http2Response(Http2),
    /// What was read already, and then the rest.
    Ahead(Ahead, Box<Source>),
}

/// What was read of a body already.
#[derive(Debug)]
struct Ahead {
    read: Bytes,
    /// Of the whole body, where it is known.
    length: Option<u64>,
}

/// On a connection that we dialled.
#[derive(Debug)]
struct Http2 {
    incoming: Incoming,
    /// The stream's place on it.
    _lease: upstream::Http2Lease,
}

impl Body {
    /// All of it is here.
    pub fn whole(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::default() } else { Self::of(Source::Whole(bytes)) }
    }

    /// Of a request on an HTTP/1.1 connection.
    pub fn http1_request(body: http1::RequestBody) -> Self {
        Self::of(Source::Http1Request(body))
    }

    /// Of a response on an HTTP/1.1 connection.
    pub fn http1_response(exchange: Box<http1::Exchange>) -> Self {
        Self::of(Source::Http1Response(exchange))
    }

    /// Of a request on a leg.
    pub fn leg_request(inflow: leg::Inflow) -> Self {
        Self::of(Source::LegRequest(inflow))
    }

    /// Of a response on a leg.
    pub fn leg_response(exchange: Box<leg::Exchange>) -> Self {
        Self::of(Source::LegResponse(exchange))
    }

    /// Of a request on an HTTP/2 connection.
    pub fn http2_request(inflow: http2::Inflow, cx: &mut Context<'_>) -> Self {
        match inflow.try_whole(cx) {
            Ok(bytes) => Self::whole(bytes),
            Err(inflow) => Self::of(Source::Http2Request(Box::new(inflow))),
        }
    }

    /// Of a response on an HTTP/2 connection.
    pub fn http2_response(incoming: Incoming, lease: upstream::Http2Lease) -> Self {
        if incoming.is_end_stream() {
            Self::default()
        } else {
            Self::of(Source::Http2Response(Http2 { incoming, _lease: lease }))
        }
    }

    /// All of it, where all of it is here and nothing of it was taken yet; else the same body.
    ///
    /// # Errors
    /// The body, where it has to be read.
    pub fn try_whole(self) -> Result<Bytes, Self> {
        match self.source {
            Source::Empty => Ok(Bytes::new()),
            Source::Whole(bytes) => Ok(bytes),
            source => Err(Self { source, ..self }),
        }
    }

    /// What was read of `rest` already, and then `rest`.
    pub fn with_ahead(read: Bytes, rest: Self) -> Self {
        rest.behind(Ahead { read, length: None })
    }

    /// The whole body again, of which `read` was taken out of `rest`.
    pub(crate) fn again(read: Bytes, length: Option<u64>, mut rest: Self) -> Self {
        rest.left = rest.left.map(|left| left + read.len() as u64); // it is counted once more
        rest.behind(Ahead { read, length })
    }

    fn behind(self, ahead: Ahead) -> Self {
        let source = match self.source {
            source if ahead.read.is_empty() => source,
            Source::Empty => Source::Whole(ahead.read),
            source => Source::Ahead(ahead, Box::new(source)),
        };
        Self { source, ..self }
    }

    fn of(source: Source) -> Self {
        Self { source, left: None, watch: Watch::default() }
    }

    /// The same with a bound of [`limits::BODY_BYTES_MAX`], unless it is `endless`; trouble is told to `watch`.
    #[must_use]
    pub fn bounded(mut self, endless: bool, watch: &Watch) -> Self {
        self.left = (!endless).then_some(limits::BODY_BYTES_MAX);
        self.watch = watch.clone();
        self
    }

    /// True where nothing comes any more.
    pub fn is_empty(&self) -> bool {
        matches!(self.source, Source::Empty)
    }

    /// True where it is known that nothing comes any more, also before the end was asked for.
    pub fn is_over(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Whole(_) | Source::Http1Request(_) | Source::Ahead(..) => false,
            Source::Http1Response(exchange) => exchange.length() == Some(0),
            Source::LegRequest(inflow) => inflow.is_over(),
            Source::LegResponse(exchange) => exchange.is_over(),
            Source::Http2Request(inflow) => inflow.is_over(),
            Source::Http2Response(body) => body.incoming.is_end_stream(),
        }
    }

    /// How many bytes come, where that is known.
    pub fn length(&self) -> Option<u64> {
        match &self.source {
            Source::Empty => Some(0),
            Source::Whole(bytes) => Some(bytes.len() as u64),
            Source::Http1Request(body) => body.length(),
            Source::Http1Response(exchange) => exchange.length(),
            Source::LegRequest(inflow) => inflow.length(),
            Source::LegResponse(exchange) => exchange.length(),
            Source::Http2Request(inflow) => inflow.length(),
            Source::Http2Response(body) => body.incoming.size_hint().exact(),
            Source::Ahead(ahead, _) => ahead.length,
        }
    }

    /// Reads and throws away what comes, for a moment and within bounds, in a task of its own.
    pub fn drain(mut self) {
        tokio::task::spawn_local(tokio::time::timeout(limits::LINGER_TIME, async move {
            let mut left = limits::LINGER_BYTES_MAX;
            while let Some(Ok(Chunk::Data(data))) = poll_fn(|cx| self.poll_chunk(cx)).await {
                match left.checked_sub(data.len()) {
                    Some(rest) => left = rest,
                    None => return,
                }
            }
        }));
    }

    /// All of it, where it is here; it stays.
    pub fn as_whole(&self) -> Option<Bytes> {
        match &self.source {
            Source::Empty => Some(Bytes::new()),
            Source::Whole(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// Takes out the HTTP/1.1 exchange behind it, where one is.
    pub(crate) fn into_http1_response(self) -> Option<Box<http1::Exchange>> {
        match self.source {
            Source::Http1Response(exchange) => Some(exchange),
            _ => None,
        }
    }

    /// The next piece; `None` at the end. After an error nothing comes.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        let chunk = ready!(self.source.poll_chunk(cx));
        let chunk = match chunk {
            Some(Ok(Chunk::Data(data))) => match &mut self.left {
                Some(left) if data.len() as u64 > *left => Some(Err(Trouble::TooLarge)),
                Some(left) => {
                    *left -= data.len() as u64;
                    Some(Ok(Chunk::Data(data)))
                }
                None => Some(Ok(Chunk::Data(data))),
            },
            other => other,
        };
        match &chunk {
            Some(Ok(Chunk::Data(_))) => {}
            Some(Ok(Chunk::Trailers(_))) | None => self.source = Source::Empty,
            Some(Err(trouble)) => {
                self.watch.0.set(Some(*trouble));
                self.source = Source::Empty;
            }
        }
        Poll::Ready(chunk)
    }
}

impl Source {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Chunk::Data(bytes))))
            }
            Self::Ahead(ahead, rest) => {
                let read = std::mem::take(&mut ahead.read);
                let rest = std::mem::take(&mut **rest);
                *self = rest;
                Poll::Ready(Some(Ok(Chunk::Data(read))))
            }
            Self::Http1Request(body) => body.poll_chunk(cx),
            Self::Http1Response(exchange) => exchange.poll_chunk(cx),
            Self::LegRequest(inflow) => inflow.poll_chunk(cx),
            Self::LegResponse(exchange) => exchange.poll_chunk(cx),
            Self::Http2Request(inflow) => inflow.poll_chunk(cx),
            Self::Http2Response(body) => body.poll_chunk(cx),
        }
    }
}

impl Http2 {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk, Trouble>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.incoming).poll_frame(cx)) else { return Poll::Ready(None) };
            let Ok(frame) = frame else { return Poll::Ready(Some(Err(Trouble::Broken))) };
            return Poll::Ready(Some(match frame.into_data() {
                // An empty frame is the end, or nothing; one who sends nothing but these is stopped by h2.
                Ok(data) if data.is_empty() => continue,
                Ok(data) => Ok(Chunk::Data(data)),
                Err(frame) => match frame.into_trailers() {
                    Ok(trailers) if trailers.len() <= limits::HEADERS_MAX => {
                        Ok(Chunk::Trailers(Fields::from_map(&trailers)))
                    }
                    _ => Err(Trouble::Broken),
                },
            }));
        }
    }
}

/// A request's body for hyper's HTTP/2. Where it breaks, the program is told that it is given up.
impl http_body::Body for Body {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, h2::Error>>> {
        let chunk = ready!(self.poll_chunk(cx));
        Poll::Ready(chunk.map(|chunk| chunk.map(Chunk::into_frame).map_err(|_| h2::Reason::CANCEL.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.length().map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}
