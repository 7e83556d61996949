//! The head of a program's or peer's response, read. Programs are of all ages: a line may end in LF alone, and becomes a proper
//! one on its way out. Whatever says two things about where the body ends is refused.

use crate::framing::{Span, is_field_byte, is_token, parse_length};
use crate::limits;
use crate::message::{Fields, ResponseHead};
use http::{Method, StatusCode};
use std::time::Duration;

/// The rule that a response broke; its name is for logs and for the answer's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseRule {
    /// Longer than [`limits::RESPONSE_HEAD_BYTES_MAX`], or more than [`limits::HEADERS_MAX`] lines.
    #[error("the response's head is too large")]
    TooLarge,
    /// No status line of HTTP/1.0 or 1.1.
    #[error("the response's status line cannot be read")]
    StatusLine,
    /// A header line that is none.
    #[error("a header line of the response cannot be read")]
    Field,
    /// Two lengths, a length that is no number, or a coding other than chunked.
    #[error("the response says in more than one way, or in none that is known, where its body ends")]
    Length,
}

/// How the end of the body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// The end of the connection.
    Close,
}

/// A head that was read.
#[derive(Debug)]
pub struct Read {
    /// Its length in bytes.
    pub bytes: usize,
    /// The head.
    pub head: ResponseHead,
    /// How the end of its body is found.
    pub rest: Rest,
    /// Another request may follow.
    pub keep_alive: bool,
    /// How long the other end keeps the connection open, less a second for the way, as far as it told.
    pub patience: Option<Duration>,
}

/// Where the head that begins at 0 ends: after its empty line. `seen` is how far was looked before.
fn end_of_head(held: &[u8], seen: &mut usize) -> Option<usize> {
    while let Some(lf) = memchr::memchr(b'\n', &held[*seen..]).map(|at| *seen + at) {
        match &held[lf + 1..] {
            [b'\n', ..] => return Some(lf + 2),
            [b'\r', b'\n', ..] => return Some(lf + 3),
            [] | [b'\r'] => return None, // looked at again from this line end on
            _ => *seen = lf + 1,
        }
    }
    *seen = held.len();
    None
}

/// Reads the head at the beginning of `held`; `None` where it is not all there. `method` is that of the request, `seen` how far
/// was looked before, at first 0.
///
/// # Errors
/// [`ResponseRule`].
pub fn read(held: &[u8], seen: &mut usize, method: &Method) -> Result<Option<Read>, ResponseRule> {
    let Some(bytes) = end_of_head(held, seen) else {
        return if held.len() > limits::RESPONSE_HEAD_BYTES_MAX { Err(ResponseRule::TooLarge) } else { Ok(None) };
    };
    if bytes > limits::RESPONSE_HEAD_BYTES_MAX {
        return Err(ResponseRule::TooLarge);
    }
    *seen = 0;
    let head = &held[..bytes];
    let mut lines = Lines { head, at: 0 };
    let (status, http11) = status_line(lines.next().map_or(&[][..], |(line, _)| line))?;
    let mut said = Said { http11, ..Said::default() };
    let mut places = Vec::with_capacity(16);
    for (line, at) in lines {
        if line.is_empty() {
            break;
        }
        if places.len() >= limits::HEADERS_MAX {
            return Err(ResponseRule::TooLarge);
        }
        let (name, value, before) = field(line)?;
        said.hear(name, value)?;
        places.push((Span::new(at, name.len()), Span::new(at + before, value.len())));
    }
    let rest = said.rest(status, method);
    let keep_alive = rest != Rest::Close && !said.close && (http11 || said.keep_alive);
    let head = ResponseHead { status, fields: Fields::from_head(head, &places) };
    Ok(Some(Read { bytes, head, rest, keep_alive, patience: said.patience }))
}

struct Lines<'a> {
    head: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], usize);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.head.get(self.at..)?;
        let lf = memchr::memchr(b'\n', rest)?;
        let (line, at) = (&rest[..lf], self.at);
        self.at += lf + 1;
        Some((line.strip_suffix(b"\r").unwrap_or(line), at))
    }
}

