//! Where a browser may be sent back to: addresses of apps, as they are registered and as they are asked for.
//!
//! Compared as they are written, to the letter: whatever is more lenient has sent codes to strangers (RFC 9700 section 4.1). The one
//! exception is the port of a loopback address, which a program on a desktop learns when it runs (RFC 8252 section 7.3).

use std::fmt;

/// Longest address in bytes.
pub const BYTES_MAX: usize = 1_024;
/// Digits of a port, a count.
const PORT_DIGITS_MAX: usize = 5;
/// Hosts of this machine that may be named without TLS, as they stand in an address. `localhost` may be resolved to elsewhere (RFC 8252
/// section 8.3).
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// An address that a browser may be sent to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Redirect(Kind);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// As it is.
    Exact(String),
    /// At any port: what comes before the port, and what comes behind it.
    Loopback(&'static str, String),
}

impl Redirect {
    /// Reads an address that is to be registered: `https`, `http` on a loopback address, or a scheme of an app's own with a dot in it
    /// (RFC 8252 section 7.1), which nobody else owns.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("only visible ASCII is allowed, at most 1024 bytes");
        }
        if text.contains(['#', '*', '\\', '"', '<', '>']) {
            return Err("no fragment, wildcard, backslash, quote or bracket is allowed");
        }
        if let Some(rest) = text.strip_prefix("https://") {
            return check_authority(rest).map(|()| Self(Kind::Exact(text.to_owned())));
        }
        if let Some(found) = LOOPBACK.iter().find_map(|host| Some((host, text.strip_prefix(host)?))) {
            let (host, rest) = found;
            let tail = behind_port(rest).ok_or("that is no port")?;
            return match tail.as_bytes().first() {
                None | Some(b'/' | b'?') => Ok(Self(Kind::Loopback(host, tail.to_owned()))),
                _ => Err("`http` is for 127.0.0.1 and [::1] alone; use `https`"),
            };
        }
        let (scheme, rest) = text.split_once(':').ok_or("it has no scheme")?;
        if scheme.eq_ignore_ascii_case("http") {
            return Err("`http` is for 127.0.0.1 and [::1] alone; use `https`");
        }
        let in_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        if !scheme.contains('.')
            || !scheme.bytes().all(in_scheme)
            || !scheme.starts_with(|c: char| c.is_ascii_lowercase())
        {
            return Err("use `https`, or a scheme that is the app's own by a domain, such as `com.example.app:/back`");
        }
        if !rest.starts_with('/') {
            return Err("give it a path, such as `com.example.app:/back`");
        }
        Ok(Self(Kind::Exact(text.to_owned())))
    }

    /// Whether somebody who asks to be sent to `shown` may be sent there.
    pub fn allows(&self, shown: &str) -> bool {
        match &self.0 {
            Kind::Exact(text) => text == shown,
            Kind::Loopback(host, tail) => shown.strip_prefix(host).and_then(behind_port) == Some(tail),
        }
    }

    /// The origin of pages there, as a browser names it; `None` where no page can be there.
    pub fn origin(&self) -> Option<&str> {
        let Kind::Exact(text) = &self.0 else { return None };
        let rest = text.strip_prefix("https://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        Some(&text[..text.len() - rest.len() + end])
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Exact(text) => f.write_str(text),
            Kind::Loopback(host, tail) => write!(f, "{host}{tail}"),
        }
    }
}

/// Host and port, without a user in front: what comes before an `@` looks like a host to people.
fn check_authority(rest: &str) -> Result<(), &'static str> {
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    let host = authority.strip_prefix('[').and_then(|v6| v6.split_once(']')).map_or_else(
        || authority.split_once(':').map_or((authority, ""), |(host, _)| (host, &authority[host.len()..])),
        |(v6, port)| (v6, port),
    );
    let in_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    if host.0.is_empty() || !host.0.bytes().all(in_host) {
        return Err("name a host, without a user in front");
    }
    if behind_port(host.1) == Some("") { Ok(()) } else { Err("that is no port") }
}

