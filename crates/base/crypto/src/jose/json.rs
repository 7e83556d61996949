//! JSON objects as signed texts have to be: no key twice at any depth, bounded in depth and number of values.
//!
//! A doubled key means one thing to one reader and another to the next (RFC 8725 section 2.4); the usual library keeps the last
//! one silently.

use crate::limits::{TOKEN_JSON_DEPTH_MAX, TOKEN_JSON_VALUES_MAX};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// What a JSON object holds.
pub type Object = Map<String, Value>;

/// Reads one object, whole.
///
/// # Errors
/// What is wrong, with its place: it is not UTF-8, no JSON, no object, has a key twice, is nested deeper than
/// [`TOKEN_JSON_DEPTH_MAX`] or holds more than [`TOKEN_JSON_VALUES_MAX`] values.
pub fn object(bytes: &[u8]) -> Result<Object, String> {
    bounded(bytes, TOKEN_JSON_VALUES_MAX)
}

/// [`object`] with another bound on the number of values.
///
/// # Errors
/// As [`object`].
pub fn bounded(bytes: &[u8], values_max: usize) -> Result<Object, String> {
    let values_left = Cell::new(values_max);
    let strict = Strict { depth_left: TOKEN_JSON_DEPTH_MAX, values_left: &values_left };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match value.map_err(|e| e.to_string())? {
        Value::Object(object) => Ok(object),
        _ => Err("it is no object".to_owned()),
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth_left: usize,
    values_left: &'a Cell<usize>,
}

impl Strict<'_> {
    /// What may stand inside this value.
    fn inside<E: Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("it is nested too deep"))?;
        Ok(Self { depth_left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.values_left.get().checked_sub(1).ok_or_else(|| D::Error::custom("it holds too many values"))?;
        self.values_left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(inside)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("`{}` is there twice", key.escape_debug())));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_two_readers_may_read_differently() {
        for (text, why) in [
            (r#"{"a":1,"a":1}"#, "a key twice"),
            (r#"{"a":1,"\u0061":2}"#, "a key twice, once escaped"),
            (r#"{"b":{"a":1,"a":2}}"#, "a key twice further in"),
            (r#"{"b":[{"a":1,"a":2}]}"#, "a key twice in a list"),
            (r#"{"a":1}{"a":1}"#, "two objects"),
            (r#"{"a":1} x"#, "something after it"),
            (r#"{"a":1,}"#, "a comma too many"),
            (r#"{'a':1}"#, "other quotes"),
            ("{\"a\":1e999}", "a number that is none"),
            ("{\"a\":NaN}", "not a number"),
            ("{\"a\":\"\\ud800\"}", "half a character"),
            ("\u{feff}{}", "a byte order mark"),
            ("[]", "a list"),
            ("1", "a number"),
            ("", "nothing"),
        ] {
            assert!(object(text.as_bytes()).is_err(), "accepted {text}, though {why}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err(), "accepted, though not UTF-8");
    }

    #[test]
    fn bounds_depth_and_number() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        object(nested(TOKEN_JSON_DEPTH_MAX).as_bytes()).unwrap();
        assert!(object(nested(TOKEN_JSON_DEPTH_MAX + 1).as_bytes()).unwrap_err().contains("too deep"));
        let wide = |values: usize| format!("{{\"a\":[{}]}}", vec!["0"; values - 2].join(","));
        object(wide(TOKEN_JSON_VALUES_MAX).as_bytes()).unwrap();
        assert!(object(wide(TOKEN_JSON_VALUES_MAX + 1).as_bytes()).unwrap_err().contains("too many"));
    }

    proptest! {
        #[test]
        fn reads_as_the_library_does_where_it_reads(text in r#"\{("[ab]":(1|"x"|\[(1,?){0,2}\]|\{("c":null)?\}),?){0,3}\}"#) {
            if let Ok(strict) = object(text.as_bytes()) {
                prop_assert_eq!(Value::Object(strict), serde_json::from_str::<Value>(&text).unwrap());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = object(&bytes);
        }
    }
}
