//! What a route asks of a request besides its host and path: a method, and headers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Most headers that one route may ask for, a count.
pub const MATCHES_MAX: usize = 16;
/// Longest value that a header may be compared with, in bytes.
const VALUE_BYTES_MAX: usize = 1024;

/// Headers that no route can be chosen by, and why.
const UNFIT: &[(&str, HeaderMatchError)] = &[
    ("host", HeaderMatchError::Host),
    ("content-length", HeaderMatchError::Framing),
    ("transfer-encoding", HeaderMatchError::Framing),
    ("connection", HeaderMatchError::Framing),
    ("keep-alive", HeaderMatchError::Framing),
    ("te", HeaderMatchError::Framing),
    ("trailer", HeaderMatchError::Framing),
    ("upgrade", HeaderMatchError::Framing),
    ("proxy-authorization", HeaderMatchError::Framing),
    ("proxy-connection", HeaderMatchError::Framing),
    ("forwarded", HeaderMatchError::Ours),
    ("x-real-ip", HeaderMatchError::Ours),
    ("x-request-id", HeaderMatchError::Ours),
    ("txn-token", HeaderMatchError::Ours),
    ("txn-delegation", HeaderMatchError::Ours),
];

/// A header that a route asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatch {
    /// Its name, in lower case.
    pub name: Box<str>,
    /// What it has to say.
    pub value: HeaderValueMatch,
}

/// What a header has to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderValueMatch {
    /// Anything: it is there.
    Present,
    /// This, to the letter; and it is there once.
    Exact(Box<str>),
}

/// Why no route can be chosen by a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderMatchError {
    /// Not a name of a header.
    #[error("not the name of a header: letters, digits and `-`, in lower case")]
    Name,
    /// A value that no header can have.
    #[error("not what a header can say: 1 to 1024 printable ASCII characters, without blanks at either end")]
    Value,
    /// The host.
    #[error("the host has a key of its own")]
    Host,
    /// It is of one hop.
    #[error("it is about the connection, and means nothing beyond it")]
    Framing,
    /// Nobody else may say it.
    #[error("the gateway says it itself and believes no client about it")]
    Ours,
}

impl HeaderMatch {
    /// `value` is `*` for a header that has to be there.
    ///
    /// # Errors
    /// [`HeaderMatchError`].
    pub fn parse(name: &str, value: &str) -> Result<Self, HeaderMatchError> {
        check_name(name)?;
        if let Some(why) = unfit(name) {
            return Err(why);
        }
        let value = match value {
            "*" => HeaderValueMatch::Present,
            value if is_value(value) => HeaderValueMatch::Exact(value.into()),
            _ => return Err(HeaderMatchError::Value),
        };
        Ok(Self { name: name.into(), value })
    }

    fn is_exact(&self) -> bool {
        matches!(self.value, HeaderValueMatch::Exact(_))
    }

    /// Whether the values of the header of that name in a request are what is asked for.
    fn fits<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>) -> bool {
        match (&self.value, values.next(), values.next()) {
            (HeaderValueMatch::Present, first, _) => first.is_some(),
            // Of two, the program may read the other one.
            (HeaderValueMatch::Exact(value), Some(first), None) => first == value.as_bytes(),
            (HeaderValueMatch::Exact(_), ..) => false,
        }
    }
}

/// Why a header is not for the fleet file to say anything about, where it is not.
pub(super) fn unfit(name: &str) -> Option<HeaderMatchError> {
    let ours = name.starts_with("x-bartizan-") || name.starts_with("x-forwarded-");
    let listed = UNFIT.iter().find(|(unfit, _)| *unfit == name).map(|(_, why)| *why);
    listed.or(ours.then_some(HeaderMatchError::Ours))
}

/// Whether a text is a header's name in lower case, without the characters that some servers take for others.
///
/// # Errors
/// [`HeaderMatchError::Name`].
pub fn check_name(name: &str) -> Result<(), HeaderMatchError> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(good);
    if is_name { Ok(()) } else { Err(HeaderMatchError::Name) }
}

pub(super) fn is_value(value: &str) -> bool {
    (1..=VALUE_BYTES_MAX).contains(&value.len())
        && value.bytes().all(|b| matches!(b, 0x20..=0x7e))
        && !value.starts_with(' ')
        && !value.ends_with(' ')
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            HeaderValueMatch::Present => write!(f, "{}: *", self.name),
            HeaderValueMatch::Exact(value) => write!(f, "{}: {value}", self.name),
        }
    }
}

/// The methods and headers that a route asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// One of these; any where empty.
    pub methods: Box<[Box<str>]>,
    /// All of these, each name once.
    pub headers: Box<[HeaderMatch]>,
}

/// How exact conditions are: named methods first, then the number of headers, then of those with a value.
pub type Exactness = (bool, usize, usize);

impl Conditions {
    /// How exact they are.
    pub fn rank(&self) -> Exactness {
        (!self.methods.is_empty(), self.headers.len(), self.headers.iter().filter(|it| it.is_exact()).count())
    }

    /// Whether a request fits; `values` gives those of a header by its name.
    pub fn fit<'c, 'v, V: Iterator<Item = &'v [u8]>>(
        &'c self,
        method: &str,
        mut values: impl FnMut(&'c str) -> V,
    ) -> bool {
        self.fits_method(method) && self.headers.iter().all(|header| header.fits(values(&header.name)))
    }

