//! Gives HTTP/2 requests the checks that the framing guard gave HTTP/1.1 ones: they may become HTTP/1.1 at the next hop.
//!
//! h2 itself refuses connection headers, bad pseudo headers and a body that differs from its length.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::framing::{Rule, check_host, check_lookalike, check_method, check_target, parse_length};
use crate::limits;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;

pub(super) const IT: Filter = Filter { name: "form", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    if x.conn.is_http2() { check(x.head).map_err(Answer::refused) } else { Ok(()) }
}

fn check(head: &Parts) -> Result<(), Rule> {
    check_method(head.method.as_str().as_bytes())?;
    let target = head.uri.path_and_query().ok_or(Rule::Target)?;
    check_target(target.as_str().as_bytes())?;
    if head.headers.len() > limits::HEADERS_MAX {
        return Err(Rule::TooManyHeaders);
    }
    check_authority(head)?;
    if head.headers.contains_key(TRANSFER_ENCODING) {
        return Err(Rule::TransferEncoding);
    }
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        parse_length(length.as_bytes())?;
        if lengths.next().is_some() {
            return Err(Rule::ContentLengthDuplicate);
        }
    }
    head.headers
        .keys()
        .filter(|name| name.as_str().contains('_'))
        .try_for_each(|n| check_lookalike(n.as_str().as_bytes()))
}

/// One authority, however it is said.
fn check_authority(head: &Parts) -> Result<(), Rule> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(Rule::HostDuplicate);
    }
    match (head.uri.authority(), host) {
        (None, None) => Err(Rule::HostMissing),
        (Some(authority), Some(host)) if authority.as_str().as_bytes() != host.as_bytes() => Err(Rule::HostDuplicate),
        (Some(authority), _) => check_host(authority.as_str().as_bytes()),
        (None, Some(host)) => check_host(host.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn refuses_what_would_be_smuggled_at_the_next_hop() {
        let rule = |change: fn(http::request::Builder) -> http::request::Builder| {
            let request = change(Request::post("http://a/x")).body(()).unwrap();
            check(&request.into_parts().0).err()
        };
        assert_eq!(rule(|r| r), None);
        assert_eq!(rule(|r| r.header("host", "a").header("content-length", "5")), None);
        assert_eq!(rule(|r| r.header("host", "b")), Some(Rule::HostDuplicate));
        assert_eq!(rule(|r| r.header("host", "a").header("host", "a")), Some(Rule::HostDuplicate));
        assert_eq!(rule(|r| r.uri("/x")), Some(Rule::HostMissing));
        assert_eq!(rule(|r| r.uri("http://u@a/x")), Some(Rule::HostInvalid));
        assert_eq!(rule(|r| r.method("CONNECT")), Some(Rule::MethodConnect));
        assert_eq!(rule(|r| r.method("TRACE")), Some(Rule::MethodTrace));
        assert_eq!(rule(|r| r.header("transfer-encoding", "chunked")), Some(Rule::TransferEncoding));
        assert_eq!(rule(|r| r.header("content-length", "5, 5")), Some(Rule::ContentLengthInvalid));
        assert_eq!(
            rule(|r| r.header("content-length", "5").header("content-length", "5")),
            Some(Rule::ContentLengthDuplicate)
        );
        assert_eq!(rule(|r| r.header("content_length", "5")), Some(Rule::LookalikeHeader));
    }
}
