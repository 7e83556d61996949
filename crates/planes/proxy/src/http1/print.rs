//! Heads and chunks as HTTP/1.1 writes them. Lengths come from the body that is really sent, so that head and body agree.

use crate::message::{Fields, RequestHead};
use http::{Method, StatusCode};
use std::io::Write;

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body, and nothing is said of one.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// The end of the connection.
    Close,
}

/// Writes the head of a request.
pub(super) fn request(out: &mut Vec<u8>, head: &RequestHead, framing: Framing) {
    for part in [head.method.as_str(), " ", head.target(), " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    fields(out, &head.fields);
    let framing = match framing {
        // Some servers wait for a body where nothing is said, and refuse where no length is.
        Framing::Length(0) if !matches!(head.method, Method::POST | Method::PUT | Method::PATCH) => Framing::None,
        framing => framing,
    };
    finish(out, framing);
}

/// Writes the head of a response; `keep_alive` is said where it does not go without saying.
pub(super) fn response(out: &mut Vec<u8>, status: StatusCode, fields_: &Fields, framing: Framing, close: bool) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
    fields(out, fields_);
    if close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    finish(out, framing);
}

fn fields(out: &mut Vec<u8>, fields: &Fields) {
    for (name, value) in fields.iter() {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

fn finish(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::None | Framing::Close => {}
        Framing::Length(n) => drop(write!(out, "content-length: {n}\r\n")), // a vector takes everything
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a piece of a body.
pub(super) fn data(out: &mut Vec<u8>, data: &[u8], framing: Framing) {
    if framing != Framing::Chunked {
        return out.extend_from_slice(data);
    }
    drop(write!(out, "{:x}\r\n", data.len()));
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Writes the end of a body.
pub(super) fn end(out: &mut Vec<u8>, trailers: &Fields, framing: Framing) {
    if framing == Framing::Chunked {
        out.extend_from_slice(b"0\r\n");
        fields(out, trailers);
        out.extend_from_slice(b"\r\n");
    }
}
