//! Who somebody is: trust domains, SPIFFE IDs, service names.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Longest SPIFFE ID in bytes. Source: SPIFFE-ID specification, section 2.3.
pub const SPIFFE_ID_BYTES_MAX: usize = 2048;
/// Longest trust domain name in bytes. Source: SPIFFE-ID specification, section 2.3.
pub const TRUST_DOMAIN_BYTES_MAX: usize = 255;
/// Longest service name in bytes: what fits a DNS label (RFC 1035 section 2.3.4).
pub const SERVICE_NAME_BYTES_MAX: usize = 63;
/// The service name that the gateway's proxy bears; no service in a fleet file may take it.
pub const GATEWAY: &str = "gateway";
/// The name by which policies know callers without mutual TLS, where a service still takes them; nobody else may have it.
pub const UNAUTHENTICATED: &str = "unauthenticated";

/// Why a text is not the name it claims to be. Retrying cannot help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}: {why}")]
pub struct NameError {
    /// The kind of name that was asked for.
    pub what: &'static str,
    /// The text, cut to 80 bytes.
    pub text: String,
    /// What is wrong with it and what would be right.
    pub why: &'static str,
}

fn refuse(what: &'static str, text: &str, why: &'static str) -> NameError {
    let cut = (0..=80.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    NameError { what, text: text[..cut].escape_debug().to_string(), why }
}

/// Name of a trust domain, such as `bank.example`: lower-case letters, digits, `.`, `-`, `_`.
///
/// Source: SPIFFE-ID specification, section 2.1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct TrustDomain(Box<str>);

impl TrustDomain {
    /// # Errors
    /// [`NameError`] where `text` is empty, too long or has a character outside the allowed set.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "trust domain";
        if text.is_empty() || text.len() > TRUST_DOMAIN_BYTES_MAX {
            return Err(refuse(WHAT, text, "expected 1 to 255 bytes, such as `bank.example`"));
        }
        if !text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_')) {
            return Err(refuse(WHAT, text, "only lower-case letters, digits, `.`, `-` and `_` are allowed"));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Name of one workload, such as `spiffe://bank.example/svc/accounts`.
///
/// A value has passed [`SpiffeId::parse`]: at most 2048 bytes, a valid trust domain, path segments of
/// letters, digits, `.`, `-`, `_` that are neither empty nor `.` nor `..`; no query, fragment, port or user.
/// Source: SPIFFE-ID specification, section 2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    text: Arc<str>,
    /// Where the path begins in `text` (its `/`), or the length of `text` where there is none.
    path_at: u16,
}

impl SpiffeId {
    /// # Errors
    /// [`NameError`] with the rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "SPIFFE ID";
        if text.len() > SPIFFE_ID_BYTES_MAX {
            return Err(refuse(WHAT, text, "longer than 2048 bytes"));
        }
        let Some(rest) = text.strip_prefix("spiffe://") else {
            return Err(refuse(WHAT, text, "it does not begin with `spiffe://`"));
        };
        let domain_len = rest.find('/').unwrap_or(rest.len());
        if TrustDomain::parse(&rest[..domain_len]).is_err() {
            return Err(refuse(WHAT, text, "its trust domain is empty or has a character that is not allowed"));
        }
        let path = &rest[domain_len..];
        if !path.is_empty() {
            for segment in path[1..].split('/') {
                if segment.is_empty() || segment == "." || segment == ".." {
                    return Err(refuse(WHAT, text, "a path segment is empty, `.` or `..`"));
                }
                let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
                if !segment.bytes().all(allowed) {
                    return Err(refuse(WHAT, text, "path segments hold only letters, digits, `.`, `-` and `_`"));
                }
            }
        }
        let path_at = u16::try_from("spiffe://".len() + domain_len).expect("at most 2048, checked above");
        Ok(Self { text: text.into(), path_at })
    }

    /// The identity of `role` in `domain`.
    pub fn of(domain: &TrustDomain, role: &Role) -> Self {
        let path = match role {
            Role::Service(name) => format!("/svc/{name}"),
            Role::Control => "/bartizan/control".to_owned(),
            Role::Node(name) => format!("/bartizan/node/{name}"),
        };
        Self::parse(&format!("spiffe://{domain}{path}")).expect("domain and role were parsed, so their join parses")
    }

    /// The whole ID as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain, as text.
    pub fn domain(&self) -> &str {
        &self.text["spiffe://".len()..usize::from(self.path_at)]
    }

    /// The path with its leading `/`; empty for the ID of a trust domain itself.
    pub fn path(&self) -> &str {
        &self.text[usize::from(self.path_at)..]
    }

    /// What this identity is inside `domain`; `None` where it is foreign or has a path that we do not hand out.
    pub fn role_in(&self, domain: &TrustDomain) -> Option<Role> {
        if self.domain() != domain.as_str() {
            return None;
        }
        let path = self.path();
        if path == "/bartizan/control" {
            return Some(Role::Control);
        }
        if let Some(name) = path.strip_prefix("/bartizan/node/") {
            return ServiceName::parse(name).ok().map(Role::Node);
        }
        let name = path.strip_prefix("/svc/")?;
        ServiceName::parse(name).ok().map(Role::Service)
    }
}

