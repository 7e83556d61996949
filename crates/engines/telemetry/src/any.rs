//! A value as OpenTelemetry has them (`AnyValue`), whatever it was written in.

use crate::handed::Malformed;
use crate::limits::{DEPTH_MAX, VALUES_MAX};
use crate::wire::{Field, Reader};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write as _;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Any<'a> {
    Empty,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    /// How many they are: nobody could say what they hold, so they are not kept.
    Bytes(usize),
    List(Vec<Any<'a>>),
    Map(Vec<(Cow<'a, str>, Any<'a>)>),
}

/// How many values one record may still have.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(VALUES_MAX)
    }

    fn spend(&mut self, depth: usize) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed("values are nested too deeply"));
        }
        self.0 = self.0.checked_sub(1).ok_or(Malformed("a record has too many values"))?;
        Ok(())
    }
}

impl<'a> Any<'a> {
    /// From a protobuf `AnyValue`.
    pub(crate) fn of_proto(bytes: &'a [u8], budget: &mut Budget) -> Result<Self, Malformed> {
        Self::proto(bytes, budget, 0)
    }

    fn proto(bytes: &'a [u8], budget: &mut Budget, depth: usize) -> Result<Self, Malformed> {
        budget.spend(depth)?;
        let mut it = Any::Empty;
        for field in Reader::new(bytes) {
            it = match field? {
                (1, Field::Bytes(text)) => Any::Text(utf8(text)?.into()),
                (2, Field::Number(value)) => Any::Bool(value != 0),
                (3, Field::Number(value)) => Any::Int(value.cast_signed()),
                (4, Field::Fixed64(bits)) => Any::Double(f64::from_bits(bits)),
                (5, Field::Bytes(list)) => {
                    let mut items = Vec::new();
                    for item in Reader::new(list) {
                        if let (1, Field::Bytes(value)) = item? {
                            items.push(Self::proto(value, budget, depth + 1)?);
                        }
                    }
                    Any::List(items)
                }
                (6, Field::Bytes(map)) => {
                    let mut entries = Vec::new();
                    for entry in Reader::new(map) {
                        if let (1, Field::Bytes(entry)) = entry? {
                            entries.push(Self::entry(entry, budget, depth + 1)?);
                        }
                    }
                    Any::Map(entries)
                }
                (7, Field::Bytes(bytes)) => Any::Bytes(bytes.len()),
                _ => it,
            };
        }
        Ok(it)
    }

    /// From a protobuf `KeyValue`.
    pub(crate) fn key_value(bytes: &'a [u8], budget: &mut Budget) -> Result<(Cow<'a, str>, Self), Malformed> {
        Self::entry(bytes, budget, 0)
    }

    fn entry(bytes: &'a [u8], budget: &mut Budget, depth: usize) -> Result<(Cow<'a, str>, Self), Malformed> {
        let (mut key, mut value) = (Cow::Borrowed(""), Any::Empty);
        for field in Reader::new(bytes) {
            match field? {
                (1, Field::Bytes(text)) => key = utf8(text)?.into(),
                (2, Field::Bytes(bytes)) => value = Self::proto(bytes, budget, depth)?,
                _ => {}
            }
        }
        Ok((key, value))
    }

    /// From the JSON form of `AnyValue` (OTLP: `{"stringValue": "x"}`).
    pub(crate) fn of_otlp_json(value: &'a Value, budget: &mut Budget) -> Result<Self, Malformed> {
        Self::otlp_json(value, budget, 0)
    }

