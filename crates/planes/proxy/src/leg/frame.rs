//! The framing of a leg: how frames and heads stand in bytes. Pure: bytes in, frames out, and the reverse.
//!
//! ```text
//! frame    = stream(4) kind(1) length(3) payload          numbers are big-endian
//! kind     = 1 request | 2 response | 3 data | 4 trailers | 5 credit | 6 reset | 7 going away | 8 ping | 9 pong
//!            | 10 interim response
//!            | 0x80 on request, response, data and trailers: nothing of this direction follows
//!            | 0x40 on request: it came as HTTP/2, or is for a program that speaks nothing else
//! request  = length(1) method, length(2) target, content(8), fields
//! response = status(2), content(8), fields       interim = status(2), fields
//! trailers = fields
//! fields   = count(2), each: length(2) name, length(4) value
//! content  = 0 where the length of the body is not known, else the length and 1
//! credit   = bytes(4) that may be sent beyond what might be before
//!            | on stream 0, said first by whoever asks: what it understands, 1 interim responses. Who does not know this passes it over
//! reset    = reason(1)       going away = stream(4), the last one that is worked on
//! ```
//!
//! Names come in lower case, and every name, value, method and target is checked here: the other end proved who it is, not that
//! it is well.

use crate::framing::{Rule, Span, check_method, check_target, is_field_byte, is_token};
use crate::limits;
use crate::message::{Fields, RequestHead, ResponseHead};
use http::{Method, StatusCode};

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 8;
/// Nothing of this direction follows.
const END: u8 = 0x80;
/// A request of HTTP/2.
const HTTP2: u8 = 0x40;

/// Said on stream 0: this end understands interim responses.
pub const UNDERSTANDS_INTERIM: u32 = 1;

/// Why a stream ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Whoever asked does not want it any more.
    Cancelled = 1,
    /// It was not looked at; it may be sent again.
    Refused = 2,
    /// It broke on the way.
    Broken = 3,
    /// The response is complete, and the rest of the request is not needed.
    NotNeeded = 4,
}

/// One frame.
#[derive(Debug)]
pub enum Frame<'a> {
    /// The head of a request, and whether nothing follows.
    Request(RequestHead, Option<u64>, bool),
    /// The head of a response.
    Response(ResponseHead, Option<u64>, bool),
    /// The head of an interim response; the response is still to come.
    Interim(ResponseHead),
    /// A piece of a body.
    Data(&'a [u8], bool),
    /// What follows a body, and its end.
    Trailers(Fields),
    /// More may be sent.
    Credit(u32),
    /// The stream is over.
    Reset(Reset),
    /// No streams beyond this one are worked on.
    GoingAway(u32),
    /// Are you there?
    Ping,
    /// Yes.
    Pong,
}

/// What is no frame. The leg cannot go on: where the next one begins is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than its kind may be.
    #[error("a frame is too long")]
    TooLong,
    /// A kind that there is not, or a payload that does not fit it.
    #[error("a frame cannot be read")]
    Malformed,
    /// A head that breaks a rule of HTTP.
    #[error("a head breaks a rule: {}", .0.word())]
    Rule(Rule),
}

impl From<Rule> for FrameError {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

/// The next frame of `held`, the stream it is for and its length in bytes; `None` where it is not all there.
///
/// # Errors
/// [`FrameError`].
pub fn read(held: &[u8]) -> Result<Option<(u32, Frame<'_>, usize)>, FrameError> {
    let Some((header, rest)) = held.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let [s0, s1, s2, s3, kind, l0, l1, l2] = *header;
    let stream = u32::from_be_bytes([s0, s1, s2, s3]);
    let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
    let (end, http2, kind) = (kind & END != 0, kind & HTTP2 != 0, kind & !(END | HTTP2));
    let most = match kind {
        _ if http2 && kind != 1 => return Err(FrameError::Malformed),
        1 | 2 | 4 => limits::LEG_HEAD_BYTES_MAX,
        10 if !end => limits::LEG_HEAD_BYTES_MAX,
        3 => limits::LEG_DATA_BYTES_MAX,
        5..=9 if !end => 4,
        _ => return Err(FrameError::Malformed),
    };
    if length > most {
        return Err(FrameError::TooLong);
    }
    let Some(payload) = rest.get(..length) else { return Ok(None) };
    let frame = match (kind, payload) {
        (1, payload) => request(payload, end, http2)?,
        (2, payload) => response(payload, end)?,
        (3, payload) => Frame::Data(payload, end),
        (4, payload) if end => {
            let mut text = Text { payload, at: 0 };
            Frame::Trailers(text.fields()?)
        }
        (5, &[a, b, c, d]) => Frame::Credit(u32::from_be_bytes([a, b, c, d])),
        (6, &[reason]) => Frame::Reset(match reason {
            1 => Reset::Cancelled,
            2 => Reset::Refused,
            3 => Reset::Broken,
            4 => Reset::NotNeeded,
            _ => return Err(FrameError::Malformed),
        }),
        (7, &[a, b, c, d]) => Frame::GoingAway(u32::from_be_bytes([a, b, c, d])),
        (8, []) => Frame::Ping,
        (9, []) => Frame::Pong,
        (10, payload) => interim(payload)?,
        _ => return Err(FrameError::Malformed),
    };
    Ok(Some((stream, frame, HEADER_BYTES + length)))
}

fn request(payload: &[u8], end: bool, http2: bool) -> Result<Frame<'_>, FrameError> {
    let mut text = Text { payload, at: 0 };
    let method = text.bytes(1)?;
    check_method(method)?;
    let method = Method::from_bytes(method).map_err(|_| Rule::Method)?;
    let target = text.bytes(2)?;
    check_target(target)?;
    let length = text.content()?;
    let fields = text.fields()?;
    let mut head = RequestHead::new(method, target, None, fields);
    head.http2 = http2;
    Ok(Frame::Request(head, length, end))
}