fn status_line(line: &[u8]) -> Result<(StatusCode, bool), ResponseRule> {
    let http11 = match line.get(..9) {
        Some(b"HTTP/1.1 ") => true,
        Some(b"HTTP/1.0 ") => false,
        _ => return Err(ResponseRule::StatusLine),
    };
    let status = line.get(9..12).and_then(|code| StatusCode::from_bytes(code).ok()).ok_or(ResponseRule::StatusLine)?;
    // The reason is thrown away, but has to be one.
    match &line[12..] {
        [] => {}
        [b' ', reason @ ..] if reason.iter().all(|&b| is_field_byte(b)) => {}
        _ => return Err(ResponseRule::StatusLine),
    }
    if status.as_u16() < 600 { Ok((status, http11)) } else { Err(ResponseRule::StatusLine) }
}

fn field(line: &[u8]) -> Result<(&[u8], &[u8], usize), ResponseRule> {
    let colon = memchr::memchr(b':', line).ok_or(ResponseRule::Field)?;
    let name = &line[..colon];
    if name.is_empty() || !name.iter().all(|&b| is_token(b)) {
        return Err(ResponseRule::Field); // white space before the colon and folded lines among it
    }
    let mut value = &line[colon + 1..];
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    let before = line.len() - value.len();
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    if value.iter().all(|&b| is_field_byte(b)) { Ok((name, value, before)) } else { Err(ResponseRule::Field) }
}

/// What the fields say about the connection and the body.
#[derive(Default)]
struct Said {
    http11: bool,
    close: bool,
    keep_alive: bool,
    length: Option<u64>,
    chunked: bool,
    patience: Option<Duration>,
}