    fn otlp_json(value: &'a Value, budget: &mut Budget, depth: usize) -> Result<Self, Malformed> {
        budget.spend(depth)?;
        let Value::Object(fields) = value else { return Err(Malformed("a value is no object")) };
        let Some((kind, value)) = fields.iter().next() else { return Ok(Any::Empty) };
        let items = |value: &'a Value| value.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Ok(match (kind.as_str(), value) {
            ("stringValue", Value::String(text)) => Any::Text(text.into()),
            ("boolValue", Value::Bool(it)) => Any::Bool(*it),
            // 64-bit numbers are texts in protobuf's JSON; some write numbers.
            ("intValue", Value::String(text)) => {
                Any::Int(text.parse().map_err(|_| Malformed("`intValue` is no whole number"))?)
            }
            ("intValue", Value::Number(number)) => {
                Any::Int(number.as_i64().ok_or(Malformed("`intValue` is no whole number"))?)
            }
            ("doubleValue", Value::Number(number)) => Any::Double(number.as_f64().unwrap_or_default()),
            ("doubleValue", Value::String(text)) => Any::Text(text.into()), // NaN and the infinities
            ("bytesValue", Value::String(text)) => Any::Bytes(text.len() / 4 * 3),
            ("arrayValue", value) => {
                let list = items(value).iter().map(|item| Self::otlp_json(item, budget, depth + 1));
                Any::List(list.collect::<Result<_, _>>()?)
            }
            ("kvlistValue", value) => {
                let entry = |entry| Self::otlp_entry_at(entry, budget, depth + 1);
                Any::Map(items(value).iter().map(entry).collect::<Result<_, _>>()?)
            }
            _ => return Err(Malformed("a value of no known kind")),
        })
    }

    /// From the JSON form of `KeyValue`.
    pub(crate) fn otlp_entry(entry: &'a Value, budget: &mut Budget) -> Result<(Cow<'a, str>, Self), Malformed> {
        Self::otlp_entry_at(entry, budget, 0)
    }

    fn otlp_entry_at(entry: &'a Value, budget: &mut Budget, depth: usize) -> Result<(Cow<'a, str>, Self), Malformed> {
        let key = entry.get("key").and_then(Value::as_str).ok_or(Malformed("an attribute without key"))?;
        let value = entry.get("value").filter(|value| !value.is_null());
        Ok((key.into(), value.map_or(Ok(Any::Empty), |value| Self::otlp_json(value, budget, depth))?))
    }

    /// From ordinary JSON.
    pub(crate) fn of_json(value: &'a Value, budget: &mut Budget) -> Result<Self, Malformed> {
        Self::json(value, budget, 0)
    }

    fn json(value: &'a Value, budget: &mut Budget, depth: usize) -> Result<Self, Malformed> {
        budget.spend(depth)?;
        Ok(match value {
            Value::Null => Any::Empty,
            Value::Bool(it) => Any::Bool(*it),
            Value::Number(number) => {
                number.as_i64().map_or_else(|| Any::Double(number.as_f64().unwrap_or_default()), Any::Int)
            }
            Value::String(text) => Any::Text(text.into()),
            Value::Array(items) => {
                Any::List(items.iter().map(|it| Self::json(it, budget, depth + 1)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let entry = |(key, value): (&'a String, &'a Value)| {
                    Ok((Cow::Borrowed(key.as_str()), Self::json(value, budget, depth + 1)?))
                };
                Any::Map(fields.iter().map(entry).collect::<Result<_, Malformed>>()?)
            }
        })
    }

    /// For people: a text as it is, everything else as JSON.
    pub(crate) fn to_text(&self) -> Cow<'_, str> {
        match self {
            Any::Text(text) => Cow::Borrowed(text),
            Any::Empty => Cow::Borrowed(""),
            other => {
                let mut text = String::new();
                other.write(&mut text);
                Cow::Owned(text)
            }
        }
    }

    fn write(&self, out: &mut String) {
        // A String takes everything.
        let _ = match self {
            Any::Empty => out.write_str("null"),
            Any::Text(text) => out.write_str(&Value::from(&**text).to_string()),
            Any::Bool(it) => write!(out, "{it}"),
            Any::Int(it) => write!(out, "{it}"),
            Any::Double(it) => write!(out, "{it}"),
            Any::Bytes(count) => write!(out, "\"({count} bytes)\""),
            Any::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.write_char(']')
            }
            Any::Map(entries) => {
                out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&Value::from(&**key).to_string());
                    out.push(':');
                    value.write(out);
                }
                out.write_char('}')
            }
        };
    }
}

pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("a text is not UTF-8"))
}