fn response(payload: &[u8], end: bool) -> Result<Frame<'_>, FrameError> {
    let mut text = Text { payload, at: 0 };
    let status = u16::try_from(text.number(2)?).map_err(|_| FrameError::Malformed)?;
    let status = StatusCode::from_u16(status).map_err(|_| FrameError::Malformed)?;
    let length = text.content()?;
    let fields = text.fields()?;
    Ok(Frame::Response(ResponseHead { status, fields }, length, end))
}

fn interim(payload: &[u8]) -> Result<Frame<'_>, FrameError> {
    let mut text = Text { payload, at: 0 };
    let status = u16::try_from(text.number(2)?).map_err(|_| FrameError::Malformed)?;
    let status = StatusCode::from_u16(status).map_err(|_| FrameError::Malformed)?;
    if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(FrameError::Malformed);
    }
    let fields = text.fields()?;
    Ok(Frame::Interim(ResponseHead { status, fields }))
}

/// A payload, read from its beginning.
struct Text<'a> {
    payload: &'a [u8],
    at: usize,
}

impl<'a> Text<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], FrameError> {
        let end = self.at.checked_add(n).ok_or(FrameError::Malformed)?;
        let bytes = self.payload.get(self.at..end).ok_or(FrameError::Malformed)?;
        self.at = end;
        Ok(bytes)
    }

    /// A number of `n` bytes, at most 8.
    fn number(&mut self, n: usize) -> Result<u64, FrameError> {
        Ok(self.take(n)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A text with its length before it.
    fn bytes(&mut self, length_bytes: usize) -> Result<&'a [u8], FrameError> {
        let n = usize::try_from(self.number(length_bytes)?).map_err(|_| FrameError::Malformed)?;
        self.take(n)
    }

    fn span(&mut self, length_bytes: usize) -> Result<(Span, &'a [u8]), FrameError> {
        let bytes = self.bytes(length_bytes)?;
        Ok((Span::new(self.at - bytes.len(), bytes.len()), bytes))
    }

    fn content(&mut self) -> Result<Option<u64>, FrameError> {
        Ok(self.number(8)?.checked_sub(1))
    }

    /// Fields, and with them the end of the payload.
    fn fields(&mut self) -> Result<Fields, FrameError> {
        let count = usize::try_from(self.number(2)?).map_err(|_| FrameError::Malformed)?;
        if count > limits::LEG_HEADERS_MAX {
            return Err(Rule::TooManyHeaders.into());
        }
        let begin = self.at;
        let mut places = Vec::with_capacity(count);
        for _ in 0..count {
            let (name, text) = self.span(2)?;
            if text.is_empty() || !text.iter().all(|&b| is_token(b) && !b.is_ascii_uppercase()) {
                return Err(Rule::HeaderName.into());
            }
            let (value, text) = self.span(4)?;
            if !text.iter().all(|&b| is_field_byte(b)) {
                return Err(Rule::HeaderValue.into());
            }
            let from_begin = |span: Span| Span { at: span.at - begin as u32, ..span };
            places.push((from_begin(name), from_begin(value)));
        }
        if self.at != self.payload.len() {
            return Err(FrameError::Malformed);
        }
        Ok(Fields::from_head(&self.payload[begin..], &places))
    }
}

