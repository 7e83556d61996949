//! Which scripts of other sites may read what a route answers (CORS, Fetch standard section 3.2).

use serde::{Deserialize, Serialize};

/// Most origins of one route, a count: each is compared with.
pub const ORIGINS_MAX: usize = 256;
/// Most methods or headers in one list, a count.
pub const CORS_NAMES_MAX: usize = 64;
/// For how long a browser may keep what it was told, where nothing is said, in seconds.
pub const MAX_AGE_S: u32 = 600;
/// Longest such time, in seconds: a day, the most that any browser keeps.
pub const MAX_AGE_S_MAX: u32 = 24 * 3600;

/// What a browser is told. Holding a value means that it was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// The origins whose scripts may read answers; every one where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
    /// The methods that they may use beside GET, HEAD and POST.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Box<str>>,
    /// The headers that they may send beside the few that every page may; in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Box<str>>,
    /// The headers of answers that they may read beside the few that every page may; in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<Box<str>>,
    /// Whether requests come with cookies and the like; never with every origin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credentials: bool,
    /// For how long what was told holds, in seconds.
    pub max_age_s: u32,
}

/// Where a script comes from, as a browser says it: scheme, host, and the port where it is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(Box<str>);

/// Why a text is no origin that a browser would ever send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// `null`: sandboxed frames, files, and whoever wants to be taken for one.
    #[error("`null` is what any page can make its frames say")]
    Null,
    /// A pattern.
    #[error("origins are compared to the letter; name each, or write `*` alone for every one")]
    Pattern,
    /// Neither `https` nor `http`.
    #[error("write `https://` (or `http://` while developing) and the host")]
    Scheme,
    /// With a path, or `/` at the end.
    #[error("a browser sends neither a path nor a `/` at the end")]
    Path,
    /// `:443` with `https`.
    #[error("a browser leaves out the usual port")]
    UsualPort,
    /// Not a host, or not in lower case.
    #[error(
        "not a host as a browser sends it: lower case, beyond ASCII as `xn--…`, with a port of 1 to 65535 where there is one"
    )]
    Host,
}

impl Origin {
    /// # Errors
    /// [`OriginError`], by what is wrong.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        if text == "null" {
            return Err(OriginError::Null);
        }
        if text.contains('*') {
            return Err(OriginError::Pattern);
        }
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Scheme)?;
        let usual = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(OriginError::Scheme),
        };
        if rest.contains(['/', '?', '#']) {
            return Err(OriginError::Path);
        }
        let (host, port) = split_port(rest).ok_or(OriginError::Host)?;
        if !is_host(host) {
            return Err(OriginError::Host);
        }
        match port {
            Some(port) if port == usual => Err(OriginError::UsualPort),
            Some(0) => Err(OriginError::Host),
            _ => Ok(Self(text.into())),
        }
    }

    /// As a browser says it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn split_port(rest: &str) -> Option<(&str, Option<u16>)> {
    match crate::host::split(rest)? {
        (host, None) => Some((host, None)),
        (host, Some(digits)) if !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some((host, Some(digits.parse().ok()?)))
        }
        _ => None,
    }
}

fn is_host(host: &str) -> bool {
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.to_string() == v6);
    }
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    !host.is_empty() && host.len() <= super::HOST_BYTES_MAX && host.bytes().all(good) && !host.starts_with('.')
}

impl TryFrom<String> for Origin {
    type Error = OriginError;
    fn try_from(text: String) -> Result<Self, OriginError> {
        Self::parse(&text)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0.into()
    }
}

/// Methods that every page may use (Fetch standard section 2.2.1).
pub const SAFE_METHODS: &[&str] = &["GET", "HEAD", "POST"];

impl Cors {
    /// Whether scripts of every origin may read answers.
    pub fn is_for_all(&self) -> bool {
        self.origins.is_empty()
    }

    /// Whether scripts of `origin`, to the letter, may.
    pub fn allows_origin(&self, origin: &[u8]) -> bool {
        self.is_for_all() || self.origins.iter().any(|one| one.0.as_bytes() == origin)
    }

    /// Whether they may use `method`.
    pub fn allows_method(&self, method: &str) -> bool {
        SAFE_METHODS.contains(&method) || self.methods.iter().any(|one| **one == *method)
    }

    /// Whether they may send all headers that `list` names, with commas between them, in any case. Too many are refused.
    pub fn allows_headers(&self, list: &str) -> bool {
        let names = || list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let allowed = |name: &str| self.headers.iter().any(|one| one.eq_ignore_ascii_case(name));
        names().count() <= CORS_NAMES_MAX && names().all(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_no_browser_sends_as_an_origin() {
        for (text, why) in [
            ("null", OriginError::Null),
            ("*", OriginError::Pattern),
            ("https://*.bank.example", OriginError::Pattern),
            ("bank.example", OriginError::Scheme),
            ("file://x", OriginError::Scheme),
            ("HTTPS://bank.example", OriginError::Scheme),
            ("https://bank.example/", OriginError::Path),
            ("https://bank.example/app", OriginError::Path),
            ("https://bank.example:443", OriginError::UsualPort),
            ("http://bank.example:80", OriginError::UsualPort),
            ("https://Bank.example", OriginError::Host),
            ("https://b\u{fc}cher.example", OriginError::Host),
            ("https://user@bank.example", OriginError::Host),
            ("https://bank.example:", OriginError::Host),
            ("https://bank.example:0443", OriginError::Host),
            ("https://bank.example:99999", OriginError::Host),
            ("https://[::01]", OriginError::Host),
            ("https://", OriginError::Host),
        ] {
            assert_eq!(Origin::parse(text), Err(why), "{text}");
        }
        for good in
            ["https://app.bank.example", "http://localhost:3000", "https://[::1]:8443", "http://bank.example:443"]
        {
            assert_eq!(Origin::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn origins_are_compared_to_the_letter_and_headers_in_any_case() {
        let cors = Cors {
            origins: vec![Origin::parse("https://app.bank.example").unwrap()],
            methods: vec!["PUT".into()],
            headers: vec!["authorization".into(), "x-version".into()],
            expose: Vec::new(),
            credentials: true,
            max_age_s: 1,
        };
        for other in [
            "https://app.bank.example.evil.test",
            "https://APP.bank.example",
            "https://app.bank.example:443",
            "http://app.bank.example",
            "https://app.bank.example/",
            "https://bank.example",
            "null",
            "",
        ] {
            assert!(!cors.allows_origin(other.as_bytes()), "{other}");
        }
        assert!(cors.allows_origin(b"https://app.bank.example"));
        assert!(cors.allows_method("GET") && cors.allows_method("PUT"));
        assert!(!cors.allows_method("put") && !cors.allows_method("DELETE"));
        assert!(cors.allows_headers("Authorization, x-Version") && cors.allows_headers(""));
        assert!(!cors.allows_headers("authorization, x-other") && !cors.allows_headers("*"));
        assert!(!cors.allows_headers(&"x-version,".repeat(CORS_NAMES_MAX + 1)));
    }

    proptest! {
        #[test]
        fn any_text_is_an_origin_or_none(text in "(https?://)?[a-z0-9.:\\[\\]/*@-]{0,20}") {
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert_eq!(origin.as_str(), text.as_str());
                prop_assert!(!text.ends_with('/') && !text.contains('*'));
            }
        }
    }
}
