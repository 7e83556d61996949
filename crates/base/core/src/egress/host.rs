//! Host names as DNS has them, in one spelling, and patterns of them.

use crate::host::{HOST_BYTES_MAX, is_like_an_address, is_name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Why a text is no host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Empty, or longer than [`HOST_BYTES_MAX`].
    #[error("a host name has 1 to 253 bytes")]
    Length,
    /// A label is empty, too long, begins or ends with `-`, or holds something else than letters, digits, `-` and `_`.
    #[error("its labels hold 1 to 63 letters, digits, `-` and `_`, with a `.` between two")]
    Label,
    /// It is an address, or would be read as one (`127.1`, `0x7f.1`).
    #[error("it is, or looks like, an address")]
    Address,
    /// A `*` that is not alone at the front.
    #[error("`*` stands for exactly one label, and only at the front: `*.example.com`")]
    Star,
    /// `*.com` would be half the world.
    #[error("behind `*.` at least two labels are named")]
    TooWide,
}

/// A host name: lower case, no dot at its end, and never an address in any spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(Box<str>);

impl HostName {
    /// # Errors
    /// [`HostError`], by what is wrong.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() || text.len() > HOST_BYTES_MAX {
            return Err(HostError::Length);
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err(HostError::Address);
        }
        // Programs look up names with `_` in them.
        if !is_name(text, b"_") {
            return Err(if text.contains('*') { HostError::Star } else { HostError::Label });
        }
        if is_like_an_address(text) {
            return Err(HostError::Address);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A host name, or every name with exactly one label before it: `*.example.com`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum HostPattern {
    /// This name.
    Exact(HostName),
    /// One label more than this name.
    OneLabelBefore(HostName),
}

impl HostPattern {
    /// # Errors
    /// [`HostError`], by what is wrong.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let Some(rest) = text.strip_prefix("*.") else { return HostName::parse(text).map(Self::Exact) };
        let rest = HostName::parse(rest)?;
        if rest.as_str().contains('.') { Ok(Self::OneLabelBefore(rest)) } else { Err(HostError::TooWide) }
    }

    /// Whether `host` is meant.
    pub fn matches(&self, host: &HostName) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::OneLabelBefore(rest) => {
                host.as_str().split_once('.').is_some_and(|(_, behind)| behind == rest.as_str())
            }
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::OneLabelBefore(rest) => write!(f, "*.{rest}"),
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = HostError;
    fn try_from(text: String) -> Result<Self, HostError> {
        Self::parse(&text)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0.into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_two_readers_could_take_for_two_things() {
        for (text, error) in [
            ("", HostError::Length),
            (".", HostError::Length),
            ("a..b", HostError::Label),
            ("-a.example", HostError::Label),
            ("a b.example", HostError::Label),
            ("ä.example", HostError::Label),
            ("a.example:443", HostError::Label),
            ("127.0.0.1", HostError::Address),
            ("::1", HostError::Address),
            ("127.1", HostError::Address),
            ("2130706433", HostError::Address),
            ("0x7f000001", HostError::Address),
            ("a.0x7f", HostError::Address),
            ("a.*.example", HostError::Star),
        ] {
            assert_eq!(HostName::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(HostName::parse(&"a.".repeat(128)), Err(HostError::Length));
        assert_eq!(HostPattern::parse("*.com"), Err(HostError::TooWide));
        assert_eq!(HostPattern::parse("*"), Err(HostError::Star));
        assert_eq!(HostPattern::parse("*.*.example.com"), Err(HostError::Star));
        assert_eq!(HostPattern::parse("api*.example.com"), Err(HostError::Star));
    }

    #[test]
    fn a_star_is_one_label() {
        let name = |text| HostName::parse(text).unwrap();
        let star = HostPattern::parse("*.Example.com").unwrap();
        assert!(star.matches(&name("a.example.com")) && star.matches(&name("A.EXAMPLE.COM.")));
        for other in ["example.com", "a.b.example.com", "aexample.com", "a.example.com.evil.test"] {
            assert!(!star.matches(&name(other)), "{other}");
        }
        assert!(HostPattern::parse("a.example.com").unwrap().matches(&name("a.example.com")));
        assert_eq!(star.to_string(), "*.example.com");
    }

    proptest! {
        #[test]
        fn what_parses_prints_back(text in "(\\*\\.)?[a-z0-9_-]{1,9}(\\.[a-zA-Z0-9-]{1,9}){0,4}\\.?") {
            if let Ok(pattern) = HostPattern::parse(&text) {
                prop_assert_eq!(HostPattern::parse(&pattern.to_string()), Ok(pattern));
            }
        }
    }
}