/// Writes a frame; its payload is written by `payload`.
fn frame(out: &mut Vec<u8>, stream: u32, kind: u8, payload: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(&[kind, 0, 0, 0]);
    payload(out);
    let length = (out.len() - begin - HEADER_BYTES) as u32;
    out[begin + 5..begin + 8].copy_from_slice(&length.to_be_bytes()[1..]);
}

fn with_end(kind: u8, end: bool) -> u8 {
    if end { kind | END } else { kind }
}

/// Writes the head of a request. The host is a field; `:authority` becomes one.
pub fn write_request(out: &mut Vec<u8>, stream: u32, head: &RequestHead, length: Option<u64>, end: bool) {
    let kind = if head.http2 { 1 | HTTP2 } else { 1 };
    frame(out, stream, with_end(kind, end), |out| {
        let (method, target) = (head.method.as_str(), head.target());
        out.push(method.len() as u8); // bounded by `METHOD_BYTES_MAX`
        out.extend_from_slice(method.as_bytes());
        out.extend_from_slice(&(target.len() as u16).to_be_bytes()); // bounded by `TARGET_BYTES_MAX`
        out.extend_from_slice(target.as_bytes());
        out.extend_from_slice(&content(length));
        let host = head.authority().filter(|_| !head.fields.contains("host"));
        fields(out, &head.fields, host);
    });
}

/// Writes the head of a response.
pub fn write_response(out: &mut Vec<u8>, stream: u32, head: &ResponseHead, length: Option<u64>, end: bool) {
    frame(out, stream, with_end(2, end), |out| {
        out.extend_from_slice(&head.status.as_u16().to_be_bytes());
        out.extend_from_slice(&content(length));
        fields(out, &head.fields, None);
    });
}

/// Writes the head of an interim response.
pub fn write_interim(out: &mut Vec<u8>, stream: u32, head: &ResponseHead) {
    frame(out, stream, 10, |out| {
        out.extend_from_slice(&head.status.as_u16().to_be_bytes());
        fields(out, &head.fields, None);
    });
}

/// Writes a piece of a body, at most [`limits::LEG_DATA_BYTES_MAX`].
pub fn write_data(out: &mut Vec<u8>, stream: u32, data: &[u8], end: bool) {
    frame(out, stream, with_end(3, end), |out| out.extend_from_slice(data));
}

/// Writes trailers, and with them the end.
pub fn write_trailers(out: &mut Vec<u8>, stream: u32, trailers: &Fields) {
    frame(out, stream, with_end(4, true), |out| fields(out, trailers, None));
}

/// Writes that more may be sent.
pub fn write_credit(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    frame(out, stream, 5, |out| out.extend_from_slice(&bytes.to_be_bytes()));
}

/// Writes that a stream is over.
pub fn write_reset(out: &mut Vec<u8>, stream: u32, reset: Reset) {
    frame(out, stream, 6, |out| out.push(reset as u8));
}

/// Writes that no stream beyond `last` is worked on.
pub fn write_going_away(out: &mut Vec<u8>, last: u32) {
    frame(out, 0, 7, |out| out.extend_from_slice(&last.to_be_bytes()));
}

/// Writes the question whether the other end is there, or the answer.
pub fn write_ping(out: &mut Vec<u8>, is_answer: bool) {
    frame(out, 0, if is_answer { 9 } else { 8 }, |_| {});
}

fn content(length: Option<u64>) -> [u8; 8] {
    length.map_or(0, |length| length.saturating_add(1)).to_be_bytes()
}

