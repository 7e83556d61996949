//! Takes out what is meant for one hop only (RFC 9110 section 7.6.1), and what only we may say.
//!
//! Lengths go too: hyper writes them anew from the body it really sends, so that head and body cannot disagree.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

pub(super) const IT: Filter = Filter { name: "hop_headers", run };

/// Headers of one hop, `Connection` itself among them.
static HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("http2-settings"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::TRAILER,
];

/// With these some frameworks let a caller say another method or path than the one that was decided on.
const OVERRIDES: &[&str] =
    &["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let headers = &mut x.head.headers;
    // The one `TE` that HTTP/2 allows, and that gRPC insists on.
    let trailers = x.conn.is_http2() && headers.get(header::TE).is_some_and(|te| te == "trailers");
    strip(headers);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::EXPECT); // hyper has answered it, or will when the body is read
    remove_claims(headers, x.conn.side == Side::Gateway);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if x.upgrade {
        set_upgrade(headers);
    }
    Ok(())
}

/// Strips a program's or peer's response. `switched` keeps what a 101 needs.
pub fn strip_response(headers: &mut HeaderMap, switched: bool) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH); // the coding is what counted (RFC 9112 section 6.3)
    }
    strip(headers);
    if switched {
        set_upgrade(headers);
    }
}

fn set_upgrade(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in named.iter().filter(|name| may_be_named(name)).chain(&HOP) {
        headers.remove(name);
    }
}

/// A client may not make us drop what others decide by: without `Host` or `Cookie` a request is a different one.
fn may_be_named(name: &HeaderName) -> bool {
    ![header::HOST, header::AUTHORIZATION, header::COOKIE, header::CONTENT_TYPE, header::CACHE_CONTROL].contains(name)
}

/// Removes what only we may say about a caller, under any spelling that a program might take for it.
fn remove_claims(headers: &mut HeaderMap, from_outside: bool) {
    let claimed: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name, from_outside)).cloned().collect();
    for name in claimed {
        headers.remove(name);
    }
}

fn is_claim(name: &HeaderName, from_outside: bool) -> bool {
    let name = name.as_str().as_bytes();
    let starts = |prefix: &str| {
        name.len() >= prefix.len()
            && name.iter().zip(prefix.as_bytes()).all(|(n, p)| n == p || (*p == b'-' && !n.is_ascii_alphanumeric()))
    };
    starts("x-bartizan-")
        || OVERRIDES.iter().any(|word| name.len() == word.len() && starts(word))
        || (from_outside
            && (starts("x-forwarded-") || starts("x-real-ip") || name == b"forwarded" || starts("x-request-id")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(n, v): &(&'static str, &'static str)| (HeaderName::from_static(n), HeaderValue::from_static(v));
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn takes_out_what_connection_names_but_not_what_others_decide_by() {
        let mut headers = map(&[
            ("connection", "close, x-one, Cookie"),
            ("x-one", "1"),
            ("cookie", "c"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip"),
            ("accept", "*/*"),
        ]);
        strip(&mut headers);
        assert_eq!(headers, map(&[("cookie", "c"), ("accept", "*/*")]));
    }

    #[test]
    fn takes_out_claims_under_any_spelling() {
        let given = [
            ("x-bartizan-peer", "me"),
            ("x_bartizan_peer", "me"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x_forwarded_for", "1.2.3.4"),
            ("forwarded", "for=1"),
            ("x-mine", "1"),
        ];
        let (mut outside, mut inside) = (map(&given), map(&given));
        remove_claims(&mut outside, true);
        assert_eq!(outside, map(&[("x-mine", "1")]));
        remove_claims(&mut inside, false);
        assert_eq!(inside, map(&given[2..]));
    }

    #[test]
    fn a_response_with_two_lengths_keeps_neither() {
        let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "5"), ("x", "y")]);
        strip_response(&mut headers, false);
        assert_eq!(headers, map(&[("x", "y")]));
    }
}
