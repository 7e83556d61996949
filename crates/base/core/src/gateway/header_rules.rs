//! What the gateway changes about the headers of requests and of answers.

use super::conditions::{HeaderMatchError, check_name, is_value, unfit};
use serde::{Deserialize, Serialize};

/// Most headers in one list, a count: each is looked for in each request or answer.
pub const HEADER_RULES_MAX: usize = 64;

/// What is added to answers that have no such header, and what is taken out of them, with `secure`.
pub const SECURE: &[(&str, &str)] = &[
    // A year: browsers come back by TLS alone. Without what lies below the host, which may be somebody else's.
    ("strict-transport-security", "max-age=31536000"),
    // No other site may show it in a frame, no script may move its base, nothing may be embedded as a plug-in.
    ("content-security-policy", "frame-ancestors 'self'; base-uri 'self'; object-src 'none'"),
    // Other sites do not learn where a visitor was; the own site does, since some check it against forgery.
    ("referrer-policy", "same-origin"),
];
/// What `secure` says whatever the service said: a script is a script only where its type says so.
pub const SECURE_ALWAYS: (&str, &str) = ("x-content-type-options", "nosniff");
/// What `secure` takes out: it tells an attacker which program and version to look up, and nobody else anything.
pub const SECURE_REMOVED: &[&str] = &["server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version"];

/// What is changed about headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderRules {
    /// Whether answers get [`SECURE`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secure: bool,
    /// For requests.
    #[serde(default, skip_serializing_if = "Edits::is_none")]
    pub request: Edits,
    /// For answers.
    #[serde(default, skip_serializing_if = "Edits::is_none")]
    pub response: Edits,
}

/// What is taken out and what is put in, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edits {
    /// Names, in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Box<str>>,
    /// Name and value, in place of whatever is there of that name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(Box<str>, Box<str>)>,
}

impl Edits {
    /// Whether nothing is changed.
    pub fn is_none(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty()
    }
}

impl HeaderRules {
    /// Whether nothing is changed.
    pub fn is_none(&self) -> bool {
        !self.secure && self.request.is_none() && self.response.is_none()
    }
}

/// Whose headers are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those of requests.
    Request,
    /// Those of answers.
    Response,
}

/// Why a header cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Not a name of a header, or a value that none can have.
    #[error(transparent)]
    Form(HeaderMatchError),
    /// It decides where the message ends, to whom it goes, or is said by the gateway itself.
    #[error("the gateway sees to it itself")]
    Ours,
    /// `access-control-…`
    #[error("what scripts of other sites may read is said under `cors`")]
    Cors,
    /// A secret would stand in the fleet file.
    #[error("a credential does not belong into the fleet file")]
    Secret,
}

/// Whether the header may be taken out.
///
/// # Errors
/// [`EditError`].
pub fn check_remove(of: Of, name: &str) -> Result<(), EditError> {
    check_name(name).map_err(EditError::Form)?;
    let ours = unfit(name).is_some() || (of == Of::Response && name.starts_with("ratelimit"));
    match name {
        _ if ours => Err(EditError::Ours),
        _ if of == Of::Response && name.starts_with("access-control-") => Err(EditError::Cors),
        "traceparent" | "tracestate" | "expect" => Err(EditError::Ours),
        _ => Ok(()),
    }
}

/// Whether the header may be set to `value`.
///
/// # Errors
/// [`EditError`].
pub fn check_set(of: Of, name: &str, value: &str) -> Result<(), EditError> {
    check_remove(of, name)?;
    if of == Of::Request && matches!(name, "authorization" | "cookie" | "x-api-key") {
        return Err(EditError::Secret);
    }
    if is_value(value) { Ok(()) } else { Err(EditError::Form(HeaderMatchError::Value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_would_change_the_message_or_who_said_it() {
        for name in [
            "host",
            "content-length",
            "transfer-encoding",
            "x-forwarded-for",
            "x-bartizan-peer",
            "txn-token",
            "traceparent",
        ] {
            assert_eq!(check_remove(Of::Request, name), Err(EditError::Ours), "{name}");
            assert!(check_set(Of::Response, name, "1").is_err(), "{name}");
        }
        assert_eq!(check_remove(Of::Response, "access-control-allow-origin"), Err(EditError::Cors));
        assert_eq!(check_remove(Of::Response, "ratelimit-policy"), Err(EditError::Ours));
        assert_eq!(check_set(Of::Request, "authorization", "Basic x"), Err(EditError::Secret));
        assert_eq!(check_remove(Of::Request, "authorization"), Ok(()));
        assert_eq!(check_set(Of::Response, "x-a", "b\r\nx: y"), Err(EditError::Form(HeaderMatchError::Value)));
        assert_eq!(check_set(Of::Response, "X-A", "b"), Err(EditError::Form(HeaderMatchError::Name)));
        assert_eq!(check_set(Of::Response, "content-security-policy", "default-src 'self'"), Ok(()));
    }

    #[test]
    fn the_secure_set_is_made_of_headers_that_may_be_set() {
        for (name, value) in SECURE.iter().chain([&SECURE_ALWAYS]) {
            assert_eq!(check_set(Of::Response, name, value), Ok(()), "{name}");
        }
        assert!(SECURE_REMOVED.iter().all(|name| check_remove(Of::Response, name).is_ok()));
    }
}
