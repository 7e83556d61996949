//! Scopes: what a token allows, as a set of words (RFC 6749 section 3.3).

use crate::limits::{SCOPE_BYTES_MAX, SCOPES_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Why a text is no list of scopes; it is refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// More than [`SCOPES_MAX`].
    #[error("more than {SCOPES_MAX} scopes")]
    TooMany,
    /// A word longer than [`SCOPE_BYTES_MAX`].
    #[error("a scope longer than {SCOPE_BYTES_MAX} bytes")]
    TooLong,
    /// A character that no scope may have, or two spaces in a row.
    #[error("scopes are words of printable ASCII without quote and backslash, with one space between them")]
    Character,
}

/// A set of scopes, in order, none twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(BTreeSet<Box<str>>);

impl Scopes {
    /// Reads `scope` as it stands in a token or a request; the empty text is the empty set.
    ///
    /// # Errors
    /// [`ScopeError`].
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut scopes = BTreeSet::new();
        for (at, word) in text.split(' ').enumerate() {
            if at >= SCOPES_MAX {
                return Err(ScopeError::TooMany);
            }
            if word.len() > SCOPE_BYTES_MAX {
                return Err(ScopeError::TooLong);
            }
            if word.is_empty() || !word.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
                return Err(ScopeError::Character);
            }
            scopes.insert(word.into());
        }
        Ok(Self(scopes))
    }

    /// Whether each of them is among `others`.
    pub fn are_within(&self, others: &Self) -> bool {
        self.0.is_subset(&others.0)
    }

    /// Those that are in both.
    #[must_use]
    pub fn common(&self, others: &Self) -> Self {
        Self(self.0.intersection(&others.0).cloned().collect())
    }

    /// Whether that scope is among them.
    pub fn has(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl TryFrom<String> for Scopes {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_list_of_scopes() {
        for (text, wanted) in [
            ("a  b".to_owned(), ScopeError::Character),
            (" a".to_owned(), ScopeError::Character),
            ("a ".to_owned(), ScopeError::Character),
            ("a\tb".to_owned(), ScopeError::Character),
            ("a\"b".to_owned(), ScopeError::Character),
            ("a\\b".to_owned(), ScopeError::Character),
            ("\u{e9}".to_owned(), ScopeError::Character),
            ("a".repeat(SCOPE_BYTES_MAX + 1), ScopeError::TooLong),
            (vec!["a"; SCOPES_MAX + 1].join(" "), ScopeError::TooMany),
        ] {
            assert_eq!(Scopes::parse(&text), Err(wanted), "{text:.20}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_prints_back_as_the_same_set(text in "[a-c]{1,2}( [a-c]{1,2}){0,4}") {
            let scopes = Scopes::parse(&text).unwrap();
            prop_assert_eq!(Scopes::parse(&scopes.to_string()).unwrap(), scopes.clone());
            prop_assert!(text.split(' ').all(|word| scopes.has(word)));
        }

        #[test]
        fn what_is_common_is_within_both(a in "([a-d] ){0,4}e", b in "([a-d] ){0,4}e") {
            let (a, b) = (Scopes::parse(&a).unwrap(), Scopes::parse(&b).unwrap());
            let common = a.common(&b);
            prop_assert!(common.are_within(&a) && common.are_within(&b));
            prop_assert_eq!(a.are_within(&b), common == a);
        }
    }
}
