//! Conditions on labels.

use crate::labels::Labels;
use crate::limits::REGEX_BYTES_MAX;
use crate::quoted::quoted;
use regex::{Regex, RegexBuilder};
use std::fmt;

/// How a label is held against a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Is,
    /// `!=`
    IsNot,
    /// `=~`
    Fits,
    /// `!~`
    FitsNot,
}

impl Op {
    /// As it stands in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Is => "=",
            Self::IsNot => "!=",
            Self::Fits => "=~",
            Self::FitsNot => "!~",
        }
    }
}

/// A condition on one label. One that is not there is held as the empty text.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Of which label.
    pub name: String,
    /// How.
    pub op: Op,
    /// Against what.
    pub value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// A condition; `Err` says why its expression is none.
    pub fn new(name: &str, op: Op, value: &str) -> Result<Self, String> {
        let regex = matches!(op, Op::Fits | Op::FitsNot).then(|| whole(value)).transpose()?;
        Ok(Self { name: name.to_owned(), op, value: value.to_owned(), regex })
    }

    /// Whether the value of its label fits.
    pub fn fits_value(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (Op::Is, _) => value == self.value,
            (Op::IsNot, _) => value != self.value,
            (Op::Fits, Some(regex)) => regex.is_match(value),
            (Op::FitsNot, Some(regex)) => !regex.is_match(value),
            (Op::Fits | Op::FitsNot, None) => false,
        }
    }

    /// Whether a series fits.
    pub fn fits(&self, labels: &Labels) -> bool {
        self.fits_value(labels.get(&self.name))
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name, self.op.as_str(), quoted(&self.value))
    }
}

/// An expression that has to fit a whole text.
pub(crate) fn whole(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(REGEX_BYTES_MAX).build();
    // `)` in the pattern could close our own group: what fits has to be an expression by itself too.
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build().and(built).map_err(|why| {
        let why = why.to_string();
        format!("`{pattern}` is no regular expression: {}", why.lines().last().unwrap_or("").trim())
    })
}