impl Said {
    fn hear(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseRule> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        match name.len() {
            10 if is("connection") => {
                for token in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                    self.close |= token.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            10 if is("keep-alive") => self.patience = patience(value),
            14 if is("content-length") => {
                let length = parse_length(value).map_err(|_| ResponseRule::Length)?;
                // Said twice with one meaning is one meaning (RFC 9110 section 8.6).
                if self.length.replace(length).is_some_and(|before| before != length) {
                    return Err(ResponseRule::Length);
                }
            }
            17 if is("transfer-encoding") => {
                let again = std::mem::replace(&mut self.chunked, true);
                return if again || !value.eq_ignore_ascii_case(b"chunked") {
                    Err(ResponseRule::Length)
                } else {
                    Ok(())
                };
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 9112 section 6.3.
    fn rest(&self, status: StatusCode, method: &Method) -> Rest {
        let none = status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        if none || method == Method::HEAD {
            return Rest::Length(0);
        }
        match (self.chunked, self.length) {
            (true, _) if self.http11 => Rest::Chunked, // it counts before a length, which is then taken out
            (true, _) => Rest::Close,
            (false, Some(length)) => Rest::Length(length),
            (false, None) => Rest::Close,
        }
    }
}

/// `Keep-Alive: timeout=5`.
fn patience(value: &[u8]) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?;
    let timeout = value.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    Some(Duration::from_secs(timeout.parse::<u64>().ok()?.saturating_sub(1)))
}

/// Reads a trailer section at the beginning of `held`: its length in bytes, and its fields but those that would decide something.
pub(super) fn trailers(held: &[u8]) -> Result<Option<(usize, Fields)>, ResponseRule> {
    let mut fields = Fields::default();
    let mut bytes = 0;
    for (line, at) in (Lines { head: held, at: 0 }) {
        bytes += memchr::memchr(b'\n', &held[at..]).map_or(0, |lf| lf + 1);
        if bytes > limits::TRAILER_BYTES_MAX || fields.len() > limits::HEADERS_MAX {
            return Err(ResponseRule::TooLarge);
        }
        if line.is_empty() {
            return Ok(Some((bytes, fields)));
        }
        let (name, value, _) = field(line)?;
        if crate::framing::check_trailer(line).is_ok() {
            fields.append_bytes(&name.to_ascii_lowercase(), value);
        }
    }
    if held.len() > limits::TRAILER_BYTES_MAX { Err(ResponseRule::TooLarge) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(text: &str) -> Result<Option<Read>, ResponseRule> {
        read(text.as_bytes(), &mut 0, &Method::GET)
    }

    #[test]
    fn refuses_what_says_two_things_about_its_end_or_nothing_at_all() {
        for (text, rule) in [
            ("HTTP/2 200\r\n\r\n", ResponseRule::StatusLine),
            ("HTTP/1.1 20 OK\r\n\r\n", ResponseRule::StatusLine),
            ("HTTP/1.1 200OK\r\n\r\n", ResponseRule::StatusLine),
            ("HTTP/1.1 099 x\r\n\r\n", ResponseRule::StatusLine),
            ("ICY 200 OK\r\n\r\n", ResponseRule::StatusLine),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", ResponseRule::Length),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\n", ResponseRule::Length),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", ResponseRule::Length),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", ResponseRule::Length),
            ("HTTP/1.1 200 OK\r\nx : 1\r\n\r\n", ResponseRule::Field),
            ("HTTP/1.1 200 OK\r\nx: 1\r\n y\r\n\r\n", ResponseRule::Field),
            ("HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n", ResponseRule::Field),
            ("HTTP/1.1 200 OK\r\nx\r\n\r\n", ResponseRule::Field),
        ] {
            assert_eq!(read_all(text).map(|read| read.is_some()), Err(rule), "{text:?}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(limits::HEADERS_MAX + 1));
        assert_eq!(read_all(&many).err(), Some(ResponseRule::TooLarge));
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(limits::RESPONSE_HEAD_BYTES_MAX));
        assert_eq!(read_all(&long).err(), Some(ResponseRule::TooLarge));
    }

    #[test]
    fn finds_the_end_of_the_body_as_the_standard_says() {
        for (text, rest, keep_alive) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Rest::Length(5), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n", Rest::Length(5), true),
            ("HTTP/1.1 200\r\ntransfer-encoding: Chunked\r\ncontent-length: 5\r\n\r\n", Rest::Chunked, true),
            ("HTTP/1.1 200 OK\nconnection: close\ncontent-length: 0\n\n", Rest::Length(0), false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", Rest::Length(5), false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n", Rest::Length(5), true),
            ("HTTP/1.1 200 OK\r\n\r\n", Rest::Close, false),
            ("HTTP/1.1 204 No Content\r\n\r\n", Rest::Length(0), true),
            ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", Rest::Length(0), true),
        ] {
            let read = read_all(text).unwrap().unwrap();
            assert_eq!((read.rest, read.keep_alive, read.bytes), (rest, keep_alive, text.len()), "{text:?}");
        }
        let head = read(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", &mut 0, &Method::HEAD).unwrap().unwrap();
        assert_eq!((head.rest, head.head.fields.get_str("content-length")), (Rest::Length(0), Some("9")));
    }

    #[test]
    fn trailers_that_would_decide_something_are_left_out() {
        let (bytes, fields) = trailers(b"X-Sum: 1\r\ncontent-length: 5\r\n\r\nrest").unwrap().unwrap();
        assert_eq!((bytes, fields.len(), fields.get_str("x-sum")), (31, 1, Some("1")));
        assert!(trailers(b"x: 1\r\n").unwrap().is_none());
        assert_eq!(trailers(b"\r\n").unwrap().unwrap().0, 2);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_reads_the_same(text in "HTTP/1.1 200 OK\r\n([a-c]{1,3}: ?[a-z]{0,5}\r?\n){0,4}\r\n.{0,9}", cut: usize) {
            let held = text.as_bytes();
            let whole = read(held, &mut 0, &Method::GET).map(|read| read.map(|read| read.bytes));
            let (mut seen, cut) = (0, cut % (held.len() + 1));
            let first = read(&held[..cut], &mut seen, &Method::GET).map(|read| read.map(|read| read.bytes));
            let pieces = match first { Ok(None) => read(held, &mut seen, &Method::GET).map(|r| r.map(|r| r.bytes)), other => other };
            prop_assert_eq!(whole, pieces);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = read(&bytes, &mut 0, &Method::GET);
            let _ = trailers(&bytes);
        }
    }
}