fn fields(out: &mut Vec<u8>, fields: &Fields, host: Option<&[u8]>) {
    let count = fields.len() + usize::from(host.is_some());
    out.extend_from_slice(&(count as u16).to_be_bytes());
    let host = host.map(|host| (&b"host"[..], host));
    for (name, value) in host.into_iter().chain(fields.iter()) {
        out.extend_from_slice(&(name.len() as u16).to_be_bytes());
        out.extend_from_slice(name);
        out.extend_from_slice(&(value.len() as u32).to_be_bytes());
        out.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head() -> RequestHead {
        let mut fields = Fields::default();
        fields.append("host", b"a");
        fields.append("x-empty", b"");
        RequestHead::new(Method::POST, b"/p?q=1", None, fields)
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn refuses_what_would_be_read_differently_behind_it() {
        let good = written(|out| write_request(out, 1, &head(), Some(3), false));
        assert!(matches!(read(&good), Ok(Some((1, Frame::Request(_, Some(3), false), _)))));
        let changed = |from: &str, to: &str| {
            let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            let mut bytes = good.clone();
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            read(&bytes).map(|_| ()).unwrap_err()
        };
        assert_eq!(changed("x-empty", "X-empty"), FrameError::Rule(Rule::HeaderName));
        assert_eq!(changed("x-empty", "x\r\nmpty"), FrameError::Rule(Rule::HeaderName));
        assert_eq!(changed("/p?q=1", "/p q=1"), FrameError::Rule(Rule::Target));
        assert_eq!(changed("/p?q=1", "x/?q=1"), FrameError::Rule(Rule::Target));
        assert_eq!(changed("POST", "post"), FrameError::Rule(Rule::Method));
        let mut bad_value = written(|out| {
            let mut head = head();
            head.fields.append("x", b"1\r\ny: 2");
            write_request(out, 1, &head, None, true);
        });
        assert_eq!(read(&bad_value).map(|_| ()), Err(FrameError::Rule(Rule::HeaderValue)));
        for status in [StatusCode::OK, StatusCode::SWITCHING_PROTOCOLS] {
            let head = ResponseHead { status, fields: Fields::default() };
            let bytes = written(|out| write_interim(out, 1, &head));
            assert_eq!(read(&bytes).map(|_| ()), Err(FrameError::Malformed), "{status} is not interim");
        }
        assert_eq!(read(&[0, 0, 0, 1, 0x8a, 0, 0, 4, 0, 103, 0, 0]).map(|_| ()), Err(FrameError::Malformed), "its end");
        bad_value[4] = 0x77;
        assert_eq!(read(&bad_value).map(|_| ()), Err(FrameError::Malformed), "a kind that there is not");
        let mut longer = good.clone();
        longer[7] += 1;
        longer.push(0);
        assert_eq!(read(&longer).map(|_| ()), Err(FrameError::Malformed), "bytes after the fields");
        assert_eq!(read(&[0, 0, 0, 1, 3, 255, 255, 255]).map(|_| ()), Err(FrameError::TooLong));
        assert_eq!(read(&[0, 0, 0, 1, 4, 0, 0, 2, 0, 0]).map(|_| ()), Err(FrameError::Malformed), "trailers end");
        assert_eq!(read(&[0, 0, 0, 1, 0x43, 0, 0, 0]).map(|_| ()), Err(FrameError::Malformed), "data of HTTP/2");
        let many = written(|out| {
            let mut head = head();
            (0..limits::LEG_HEADERS_MAX).for_each(|_| head.fields.append("x", b""));
            write_request(out, 1, &head, None, true);
        });
        assert_eq!(read(&many).map(|_| ()), Err(FrameError::Rule(Rule::TooManyHeaders)));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut fields = Fields::default();
        fields.append("x-sum", "\u{e9}".as_bytes());
        let response = ResponseHead { status: StatusCode::NOT_FOUND, fields: fields.clone() };
        let mut out = Vec::new();
        write_response(&mut out, 7, &response, None, true);
        write_data(&mut out, 7, b"abc", false);
        write_trailers(&mut out, 7, &fields);
        write_credit(&mut out, 7, 9);
        write_reset(&mut out, 7, Reset::Broken);
        write_going_away(&mut out, 8);
        write_ping(&mut out, false);
        write_ping(&mut out, true);
        let mut at = 0;
        let mut next = || {
            let (stream, frame, bytes) = read(&out[at..]).unwrap().unwrap();
            at += bytes;
            (stream, frame)
        };
        assert!(
            matches!(next(), (7, Frame::Response(head, None, true)) if head.status == 404 && head.fields.len() == 1)
        );
        assert!(matches!(next(), (7, Frame::Data(b"abc", false))));
        assert!(matches!(next(), (7, Frame::Trailers(fields)) if fields.get_str("x-sum") == Some("\u{e9}")));
        assert!(matches!(next(), (7, Frame::Credit(9))));
        assert!(matches!(next(), (7, Frame::Reset(Reset::Broken))));
        assert!(matches!(next(), (0, Frame::GoingAway(8))));
        assert!(matches!(next(), (0, Frame::Ping)));
        assert!(matches!(next(), (0, Frame::Pong)));
        assert_eq!(at, out.len());
    }

    #[test]
    fn a_request_says_whether_it_came_as_http2() {
        for http2 in [false, true] {
            let mut head = head();
            head.http2 = http2;
            let bytes = written(|out| write_request(out, 1, &head, None, false));
            assert!(matches!(read(&bytes), Ok(Some((1, Frame::Request(head, None, false), _))) if head.http2 == http2));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Ok(Some((_, _, length))) = read(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }

        #[test]
        fn changed_bytes_are_read_or_refused(at: usize, byte: u8) {
            let mut bytes = written(|out| write_request(out, 1, &head(), Some(3), false));
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read(&bytes);
        }
    }
}