/// What an identity of our own trust domain stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A service of the fleet, or the gateway (named [`GATEWAY`]).
    Service(ServiceName),
    /// A control process.
    Control,
    /// A node: the process on a host that vouches for workloads there.
    Node(ServiceName),
}

/// Name of a service in a fleet: a DNS label of lower-case letters, digits and `-` (RFC 1035 section 2.3.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// # Errors
    /// [`NameError`] where `text` is not a DNS label in lower case.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "service name";
        if text.is_empty() || text.len() > SERVICE_NAME_BYTES_MAX {
            return Err(refuse(WHAT, text, "expected 1 to 63 bytes"));
        }
        if !text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return Err(refuse(WHAT, text, "only lower-case letters, digits and `-` are allowed"));
        }
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || text.ends_with('-') {
            return Err(refuse(WHAT, text, "it must begin with a letter and not end with `-`"));
        }
        Ok(Self(text.into()))
    }

    /// The reserved name of the gateway's own proxy.
    pub fn gateway() -> Self {
        Self(GATEWAY.into())
    }

    /// The reserved name of callers without mutual TLS.
    pub fn unauthenticated() -> Self {
        Self(UNAUTHENTICATED.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One instance of a service: `ledger` is the first, `ledger.2` the second. No service name has a dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Member {
    service: ServiceName,
    number: u16,
}

impl Member {
    /// The instance of `service` with this number; there is none below 1.
    pub fn new(service: ServiceName, number: u16) -> Self {
        Self { service, number: number.max(1) }
    }

    /// # Errors
    /// [`NameError`] where `text` is neither a service's name nor one with a number from 2 on.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let Some((service, number)) = text.split_once('.') else {
            return ServiceName::parse(text).map(Self::from);
        };
        let number = number.parse::<u16>().ok().filter(|n| *n > 1 && n.to_string() == number);
        let number =
            number.ok_or_else(|| refuse("instance", text, "expected a service and a number from 2 on: `ledger.2`"))?;
        ServiceName::parse(service).map(|service| Self { service, number })
    }

    /// Its service.
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// Its number, from 1.
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl From<ServiceName> for Member {
    fn from(service: ServiceName) -> Self {
        Self { service, number: 1 }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            1 => write!(f, "{}", self.service),
            number => write!(f, "{}.{number}", self.service),
        }
    }
}

