//! Gives requests of HTTP/2 and of legs the checks that the framing guard gave HTTP/1.1 ones: they may become HTTP/1.1 at the next
//! hop.
//!
//! h2 itself refuses connection headers, bad pseudo headers and a body that differs from its length.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Carrier;
use crate::framing::{Rule, check_host, check_lookalike, check_method, check_target, parse_length};
use crate::limits;
use crate::message::RequestHead;

pub(super) const IT: Filter = Filter { name: "form", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    // A guard adds some fields to what it let through.
    let most = if x.conn.carrier == Carrier::Leg { limits::LEG_HEADERS_MAX } else { limits::HEADERS_MAX };
    if x.conn.is_shared() { check(x.head, most).map_err(Answer::refused) } else { Ok(()) }
}

fn check(head: &RequestHead, fields_max: usize) -> Result<(), Rule> {
    check_method(head.method.as_str().as_bytes())?;
    check_target(head.target().as_bytes())?;
    if head.fields.len() > fields_max {
        return Err(Rule::TooManyHeaders);
    }
    check_authority(head)?;
    if head.fields.contains("transfer-encoding") {
        return Err(Rule::TransferEncoding);
    }
    let mut lengths = head.fields.all("content-length");
    if let Some(length) = lengths.next() {
        parse_length(length)?;
        if lengths.next().is_some() {
            return Err(Rule::ContentLengthDuplicate);
        }
    }
    head.fields.iter().filter(|(name, _)| name.contains(&b'_')).try_for_each(|(name, _)| check_lookalike(name))
}

/// One authority, however it is said.
fn check_authority(head: &RequestHead) -> Result<(), Rule> {
    let mut hosts = head.fields.all("host");
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(Rule::HostDuplicate);
    }
    match (head.authority(), host) {
        (None, None) => Err(Rule::HostMissing),
        (Some(authority), Some(host)) if authority != host => Err(Rule::HostDuplicate),
        (Some(authority), _) => check_host(authority),
        (None, Some(host)) => check_host(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Fields;
    use http::Method;

    #[test]
    fn refuses_what_would_be_smuggled_at_the_next_hop() {
        let rule = |method: &str, target: &str, authority: Option<&str>, pairs: &[(&str, &str)]| {
            let mut fields = Fields::default();
            pairs.iter().for_each(|(name, value)| fields.append(name, value.as_bytes()));
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            check(&RequestHead::new(method, target.as_bytes(), authority.map(str::as_bytes), fields), 9).err()
        };
        let with = |pairs: &[(&str, &str)]| rule("POST", "/x", Some("a"), pairs);
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[("host", "a"), ("content-length", "5")]), None);
        assert_eq!(with(&[("host", "b")]), Some(Rule::HostDuplicate));
        assert_eq!(with(&[("host", "a"), ("host", "a")]), Some(Rule::HostDuplicate));
        assert_eq!(rule("POST", "/x", None, &[]), Some(Rule::HostMissing));
        assert_eq!(rule("POST", "/x", Some("u@a"), &[]), Some(Rule::HostInvalid));
        assert_eq!(rule("CONNECT", "/x", Some("a"), &[]), Some(Rule::MethodConnect));
        assert_eq!(rule("TRACE", "/x", Some("a"), &[]), Some(Rule::MethodTrace));
        assert_eq!(rule("POST", "/x y", Some("a"), &[]), Some(Rule::Target));
        assert_eq!(with(&[("transfer-encoding", "chunked")]), Some(Rule::TransferEncoding));
        assert_eq!(with(&[("content-length", "5, 5")]), Some(Rule::ContentLengthInvalid));
        assert_eq!(with(&[("content-length", "5"), ("content-length", "5")]), Some(Rule::ContentLengthDuplicate));
        assert_eq!(with(&[("content_length", "5")]), Some(Rule::LookalikeHeader));
        assert_eq!(with(&[("x", ""); 10]), Some(Rule::TooManyHeaders));
    }
}
