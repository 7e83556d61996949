//! Hosts: those that a route is for, and the one form of the host that a request names.

use crate::fleet::GatewayRoute;
use crate::host::{HOST_BYTES_MAX, is_name, split};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// The hosts that a route is for: one, or all below one.
///
/// In lower case, without port and final dot; labels beyond ASCII stand as A-labels (`xn--…`, RFC 5890).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HostPattern {
    /// This one.
    Exact(Box<str>),
    /// Every one that ends with a dot and this: `*.bank.example` has `bank.example` here, and is not for that itself.
    Below(Box<str>),
}

/// Why a text is no host of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Letters beyond ASCII.
    #[error("it has letters beyond ASCII; write its labels as DNS has them, such as `xn--bcher-kva.example`")]
    NotAscii,
    /// `host:8443`.
    #[error("it has a port, which no route is chosen by; leave it out")]
    Port,
    /// A star anywhere but as the whole first label.
    #[error("`*` stands for one or more whole labels in front: `*.bank.example`")]
    Star,
    /// Upper case, or a final dot.
    #[error("write it in lower case and without a final dot")]
    Form,
    /// Too long, empty labels, or characters that no host has.
    #[error("not a host name: labels of 1 to 63 letters, digits and `-`, with dots between them")]
    Name,
}

impl HostPattern {
    /// # Errors
    /// [`HostError`], by what is wrong.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if !text.is_ascii() {
            return Err(HostError::NotAscii);
        }
        if text.contains(':') {
            return Err(HostError::Port);
        }
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        if name.contains('*') {
            return Err(HostError::Star);
        }
        if name.ends_with('.') || name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(HostError::Form);
        }
        if text.len() > HOST_BYTES_MAX || !is_name(name, b"") {
            return Err(HostError::Name);
        }
        Ok(if below { Self::Below(name.into()) } else { Self::Exact(name.into()) })
    }

    /// Whether `host`, which [`normal_host`] has brought to its form, is one of them.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::Below(name) => {
                host.strip_suffix(&**name).and_then(|head| head.strip_suffix('.')).is_some_and(|head| !head.is_empty())
            }
        }
    }

    /// How exact it is: one host before all below one, and of those the longer one first.
    pub fn rank(&self) -> (bool, usize) {
        match self {
            Self::Exact(name) => (true, name.len()),
            Self::Below(name) => (false, name.len()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = HostError;
    fn try_from(text: String) -> Result<Self, HostError> {
        Self::parse(&text)
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

/// Most hosts that the gateway's certificate names for its routes, a count: it has to fit into a handshake.
pub const CERTIFIED_HOSTS_MAX: usize = 256;

/// The hosts of routes that the gateway's certificate names: all, or the first [`CERTIFIED_HOSTS_MAX`] by alphabet.
pub fn certified_hosts(routes: &[GatewayRoute]) -> Vec<String> {
    let hosts: BTreeSet<String> =
        routes.iter().filter_map(|route| route.host.as_ref()).map(HostPattern::to_string).collect();
    hosts.into_iter().take(CERTIFIED_HOSTS_MAX).collect()
}

/// The host that a request names, in the one form that routes are compared with: no port, no final dot, lower case.
///
/// `given` is what stands in `Host` or `:authority`; `None` where that names nobody. What is no ASCII is nobody's.
pub fn normal_host(given: &[u8]) -> Option<Cow<'_, str>> {
    let host = bare(std::str::from_utf8(given).ok()?)?;
    Some(match host.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    })
}

/// Whether `given`, as it stands in `Host`, names the host `name`, which is in lower case. Allocates nothing.
pub fn is_host(given: &[u8], name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    std::str::from_utf8(given).ok().and_then(bare).is_some_and(|host| host.eq_ignore_ascii_case(name))
}

/// Without port and final dot.
fn bare(given: &str) -> Option<&str> {
    let (host, _) = split(given)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    (host.is_ascii() && !host.is_empty() && !host.ends_with('.')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_host_of_a_route() {
        for (text, why) in [
            ("", HostError::Name),
            ("bücher.example", HostError::NotAscii),
            ("bank.example:8443", HostError::Port),
            ("[::1]", HostError::Port),
            ("*", HostError::Star),
            ("a.*.example", HostError::Star),
            ("*bank.example", HostError::Star),
            ("Bank.example", HostError::Form),
            ("bank.example.", HostError::Form),
            ("bank..example", HostError::Name),
            ("-bank.example", HostError::Name),
            ("bank_.example", HostError::Name),
            ("*.", HostError::Name),
        ] {
            assert_eq!(HostPattern::parse(text), Err(why), "{text:?}");
        }
        assert!(HostPattern::parse(&format!("{}.example", "a".repeat(64))).is_err());
        assert!(HostPattern::parse(&"a.".repeat(127)).is_err());
    }

    #[test]
    fn a_host_has_one_form_and_a_suffix_is_no_host_of_its_own() {
        for (given, host) in [
            ("bank.example", Some("bank.example")),
            ("BANK.Example:8443", Some("bank.example")),
            ("bank.example.", Some("bank.example")),
            ("bank.example.:443", Some("bank.example")),
            ("[::1]:8443", Some("[::1]")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            (".", None),
            ("bank.example..", None),
            ("", None),
            (":80", None),
            ("[::1", None),
            ("[::1]x", None),
            ("b\u{fc}cher.example", None),
        ] {
            assert_eq!(normal_host(given.as_bytes()).as_deref(), host, "{given}");
        }
        let below = HostPattern::parse("*.bank.example").unwrap();
        for (host, fits) in [
            ("a.bank.example", true),
            ("a.b.bank.example", true),
            ("bank.example", false),
            (".bank.example", false),
            ("xbank.example", false),
        ] {
            assert_eq!(below.matches(host), fits, "{host}");
        }
        assert!(is_host(b"Bank.EXAMPLE.:1", "bank.example") && !is_host(b"a.bank.example", "bank.example"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_host_or_none_and_its_form_is_stable(given in "[a-zA-Z0-9.:\\[\\]*\u{e9}-]{0,20}") {
            if let Some(host) = normal_host(given.as_bytes()) {
                prop_assert!(is_host(given.as_bytes(), &host));
                if let Ok(HostPattern::Exact(name)) = HostPattern::parse(&host) {
                    let again = normal_host(name.as_bytes());
                    prop_assert_eq!(again.as_deref(), Some(&*name));
                }
            }
        }

        #[test]
        fn what_parses_prints_back(text in "(\\*\\.)?[a-z0-9.-]{1,20}") {
            if let Ok(pattern) = HostPattern::parse(&text) {
                prop_assert_eq!(pattern.to_string(), text);
            }
        }
    }
}