/// What is behind a port, or the whole where there is none; `None` where there is a colon and no port.
fn behind_port(text: &str) -> Option<&str> {
    let Some(rest) = text.strip_prefix(':') else { return Some(text) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let is_port = (1..=PORT_DIGITS_MAX).contains(&digits) && rest[..digits].parse::<u16>().is_ok_and(|port| port > 0);
    is_port.then(|| &rest[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_send_a_code_to_a_stranger_cannot_be_registered() {
        for text in [
            "",
            "shop.example/back",
            "http://shop.example/back",
            "HTTP://shop.example/back",
            "http://localhost/back",
            "http://127.0.0.1.evil.test/back",
            "http://127.0.0.1@evil.test/back",
            "http://127.0.0.1:80@evil.test/back",
            "http://127.0.0.1:0/back",
            "http://127.0.0.1:99999/back",
            "https://",
            "https:///back",
            "https://user@shop.example/back",
            "https://shop.example:x/back",
            "https://*.shop.example/back",
            "https://shop.example/back#here",
            "https://shop.example\\@evil.test/",
            "https://shop.example/a b",
            "https://sh\u{f6}p.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "app:/back",
            "com.example.app:back",
            &format!("https://shop.example/{}", "a".repeat(BYTES_MAX)),
        ] {
            assert!(Redirect::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_compared_to_the_letter_but_for_the_port_of_a_loopback_address() {
        let exact = Redirect::parse("https://shop.example/back?a=b").unwrap();
        assert_eq!(exact.origin(), Some("https://shop.example"));
        for shown in [
            "https://shop.example/back",
            "https://shop.example/back?a=b&c=d",
            "https://shop.example/back?a=b#x",
            "https://shop.example:443/back?a=b",
            "https://SHOP.example/back?a=b",
            "https://shop.example/back/../back?a=b",
            "https://shop.example/back?a=b ",
            "http://shop.example/back?a=b",
            "https://shop.example.evil.test/back?a=b",
        ] {
            assert!(!exact.allows(shown), "{shown}");
        }
        assert!(exact.allows("https://shop.example/back?a=b"));
        for (registered, host) in [("http://127.0.0.1/cb", "127.0.0.1"), ("http://[::1]:1234/cb", "[::1]")] {
            let loopback = Redirect::parse(registered).unwrap();
            assert_eq!(loopback.origin(), None);
            for port in ["", ":1", ":8080", ":65535"] {
                assert!(loopback.allows(&format!("http://{host}{port}/cb")), "{port}");
            }
            for shown in [
                format!("http://{host}:/cb"),
                format!("http://{host}:0/cb"),
                format!("http://{host}:65536/cb"),
                format!("http://{host}:80/cb/"),
                format!("http://{host}:80/cb?x"),
                format!("http://{host}:80@evil.test/cb"),
                format!("http://{host}.evil.test/cb"),
                format!("https://{host}/cb"),
                "http://localhost/cb".to_owned(),
            ] {
                assert!(!loopback.allows(&shown), "{shown}");
            }
        }
        assert!(Redirect::parse("com.example.app:/back").unwrap().allows("com.example.app:/back"));
    }

    proptest! {
        #[test]
        fn what_is_registered_allows_itself_and_prints_as_itself(text in "(https://[a-z.]{1,9}(:[1-9][0-9]{0,3})?|http://127\\.0\\.0\\.1|[a-z]{1,3}\\.[a-z]{1,3}:)/[a-z/?=]{0,9}") {
            if let Ok(redirect) = Redirect::parse(&text) {
                prop_assert!(redirect.allows(&text));
                prop_assert_eq!(redirect.to_string(), text);
            }
        }

        #[test]
        fn nothing_but_the_registered_host_is_ever_allowed(shown in "(http|https)://[a-z0-9.@:\\[\\]/]{0,24}") {
            let loopback = Redirect::parse("http://127.0.0.1/cb").unwrap();
            if loopback.allows(&shown) {
                let authority = shown.strip_prefix("http://").unwrap().strip_suffix("/cb").unwrap();
                let host = authority.split(':').next().unwrap();
                prop_assert_eq!(host, "127.0.0.1");
            }
        }
    }
}
