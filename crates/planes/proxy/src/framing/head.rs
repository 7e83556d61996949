//! The lines of one request head: each is judged alone, and together they tell where the body ends.

use super::rule::Rule;
use crate::limits;

/// What an accepted head says about what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How the end of the body is found.
    pub body: Body,
    /// It asks for a switch to WebSocket. Other protocols are not offered, so a wish for them is no wish.
    pub upgrade: bool,
    /// Another request may follow on the connection (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// HTTP/1.1, and not 1.0.
    pub http11: bool,
    /// The client waits for a `100 Continue` before it sends the body.
    pub expects: bool,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// This many bytes; 0 where there is none.
    Length(u64),
    /// Chunks, then trailers.
    Chunked,
}

/// Where something stands in the bytes of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub at: u32,
    /// Bytes.
    pub len: u32,
}

impl Span {
    /// Of `len` bytes from `at`; a head is short enough for 32 bits.
    pub(crate) fn new(at: usize, len: usize) -> Self {
        Self { at: at as u32, len: len as u32 }
    }

    /// The bytes there.
    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        &text[self.at as usize..(self.at + self.len) as usize]
    }
}

/// Where the parts of an accepted head stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The method.
    pub method: Span,
    /// The target.
    pub target: Span,
    /// Each header: its name, and its value without white space around it.
    pub fields: Vec<(Span, Span)>,
}

/// What the lines said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    count: usize,
    http11: bool,
    get: bool,
    host: bool,
    length: Option<u64>,
    chunked: bool,
    connection_upgrade: bool,
    websocket: bool,
    close: bool,
    keep_alive: bool,
    expects: bool,
}

impl Lines {
    /// Takes one line, without its line end, that begins at `at` in the head. The first is the request line; the empty one is
    /// not given here. Notes in `parts` where everything stands.
    pub(super) fn take(&mut self, line: &[u8], at: usize, parts: &mut Parts) -> Result<(), Rule> {
        self.count += 1;
        if self.count == 1 {
            return self.request_line(line, at, parts);
        }
        if self.count > limits::HEADERS_MAX + 1 {
            return Err(Rule::TooManyHeaders);
        }
        let (name, value) = field(line)?;
        // The value is a part of the line, so that where it begins is what is before it.
        let before = value.as_ptr().addr().saturating_sub(line.as_ptr().addr());
        parts.fields.push((Span::new(at, name.len()), Span::new(at + before, value.len())));
        self.header(name, value)
    }

    /// True before the request line.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The whole head's verdict, at its empty line.
    pub(super) fn finish(&self) -> Result<Head, Rule> {
        if self.http11 && !self.host {
            return Err(Rule::HostMissing);
        }
        let body = match (self.length, self.chunked) {
            (Some(_), true) => return Err(Rule::ContentLengthAndTransferEncoding),
            (None, true) if !self.http11 => return Err(Rule::TransferEncodingInHttp10),
            (None, true) => Body::Chunked,
            (length, false) => Body::Length(length.unwrap_or(0)),
        };
        let upgrade = self.http11 && self.get && self.connection_upgrade && self.websocket;
        if upgrade && body != Body::Length(0) {
            return Err(Rule::UpgradeWithBody);
        }
        let keep_alive = !self.close && (self.http11 || self.keep_alive);
        let expects = self.expects && self.http11 && body != Body::Length(0);
        Ok(Head { body, upgrade, keep_alive, http11: self.http11, expects })
    }

    fn request_line(&mut self, line: &[u8], at: usize, place: &mut Parts) -> Result<(), Rule> {
        let mut parts = line.split(|&b| b == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Rule::RequestLine);
        };
        check_method(method)?;
        self.get = method == b"GET";
        check_target(target)?;
        place.fields.clear();
        place.method = Span::new(at, method.len());
        place.target = Span::new(at + method.len() + 1, target.len());
        self.http11 = match version {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            _ => return Err(Rule::Version),
        };
        Ok(())
    }

    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), Rule> {
        match name.len() {
            4 if is(name, "host") => {
                if std::mem::replace(&mut self.host, true) {
                    return Err(Rule::HostDuplicate);
                }
                check_host(value)
            }
            7 if is(name, "upgrade") => {
                self.websocket = is(value, "websocket");
                Ok(())
            }
            6 if is(name, "expect") => {
                self.expects = is(value, "100-continue");
                Ok(())
            }
            10 if is(name, "connection") => {
                for token in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                    self.connection_upgrade |= is(token, "upgrade");
                    self.close |= is(token, "close");
                    self.keep_alive |= is(token, "keep-alive");
                }
                Ok(())
            }
            14 if is(name, "content-length") => {
                let length = parse_length(value)?;
                match self.length.replace(length) {
                    Some(_) => Err(Rule::ContentLengthDuplicate),
                    None => Ok(()),
                }
            }
            17 if is(name, "transfer-encoding") => {
                if std::mem::replace(&mut self.chunked, true) || !is(value, "chunked") {
                    return Err(Rule::TransferEncoding);
                }
                Ok(())
            }
            _ if name.contains(&b'_') => check_lookalike(name),
            _ => Ok(()),
        }
    }
}

fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}

/// Splits a header or trailer line and checks both halves' characters; the value comes without white space around it.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Rule> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Rule::ObsFold);
    }
    let colon = line.iter().position(|&b| b == b':').ok_or(Rule::HeaderName)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if matches!(name.last(), Some(b' ' | b'\t')) {
        return Err(Rule::SpaceBeforeColon);
    }
    if name.is_empty() || !name.iter().all(|&b| is_token(b)) {
        return Err(Rule::HeaderName);
    }
    let value = trim(value);
    if !value.iter().all(|&b| is_field_byte(b)) {
        return Err(Rule::HeaderValue);
    }
    Ok((name, value))
}

/// Optional white space is space and tab only (RFC 9110 section 5.6.3); `trim_ascii` would take form feeds too.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A token character (RFC 9110 section 5.6.2).
pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// What may stand in a header value: visible characters, space, tab, and bytes above ASCII (RFC 9110 section 5.5).
pub(crate) const fn is_field_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7e | 0x80..)
}

/// Judges a method.
pub(crate) fn check_method(method: &[u8]) -> Result<(), Rule> {
    if method.is_empty() || method.len() > limits::METHOD_BYTES_MAX || !method.iter().all(|&b| is_token(b)) {
        return Err(Rule::Method);
    }
    if is(method, "CONNECT") {
        return Err(Rule::MethodConnect);
    }
    if is(method, "TRACE") {
        return Err(Rule::MethodTrace);
    }
    // Methods are case-sensitive (RFC 9110 section 9.1), and programs exist that fold them: `post` would be decided as some
    // other method and served as POST.
    if method.iter().any(u8::is_ascii_lowercase) {
        return Err(Rule::Method);
    }
    Ok(())
}

/// Judges a target: origin form only. Whether its path is unambiguous is asked later, by the path filter.
pub(crate) fn check_target(target: &[u8]) -> Result<(), Rule> {
    if target.len() > limits::TARGET_BYTES_MAX {
        return Err(Rule::TargetTooLong);
    }
    // What the `http` crate accepts in path and query alike; a little more than RFC 3986 (`{`, `|`, `^` and `\`).
    let allowed = |b: u8| matches!(b, 0x21 | 0x24..=0x3b | 0x3d | 0x3f..=0x5f | 0x61..=0x7e);
    match target.first() {
        Some(b'/') if target.iter().all(|&b| allowed(b)) => Ok(()),
        Some(b) if b.is_ascii_alphabetic() && target.windows(3).any(|w| w == b"://") => Err(Rule::TargetAbsolute),
        _ => Err(Rule::Target),
    }
}

/// Judges a host: a name, an IPv4 address or a bracketed IPv6 address, with an optional port.
pub(crate) fn check_host(host: &[u8]) -> Result<(), Rule> {
    let (name, port) = match host {
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|&b| b == b']').ok_or(Rule::HostInvalid)?;
            if end == 0 || !rest[..end].iter().all(|&b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) {
                return Err(Rule::HostInvalid);
            }
            (&rest[..end], &rest[end + 1..])
        }
        _ => host.split_at(host.iter().position(|&b| b == b':').unwrap_or(host.len())),
    };
    let bracketed = host.first() == Some(&b'[');
    let name_ok = bracketed
        || (!name.is_empty()
            && name.len() <= 255
            && name.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'~')));
    let port_ok = match port {
        [] => true,
        [b':', digits @ ..] => !digits.is_empty() && digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if name_ok && port_ok { Ok(()) } else { Err(Rule::HostInvalid) }
}

/// Reads a length: digits only, no sign, no list, no space; at most 2^63, so that sums cannot overflow.
pub(crate) fn parse_length(value: &[u8]) -> Result<u64, Rule> {
    let digits = std::str::from_utf8(value).ok().filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|t| t.parse().ok()).filter(|&n: &u64| n <= i64::MAX as u64).ok_or(Rule::ContentLengthInvalid)
}

/// Refuses `_` in place of `-` where that would name a header that decides framing or routing.
pub(crate) fn check_lookalike(name: &[u8]) -> Result<(), Rule> {
    let folded: Vec<u8> = name.iter().map(|&b| if b == b'_' { b'-' } else { b.to_ascii_lowercase() }).collect();
    match folded.as_slice() {
        b"content-length" | b"transfer-encoding" => Err(Rule::LookalikeHeader),
        _ => Ok(()),
    }
}

/// Judges one trailer line; trailers may not say again what the head decided.
pub(crate) fn check_trailer(line: &[u8]) -> Result<(), Rule> {
    let (name, _) = field(line)?;
    let decides = ["content-length", "transfer-encoding", "host", "connection", "trailer", "te", "upgrade"];
    let forbidden = decides.iter().any(|word| is(name, word)) || check_lookalike(name).is_err();
    if forbidden { Err(Rule::TrailerForbidden) } else { Ok(()) }
}
