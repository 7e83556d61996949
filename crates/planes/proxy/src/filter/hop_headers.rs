//! Takes out what is meant for one hop only (RFC 9110 section 7.6.1), and what only we may say.
//!
//! Lengths go too: they are written anew from the body that is really sent, so that head and body cannot disagree.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use crate::message::Fields;
use crate::sending;

pub(super) const IT: Filter = Filter { name: "hop_headers", run };

/// With these some frameworks let a caller say another method or path than the one that was decided on.
const OVERRIDES: &[&str] =
    &["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let fields = &mut x.head.fields;
    // The one `TE` that HTTP/2 allows, and that gRPC insists on.
    // The caller's guard said it, and took away what its program had said.
    let copy = x.conn.side == Side::Inbound && x.conn.caller.is_some() && fields.contains(sending::COPY_HEADER);
    let trailers = x.conn.is_shared() && fields.get("te").is_some_and(|te| te == b"trailers");
    let from_outside = x.conn.side == Side::Gateway;
    let named = named_by_connection(fields);
    fields.retain(|name, _| {
        let goes = is_hop(name)
            || matches!(name, b"content-length" | b"expect") // the length is that of the body; `expect` was for us
            || is_claim(name, from_outside)
            || named.iter().any(|word| word == name);
        !goes
    });
    if copy {
        fields.append(sending::COPY_HEADER, b"1");
    }
    if trailers {
        fields.append("te", b"trailers");
    }
    if x.upgrade {
        set_upgrade(fields);
    }
    Ok(())
}

/// Strips a program's or peer's response. `switched` keeps what a 101 needs.
pub fn strip_response(fields: &mut Fields, switched: bool) {
    if fields.contains("transfer-encoding") {
        fields.remove("content-length"); // the coding is what counted (RFC 9112 section 6.3)
    }
    strip(fields);
    fields.remove(crate::answer::UNSENT_HEADER); // only a guard may say it, and it was heard
    if switched {
        set_upgrade(fields);
    }
}

fn set_upgrade(fields: &mut Fields) {
    fields.set("connection", b"upgrade");
    fields.set("upgrade", b"websocket");
}

fn strip(fields: &mut Fields) {
    let named = named_by_connection(fields);
    fields.retain(|name, _| !is_hop(name) && !named.iter().any(|word| word == name));
}

/// Whether this is a header of one hop, `Connection` itself among them.
fn is_hop(name: &[u8]) -> bool {
    matches!(
        name,
        b"connection"
            | b"proxy-connection"
            | b"keep-alive"
            | b"http2-settings"
            | b"te"
            | b"transfer-encoding"
            | b"upgrade"
            | b"proxy-authorization"
            | b"proxy-authenticate"
            | b"trailer"
    )
}

/// What `Connection` names beside the headers that go anyway; in lower case.
fn named_by_connection(fields: &Fields) -> Vec<Vec<u8>> {
    let named = fields.all("connection").flat_map(|value| value.split(|&b| b == b','));
    let named = named.map(|name| name.trim_ascii().to_ascii_lowercase());
    named.filter(|name| may_be_named(name) && !is_hop(name) && name != b"close").collect()
}

/// A client may not make us drop what others decide by: without `Host` or `Cookie` a request is a different one.
fn may_be_named(name: &[u8]) -> bool {
    !matches!(name, b"host" | b"authorization" | b"cookie" | b"content-type" | b"cache-control")
}

/// What only we may say about a caller, under any spelling that a program might take for it.
fn is_claim(name: &[u8], from_outside: bool) -> bool {
    let starts = |prefix: &str| {
        name.len() >= prefix.len()
            && name.iter().zip(prefix.as_bytes()).all(|(n, p)| n == p || (*p == b'-' && !n.is_ascii_alphanumeric()))
    };
    match name.first() {
        Some(b'x') => {
            starts("x-bartizan-")
                || OVERRIDES.iter().any(|word| name.len() == word.len() && starts(word))
                || (from_outside && (starts("x-forwarded-") || starts("x-real-ip") || starts("x-request-id")))
        }
        Some(b'f') => from_outside && name == b"forwarded",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(name, value)| fields.append(name, value.as_bytes()));
        fields
    }

    fn all(fields: &Fields) -> Vec<(String, String)> {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        fields.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn takes_out_what_connection_names_but_not_what_others_decide_by() {
        let mut given = fields(&[
            ("connection", "close, x-One, Cookie"),
            ("x-one", "1"),
            ("cookie", "c"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip"),
            ("accept", "*/*"),
        ]);
        strip(&mut given);
        assert_eq!(all(&given), all(&fields(&[("cookie", "c"), ("accept", "*/*")])));
    }

    #[test]
    fn claims_are_known_under_any_spelling() {
        for (name, inside, outside) in [
            ("x-bartizan-peer", true, true),
            ("x_bartizan_peer", true, true),
            ("x-original-url", true, true),
            ("x_http_method_override", true, true),
            ("x-forwarded-for", false, true),
            ("x_forwarded_for", false, true),
            ("forwarded", false, true),
            ("x-request-id", false, true),
            ("x-mine", false, false),
            ("from", false, false),
        ] {
            let found = (is_claim(name.as_bytes(), false), is_claim(name.as_bytes(), true));
            assert_eq!(found, (inside, outside), "{name}");
        }
    }

    #[test]
    fn a_response_with_two_lengths_keeps_neither() {
        let mut given = fields(&[("transfer-encoding", "chunked"), ("content-length", "5"), ("x", "y")]);
        strip_response(&mut given, false);
        assert_eq!(all(&given), all(&fields(&[("x", "y")])));
    }
}