impl TryFrom<String> for Member {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<Member> for String {
    fn from(member: Member) -> Self {
        member.to_string()
    }
}

impl std::str::FromStr for Member {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

macro_rules! text_like {
    ($($type:ident . $field:tt),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.$field)
            }
        }
        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }
        impl From<$type> for String {
            fn from(name: $type) -> String {
                String::from(&*name.$field)
            }
        }
        impl std::str::FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }
    )*};
}
text_like!(TrustDomain.0, ServiceName.0, SpiffeId.text);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_text_that_is_not_a_workload_name() {
        for (text, why) in [
            ("", "empty"),
            ("https://bank.test/ledger", "other scheme"),
            ("SPIFFE://bank.test/ledger", "scheme in upper case"),
            ("spiffe:///ledger", "no trust domain"),
            ("spiffe://Bank.test/ledger", "trust domain in upper case"),
            ("spiffe://bank.test:80/ledger", "port"),
            ("spiffe://me@bank.test/ledger", "user"),
            ("spiffe://bank.test/ledger?v=1", "query"),
            ("spiffe://bank.test/ledger#x", "fragment"),
            ("spiffe://bank.test/", "empty segment"),
            ("spiffe://bank.test//ledger", "empty segment"),
            ("spiffe://bank.test/ledger/", "trailing slash"),
            ("spiffe://bank.test/../ledger", "dot-dot"),
            ("spiffe://bank.test/%6cedger", "percent encoding"),
            ("spiffe://bank.test/l\u{e9}dger", "not ASCII"),
        ] {
            assert!(SpiffeId::parse(text).is_err(), "accepted {text:?}, though {why}");
        }
        let long = format!("spiffe://bank.test/{}", "a".repeat(2048));
        assert!(SpiffeId::parse(&long).is_err());
    }

    #[test]
    fn knows_its_parts_and_roles() {
        let domain = TrustDomain::parse("bank.test").unwrap();
        let other = TrustDomain::parse("other.test").unwrap();
        for role in [
            Role::Service(ServiceName::parse("accounts").unwrap()),
            Role::Node(ServiceName::parse("local").unwrap()),
            Role::Control,
        ] {
            let id = SpiffeId::of(&domain, &role);
            assert_eq!(id.role_in(&domain), Some(role.clone()));
            assert_eq!(id.role_in(&other), None, "the same path in a foreign domain is nobody");
        }
        let id = SpiffeId::parse("spiffe://bank.test").unwrap();
        assert_eq!((id.domain(), id.path(), id.role_in(&domain)), ("bank.test", "", None));
    }

    #[test]
    fn refuses_service_names_that_are_not_labels() {
        for text in ["", "Accounts", "a_b", "1a", "a-", "-a", "a.b", &"a".repeat(64)] {
            assert!(ServiceName::parse(text).is_err(), "accepted {text:?}");
        }
    }

    #[test]
    fn instances_are_told_apart_by_their_number() {
        for text in ["ledger", "ledger.2", "ledger.65535"] {
            assert_eq!(Member::parse(text).unwrap().to_string(), text);
        }
        for text in ["", ".2", "ledger.", "ledger.0", "ledger.1", "ledger.02", "ledger.+2", "ledger.65536", "a.2.3"] {
            assert!(Member::parse(text).is_err(), "accepted {text:?}");
        }
        let first = Member::from(ServiceName::parse("ledger").unwrap());
        assert_eq!(first, Member::new(first.service().clone(), 0));
    }

    proptest! {
        #[test]
        fn what_parses_prints_back(text in "spiffe://[a-z]{1,9}(/[a-z]{1,9}){0,3}") {
            let id = SpiffeId::parse(&text).unwrap();
            prop_assert_eq!(id.as_str(), text);
        }

        #[test]
        fn any_text_parses_or_is_refused_without_panic(text in "\\PC{0,80}") {
            if let Ok(id) = SpiffeId::parse(&text) {
                prop_assert_eq!(format!("spiffe://{}{}", id.domain(), id.path()), &*text);
            }
            let _ = ServiceName::parse(&text);
            let _ = TrustDomain::parse(&text);
        }
    }
}
