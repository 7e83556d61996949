//! What requests and answers look like. Each request has a number of its own, and the answer's body has to be the one of
//! that number: an answer to somebody else's request, a lost or doubled byte are seen.

use std::fmt::Write;
use std::sync::OnceLock;

/// Bytes of a body.
pub(crate) const BODY_BYTES: usize = 1024;
/// Digits of the number at the beginning of a body.
const DIGITS: usize = 16;
/// Bodies that differ beside the number.
const KINDS: usize = 26;
/// Distinct paths.
const PATHS: u64 = 64;
const HEADERS_MAX: usize = 32;

/// The alphabet over and over: the body of a number is a window of it.
static LETTERS: [u8; BODY_BYTES + KINDS] = {
    let mut letters = [0; BODY_BYTES + KINDS];
    let mut at = 0;
    while at < letters.len() {
        letters[at] = b'a' + (at % KINDS) as u8;
        at += 1;
    }
    letters
};

fn rest_of(number: u64) -> &'static [u8] {
    let from = (number % KINDS as u64) as usize;
    &LETTERS[from..from + BODY_BYTES - DIGITS]
}

pub(crate) fn put_body(into: &mut Vec<u8>, number: u64) {
    let mut digits = [b'0'; DIGITS];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    into.extend_from_slice(&digits);
    into.extend_from_slice(rest_of(number));
}

pub(crate) fn is_body(body: &[u8], number: u64) -> bool {
    body.len() == BODY_BYTES
        && std::str::from_utf8(&body[..DIGITS]).ok().and_then(|text| text.parse().ok()) == Some(number)
        && &body[DIGITS..] == rest_of(number)
}

pub(crate) fn path(number: u64) -> String {
    format!("/items/{}", number % PATHS)
}

/// A header that each request has besides, such as `authorization: Bearer …`.
static HEADER: OnceLock<String> = OnceLock::new();

pub(crate) fn with_header(line: &str) {
    HEADER.get_or_init(|| format!("{line}\r\n"));
}

pub(crate) fn put_request(into: &mut Vec<u8>, number: u64, post: bool) {
    let mut head = String::with_capacity(256);
    let (method, more) = if post { ("POST", "content-length: 1024\r\n") } else { ("GET", "") };
    let (path, header) = (path(number), HEADER.get().map_or("", String::as_str));
    write!(
        head,
        "{method} {path} HTTP/1.1\r\nhost: race.test\r\nuser-agent: race/1\r\naccept: */*\r\nx-number: {number}\r\n{header}{more}\r\n"
    )
    .unwrap();
    into.extend_from_slice(head.as_bytes());
    if post {
        put_body(into, number);
    }
}

pub(crate) fn put_answer(into: &mut Vec<u8>, number: u64) {
    into.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1024\r\n\r\n");
    put_body(into, number);
}

/// A request as the upstream sees it, with the bytes that it took.
pub(crate) struct Request {
    pub(crate) number: u64,
    pub(crate) taken: usize,
    pub(crate) good: bool,
}

/// The first request in `bytes`; `None` while it is not all there.
pub(crate) fn request(bytes: &[u8]) -> Result<Option<Request>, &'static str> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(bytes).map_err(|_| "no request")? else { return Ok(None) };
    let find = |name: &str| number_of(head.headers, name);
    let number = find("x-number").ok_or("no number")?;
    let body = find("content-length").unwrap_or(0) as usize;
    let taken = head_bytes + body;
    if bytes.len() < taken {
        return Ok(None);
    }
    let good = body == 0 || is_body(&bytes[head_bytes..taken], number);
    Ok(Some(Request { number, taken, good }))
}

/// An answer as a client sees it.
pub(crate) struct Answer {
    pub(crate) taken: usize,
    pub(crate) closes: bool,
    /// What is wrong with it.
    pub(crate) wrong: Option<&'static str>,
}

/// The answer at the beginning of `bytes`, judged as the one to request `number`; `None` while it is not all there.
pub(crate) fn answer(bytes: &[u8], number: u64) -> Result<Option<Answer>, &'static str> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(bytes).map_err(|_| "no answer")? else { return Ok(None) };
    let length = number_of(head.headers, "content-length").ok_or("no length")? as usize;
    let taken = head_bytes + length;
    if bytes.len() < taken {
        return Ok(None);
    }
    let closes = head.headers.iter().any(|h| h.name.eq_ignore_ascii_case("connection") && h.value == b"close");
    let wrong = match head.code {
        Some(200) if is_body(&bytes[head_bytes..taken], number) => None,
        Some(200) => Some("body"),
        _ => Some("status"),
    };
    Ok(Some(Answer { taken, closes, wrong }))
}

fn number_of(headers: &[httparse::Header<'_>], name: &str) -> Option<u64> {
    let header = headers.iter().find(|h| h.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok()?.parse().ok()
}