    fn fits_method(&self, method: &str) -> bool {
        // HEAD is GET without the body (RFC 9110 section 9.3.2).
        let is_for = |named: &str| named == method || (named == "GET" && method == "HEAD");
        self.methods.is_empty() || self.methods.iter().any(|named| is_for(named))
    }

    /// A request that fits both although neither is more exact: a text that says what it has. `None` where there is none.
    pub fn ambiguity(&self, other: &Self) -> Option<String> {
        if self.rank() != other.rank() {
            return None;
        }
        let mut methods = self.methods.iter().filter(|method| other.fits_method(method));
        let mut of_other = other.methods.iter().filter(|method| self.fits_method(method));
        let method = match self.methods.is_empty() {
            true => "a request",
            false => methods.next().or_else(|| of_other.next())?,
        };
        let apart = |one: &HeaderMatch| {
            other.headers.iter().any(|it| {
                let exact = one.is_exact() && it.is_exact();
                one.name == it.name && exact && one.value != it.value
            })
        };
        if self.headers.iter().any(apart) {
            return None;
        }
        let mut all: Vec<&HeaderMatch> = self.headers.iter().collect();
        all.extend(other.headers.iter().filter(|it| !self.headers.contains(it)));
        if all.is_empty() {
            return Some(method.to_owned());
        }
        let all: Vec<String> = all.into_iter().map(|header| format!("`{header}`")).collect();
        Some(format!("{method} with {}", all.join(" and ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(methods: &[&str], headers: &[(&str, &str)]) -> Conditions {
        Conditions {
            methods: methods.iter().map(|method| (*method).into()).collect(),
            headers: headers.iter().map(|(name, value)| HeaderMatch::parse(name, value).unwrap()).collect(),
        }
    }

    #[test]
    fn refuses_headers_that_no_route_can_be_chosen_by() {
        for (name, value, why) in [
            ("", "1", HeaderMatchError::Name),
            ("X-Version", "1", HeaderMatchError::Name),
            ("x_version", "1", HeaderMatchError::Name),
            ("x version", "1", HeaderMatchError::Name),
            ("host", "a", HeaderMatchError::Host),
            ("transfer-encoding", "chunked", HeaderMatchError::Framing),
            ("x-forwarded-for", "*", HeaderMatchError::Ours),
            ("x-bartizan-peer", "*", HeaderMatchError::Ours),
            ("txn-token", "*", HeaderMatchError::Ours),
            ("x-version", "", HeaderMatchError::Value),
            ("x-version", " 1", HeaderMatchError::Value),
            ("x-version", "1\r\nx: y", HeaderMatchError::Value),
            ("x-version", "\u{e9}", HeaderMatchError::Value),
        ] {
            assert_eq!(HeaderMatch::parse(name, value), Err(why), "{name}: {value}");
        }
    }

    #[test]
    fn a_header_fits_by_its_only_value_to_the_letter() {
        let asked = conditions(&["GET"], &[("x-version", "2"), ("x-beta", "*")]);
        let fit = |method: &str, given: &[(&str, &str)]| {
            asked.fit(method, |name| {
                let given: Vec<_> =
                    given.iter().filter(|(n, _)| *n == name).map(|(_, value)| value.as_bytes()).collect();
                given.into_iter()
            })
        };
        assert!(
            fit("GET", &[("x-version", "2"), ("x-beta", "")]) && fit("HEAD", &[("x-version", "2"), ("x-beta", "y")])
        );
        for given in [
            &[("x-version", "2")][..],
            &[("x-version", "02"), ("x-beta", "")],
            &[("x-version", "2"), ("x-version", "2"), ("x-beta", "")],
            &[("x-beta", "")],
        ] {
            assert!(!fit("GET", given), "{given:?}");
        }
        assert!(!fit("POST", &[("x-version", "2"), ("x-beta", "")]));
    }

    #[test]
    fn two_routes_are_ambiguous_where_one_request_fits_both_and_neither_is_more_exact() {
        for (one, other, what) in [
            (conditions(&[], &[]), conditions(&[], &[]), Some("a request")),
            (conditions(&["GET"], &[]), conditions(&["POST", "GET"], &[]), Some("GET")),
            (conditions(&["GET"], &[]), conditions(&["HEAD"], &[]), Some("HEAD")),
            (conditions(&["GET"], &[]), conditions(&["POST"], &[]), None),
            (conditions(&["GET"], &[]), conditions(&[], &[]), None),
            (conditions(&[], &[("a", "1")]), conditions(&[], &[("a", "2")]), None),
            (conditions(&[], &[("a", "1")]), conditions(&[], &[("a", "*")]), None),
            (conditions(&[], &[("a", "1")]), conditions(&[], &[]), None),
            (conditions(&[], &[("a", "1")]), conditions(&[], &[("b", "1")]), Some("a request with `a: 1` and `b: 1`")),
        ] {
            assert_eq!(one.ambiguity(&other).as_deref(), what, "{one:?} {other:?}");
            assert_eq!(other.ambiguity(&one).is_some(), what.is_some());
        }
    }
}
