//! Parameters of a request to an authorization server: `application/x-www-form-urlencoded`, each name once, but for `resource`.

use crate::limits::{FORM_BYTES_MAX, FORM_FIELDS_MAX};
use std::collections::BTreeMap;

/// Why a body is no form; it is refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More than [`FORM_BYTES_MAX`].
    #[error("more than {FORM_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`FORM_FIELDS_MAX`].
    #[error("more than {FORM_FIELDS_MAX} parameters")]
    TooMany,
    /// A name is there twice, or the same `resource`: which of the two counts would be a guess (RFC 6749 section 3.2).
    #[error("a parameter is there twice")]
    Doubled,
    /// A `%` without two hex digits behind it, a character that has to be escaped, or no UTF-8.
    #[error("a parameter is not well escaped, or no UTF-8")]
    Escape,
}

/// The one parameter that may be there several times, with another value each (RFC 8707 section 2).
const RESOURCE: &str = "resource";

/// The parameters, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    fields: BTreeMap<String, String>,
    resources: Vec<String>,
}

impl Form {
    /// Reads a body. Parameters without a value count as left out (RFC 6749 section 3.2).
    ///
    /// # Errors
    /// [`FormError`].
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        if body.len() > FORM_BYTES_MAX {
            return Err(FormError::TooLong);
        }
        let (mut fields, mut resources) = (BTreeMap::new(), Vec::new());
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        for (at, pair) in pairs.enumerate() {
            if at >= FORM_FIELDS_MAX {
                return Err(FormError::TooMany);
            }
            let cut = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = (unescape(&pair[..cut])?, unescape(pair.get(cut + 1..).unwrap_or_default())?);
            if name == RESOURCE {
                if resources.contains(&value) {
                    return Err(FormError::Doubled);
                }
                resources.push(value);
            } else if fields.insert(name, value).is_some() {
                return Err(FormError::Doubled);
            }
        }
        fields.retain(|_, value: &mut String| !value.is_empty());
        resources.retain(|value| !value.is_empty());
        Ok(Self { fields, resources })
    }

    /// The value of a parameter. For `resource` ask [`Self::resources`].
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The values of `resource`, none of them twice.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &str> {
        self.resources.iter().map(String::as_str)
    }

    /// The one value of `resource`, where there is at most one.
    ///
    /// # Errors
    /// The sentence for whoever asked for several where one token is made.
    pub fn resource(&self) -> Result<Option<&str>, &'static str> {
        match &self.resources[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err("one token is for one `resource`; ask once for each"),
        }
    }

    /// All of them, by name, but for `resource`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn unescape(text: &[u8]) -> Result<String, FormError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2).ok_or(FormError::Escape)?;
                let digit = |at: usize| char::from(digits[at]).to_digit(16).ok_or(FormError::Escape);
                bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).map_err(|_| FormError::Escape)?);
                rest = after;
            }
            byte if byte.is_ascii_graphic() => bytes.push(*byte),
            _ => return Err(FormError::Escape),
        }
    }
    String::from_utf8(bytes).map_err(|_| FormError::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (body, wanted) in [
            ("a=1&a=2", FormError::Doubled),
            ("a=1&%61=2", FormError::Doubled),
            ("a=&a=2", FormError::Doubled),
            ("resource=a&resource=b&resource=a", FormError::Doubled),
            ("resource=a&Resource=b&Resource=c", FormError::Doubled),
            ("a=%", FormError::Escape),
            ("a=%4", FormError::Escape),
            ("a=%zz", FormError::Escape),
            ("a=%ff", FormError::Escape),
            ("a=\n", FormError::Escape),
            ("a=b c", FormError::Escape),
            (&"a=1&".repeat(2), FormError::Doubled),
        ] {
            assert_eq!(Form::parse(body.as_bytes()), Err(wanted), "{body:?}");
        }
        let many: String = (0..=FORM_FIELDS_MAX).map(|n| format!("a{n}=1&")).collect();
        assert_eq!(Form::parse(many.as_bytes()), Err(FormError::TooMany));
        assert_eq!(Form::parse(&vec![b'a'; FORM_BYTES_MAX + 1]), Err(FormError::TooLong));
    }

    #[test]
    fn what_has_no_value_counts_as_left_out() {
        let form = Form::parse(b"a=&b&c=1+2%263&&").unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("c")), (None, None, Some("1 2&3")));
        assert_eq!(Form::parse(b"").unwrap(), Form::default());
    }

    #[test]
    fn resources_alone_may_be_several() {
        let form = Form::parse(b"resource=b&a=1&resource=a&resource=").unwrap();
        assert!(form.resources().eq(["b", "a"]) && form.get("resource").is_none());
        assert!(form.resource().is_err());
        assert_eq!(Form::parse(b"resource=b").unwrap().resource(), Ok(Some("b")));
        assert_eq!(Form::parse(b"resource=&a=1").unwrap().resource(), Ok(None));
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(pairs in proptest::collection::btree_map(".{1,8}", ".{1,16}", 0..8)) {
            let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let body: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
            let form = Form::parse(body.join("&").as_bytes()).unwrap();
            prop_assert!(form.iter().eq(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
        }

        #[test]
        fn any_bytes_are_a_form_or_refused(body in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(form) = Form::parse(&body) {
                prop_assert!(form.iter().all(|(_, value)| !value.is_empty()));
            }
        }
    }
}
