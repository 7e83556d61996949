//! One message of gRPC each way: five bytes before it, a status behind it. Only what an unary call needs.
//!
//! Source: gRPC over HTTP/2 (`PROTOCOL-HTTP2.md`).

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use std::convert::Infallible;

const HEAD_BYTES: usize = 5;

/// What a call ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument = 3,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// The message in a body of one, and whether it is packed.
pub(super) fn message(body: &[u8]) -> Result<(bool, &[u8]), &'static str> {
    let (head, message) = body.split_at_checked(HEAD_BYTES).ok_or("no message")?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length != message.len() {
        return Err("a message that is longer or shorter than it says");
    }
    match head[0] {
        0 => Ok((false, message)),
        1 => Ok((true, message)),
        _ => Err("a message with unknown flags"),
    }
}

/// An answer with a message.
pub(super) fn answer(message: &[u8]) -> Response<Body> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + message.len());
    bytes.push(0);
    bytes.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Frame::data(Bytes::from(bytes)), Frame::trailers(trailers)];
    let body = StreamBody::new(tokio_stream::iter(frames.map(Ok::<_, Infallible>)));
    of_grpc(Body::new(body))
}

/// An answer without one.
pub(super) fn refusal(code: Code, why: &str) -> Response<Body> {
    let mut response = of_grpc(Body::empty());
    let fields = response.headers_mut();
    fields.insert("grpc-status", HeaderValue::from(code as u32));
    // Letters, digits and blanks: our own words have nothing that would have to be escaped.
    if let Ok(why) = HeaderValue::from_str(why) {
        fields.insert("grpc-message", why);
    }
    response
}

fn of_grpc(body: Body) -> Response<Body> {
    let mut response = (StatusCode::OK, body).into_response();
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_whole_message() {
        assert_eq!(message(&[0, 0, 0, 0, 2, 7, 8]), Ok((false, &[7, 8][..])));
        assert_eq!(message(&[1, 0, 0, 0, 0]), Ok((true, &[][..])));
        for body in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 1], &[0, 0, 0, 0, 0, 1], &[2, 0, 0, 0, 0]] {
            assert!(message(body).is_err(), "{body:?}");
        }
    }
}
