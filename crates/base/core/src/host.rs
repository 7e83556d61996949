//! The one reader of hosts: how a host is told from its port, what a name is made of, and what only looks like a name.
//!
//! What is made of it is for whoever asks: routes of the gateway ([`crate::gateway`]), rules of the way out ([`crate::egress`]), names of
//! the console ([`crate::console`]).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest host name in bytes, dots among them (RFC 1035 section 2.3.4, without the length bytes of the wire).
pub const HOST_BYTES_MAX: usize = 253;
/// Longest label in bytes (RFC 1035 section 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;
/// Longest host with its port in bytes: a name, `:` and five digits. An address in brackets is shorter.
pub const AUTHORITY_BYTES_MAX: usize = HOST_BYTES_MAX + 6;

/// Host and port of `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`, told apart and nothing more: neither is checked. `None` where
/// there is no telling: a bracket that is not closed, or something else than a port behind it.
pub fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    match text.split_at(end) {
        (host, "") => Some((host, None)),
        (host, rest) => Some((host, Some(rest.strip_prefix(':')?))),
    }
}

/// Whether a text is a name of labels with dots between them, of letters, digits, `-`, and `further` where it says so; no label begins or
/// ends with `-`. A dot at the end is none.
pub fn is_name(text: &str, further: &[u8]) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || further.contains(&byte);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(good)
    };
    text.len() <= HOST_BYTES_MAX && text.split('.').all(is_label)
}

/// Whether a browser or `inet_aton` takes a text for an address (`127.1`, `0x7f.1`), or it is one: readers must not disagree on where a
/// name ends.
pub fn is_like_an_address(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or(text);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    text.parse::<IpAddr>().is_ok()
        || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        || hex.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A host with a port or without, as a browser's `Host` names one. Its text is the one form of it: lower case, an address as usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Who.
    pub host: Host,
    /// Where; the usual one where `None`.
    pub port: Option<u16>,
}

/// The host of an [`Authority`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By name, in lower case, without a final dot.
    Name(Box<str>),
    /// By address.
    Ip(IpAddr),
}

impl Authority {
    /// Reads `text`, at most [`AUTHORITY_BYTES_MAX`] bytes. `None` where it is none, or where two readers could take it for two things: a
    /// name that looks like an address, a final dot, a port as no browser writes it.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > AUTHORITY_BYTES_MAX {
            return None;
        }
        let (host, port) = split(text)?;
        let port = port.map(|port| port_of(port).ok_or(())).transpose().ok()?;
        Some(Self { host: Host::parse(host)?, port })
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[') {
            let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Ip(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Ip(address.into()));
        }
        (is_name(text, b"") && !is_like_an_address(text)).then(|| Self::Name(text.to_ascii_lowercase().into()))
    }
}

/// Digits alone, and no zero before them; 0 is none.
fn port_of(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_host_or_could_be_two() {
        for (text, why) in [
            ("", "empty"),
            (":80", "no host"),
            ("bank.test:", "no port"),
            ("bank.test:0", "no port"),
            ("bank.test:+80", "a sign"),
            ("bank.test:080", "as no browser writes it"),
            ("bank.test:65536", "too large"),
            ("bank.test:http", "a word"),
            ("bank.test:80:80", "two ports"),
            ("bank.test.", "a final dot"),
            ("bank..test", "an empty label"),
            ("-bank.test", "a label that begins with a dash"),
            ("bank-.test", "a label that ends with one"),
            ("bank_a.test", "an underscore"),
            ("b\u{fc}cher.test", "not ASCII"),
            ("bank.test/x", "a path"),
            ("me@bank.test", "a user"),
            ("*.bank.test", "a pattern"),
            ("127.1", "an address to some"),
            ("0x7f.1", "an address to some"),
            ("0X7F000001", "an address to some"),
            ("2130706433", "an address to some"),
            ("::1", "no brackets"),
            ("[::1", "a bracket that is open"),
            ("[::1]80", "no colon"),
            ("[127.0.0.1]", "not in brackets"),
            ("[fe80::1%eth0]", "a zone"),
            ("[::1]]:80", "a bracket too many"),
        ] {
            assert_eq!(Authority::parse(text), None, "accepted {text:?}: {why}");
        }
        let long = format!("{}.test", "a.".repeat(130));
        assert_eq!((Authority::parse(&long), Authority::parse(&"a".repeat(64))), (None, None));
    }

    #[test]
    fn a_host_has_one_form() {
        for (text, form) in [
            ("LocalHost:8444", "localhost:8444"),
            ("Console.Bank.test", "console.bank.test"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[0:0:0:0:0:0:0:1]:443", "[::1]:443"),
            ("xn--bcher-kva.example:65535", "xn--bcher-kva.example:65535"),
        ] {
            assert_eq!(Authority::parse(text).map(|it| it.to_string()).as_deref(), Some(form), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_back(text in "[a-zA-Z0-9.:_\\[\\]%*\u{e9}-]{0,24}") {
            if let Some(read) = Authority::parse(&text) {
                let printed = read.to_string();
                prop_assert!(printed.len() <= AUTHORITY_BYTES_MAX && printed == printed.to_ascii_lowercase());
                prop_assert_eq!(Authority::parse(&printed), Some(read));
            }
        }

        #[test]
        fn names_with_ports_are_read_whole(name in "[a-z][a-z0-9]{0,9}(\\.[a-z][a-z0-9]{0,9}){0,3}", port in 1u16..) {
            let read = Authority::parse(&format!("{name}:{port}"));
            prop_assert_eq!(read, Some(Authority { host: Host::Name(name.into()), port: Some(port) }));
        }

        #[test]
        fn what_is_told_apart_is_all_there_was(text in ".{0,24}") {
            if let Some((host, port)) = split(&text) {
                let whole = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
                prop_assert_eq!(whole, text);
            }
        }
    }
}
