//! Who is not trusted any more, although the certificate is still in date.

use crate::limits::{DENY_ENTRIES_MAX, DENY_REASON_BYTES_MAX};
use crate::name::{ServiceName, SpiffeId, TrustDomain};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The deny list: a snapshot like any other, signed and numbered; an empty one denies nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenyList {
    /// At most [`DENY_ENTRIES_MAX`], one for each subject.
    pub entries: Vec<Denied>,
}

/// One entry of the deny list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    /// Who or what.
    pub subject: Subject,
    /// Why, for people: at most [`DENY_REASON_BYTES_MAX`] bytes, no control characters.
    pub reason: String,
    /// When it was put on the list.
    pub since: Timestamp,
    /// The user or service that asked for it.
    pub by: String,
    /// The entry that brought it onto the list, and takes it off again: a node, for what it vouched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Subject>,
}

/// What an entry denies. As text: `id:spiffe://bank.example/svc/web`, `serial:4f…`, `key:…`, `node:…`, `domain:…` or `issuer:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// Every certificate of this identity, those that are issued later among them.
    Id(SpiffeId),
    /// One certificate, by its serial number: lower-case hexadecimal, at most 20 bytes (RFC 5280 section 4.1.2.2).
    Serial(String),
    /// One key, by the SHA-256 of its SubjectPublicKeyInfo, lower-case hexadecimal.
    Key(String),
    /// A node, and every identity that was handed out on its word.
    Node(ServiceName),
    /// Every identity of a trust domain.
    Domain(TrustDomain),
    /// A CA below a root, by the SHA-256 of its SubjectPublicKeyInfo or of its certificate: everything that it issued.
    Issuer(String),
}

/// Why a text is no subject, or a list no deny list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DenyError {
    /// It does not begin with a word that is known.
    #[error(
        "begin with `id:`, `serial:`, `key:`, `node:`, `domain:` or `issuer:`, as in `id:spiffe://bank.example/svc/web`"
    )]
    NoKind,
    /// The name after the word is none.
    #[error(transparent)]
    Name(#[from] crate::name::NameError),
    /// No serial number.
    #[error("a serial number is 1 to 20 bytes in hexadecimal, as `bartizan status --json` shows it")]
    Serial,
    /// No hash.
    #[error("a key is named by the SHA-256 of its SubjectPublicKeyInfo: 64 hexadecimal digits")]
    Hash,
    /// The reason is of no use.
    #[error("a reason is 1 to {DENY_REASON_BYTES_MAX} bytes without control characters")]
    Reason,
    /// The list is too long.
    #[error("a deny list holds at most {DENY_ENTRIES_MAX} entries; deny the issuer or the node instead")]
    TooMany,
    /// Two entries for the same subject.
    #[error("`{0}` stands on the list twice")]
    Twice(Subject),
}

impl Subject {
    /// Reads the text form. Hexadecimal may be upper-case and hold colons, as other tools print it.
    ///
    /// # Errors
    /// [`DenyError`], never [`DenyError::TooMany`] or [`DenyError::Twice`].
    pub fn parse(text: &str) -> Result<Self, DenyError> {
        let (kind, rest) = text.split_once(':').ok_or(DenyError::NoKind)?;
        match kind {
            "id" => Ok(Self::Id(SpiffeId::parse(rest)?)),
            "node" => Ok(Self::Node(ServiceName::parse(rest)?)),
            "domain" => Ok(Self::Domain(TrustDomain::parse(rest)?)),
            "serial" => {
                let hex = hex(rest).filter(|hex| hex.len() <= 40 && hex.len() % 2 == 0).ok_or(DenyError::Serial)?;
                Ok(Self::Serial(hex))
            }
            "key" => Ok(Self::Key(hash(rest)?)),
            "issuer" => Ok(Self::Issuer(hash(rest)?)),
            _ => Err(DenyError::NoKind),
        }
    }
}

fn hash(text: &str) -> Result<String, DenyError> {
    hex(text).filter(|hex| hex.len() == 64).ok_or(DenyError::Hash)
}

fn hex(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit())).then_some(digits)
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "id:{id}"),
            Self::Serial(hex) => write!(f, "serial:{hex}"),
            Self::Key(hex) => write!(f, "key:{hex}"),
            Self::Node(name) => write!(f, "node:{name}"),
            Self::Domain(domain) => write!(f, "domain:{domain}"),
            Self::Issuer(hex) => write!(f, "issuer:{hex}"),
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = DenyError;
    fn try_from(text: String) -> Result<Self, DenyError> {
        Self::parse(&text)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl DenyList {
    /// Checks what the types do not say.
    ///
    /// # Errors
    /// [`DenyError`].
    pub fn check(&self) -> Result<(), DenyError> {
        if self.entries.len() > DENY_ENTRIES_MAX {
            return Err(DenyError::TooMany);
        }
        let mut seen = BTreeSet::new();
        for Denied { subject, reason, .. } in &self.entries {
            if reason.is_empty() || reason.len() > DENY_REASON_BYTES_MAX || reason.chars().any(char::is_control) {
                return Err(DenyError::Reason);
            }
            if !seen.insert(subject) {
                return Err(DenyError::Twice(subject.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_names_nobody() {
        for text in [
            "",
            "web",
            "id:web",
            "id:",
            "svc:web",
            "serial:",
            "serial:xyz",
            "serial:abc",
            "key:00",
            "issuer:",
            "node:A",
            "node:",
            &format!("serial:{}", "0".repeat(42)),
            &format!("key:{}", "g".repeat(64)),
        ] {
            assert!(Subject::parse(text).is_err(), "accepted {text:?}");
        }
    }

    #[test]
    fn reads_what_other_tools_print() {
        assert_eq!(Subject::parse("serial:4F:0A").unwrap(), Subject::Serial("4f0a".to_owned()));
    }

    #[test]
    fn refuses_lists_that_say_a_thing_twice_or_give_no_reason() {
        let entry = |reason: &str| Denied {
            subject: Subject::parse("node:local").unwrap(),
            reason: reason.to_owned(),
            since: Timestamp::from_secs(1),
            by: "root".to_owned(),
            with: None,
        };
        let check = |entries: Vec<Denied>| DenyList { entries }.check();
        assert_eq!(check(vec![entry("")]), Err(DenyError::Reason));
        assert_eq!(check(vec![entry("a\nb")]), Err(DenyError::Reason));
        assert_eq!(check(vec![entry(&"x".repeat(DENY_REASON_BYTES_MAX + 1))]), Err(DenyError::Reason));
        assert!(matches!(check(vec![entry("a"), entry("b")]), Err(DenyError::Twice(_))));
        assert_eq!(check(vec![entry("a"); DENY_ENTRIES_MAX + 1]), Err(DenyError::TooMany));
        assert_eq!(check(vec![entry("stolen")]), Ok(()));
    }

    proptest! {
        #[test]
        fn what_parses_prints_back(text in "(id:spiffe://[a-z]{1,9}/[a-z]{1,9}|node:[a-z]{1,9}|serial:([0-9a-f]{2}){1,20}|(key|issuer):[0-9a-f]{64})") {
            prop_assert_eq!(Subject::parse(&text).unwrap().to_string(), text);
        }

        #[test]
        fn any_text_parses_or_is_refused_without_panic(text in "\\PC{0,80}") {
            if let Ok(subject) = Subject::parse(&text) {
                prop_assert_eq!(Subject::parse(&subject.to_string()).unwrap(), subject);
            }
        }
    }
}
