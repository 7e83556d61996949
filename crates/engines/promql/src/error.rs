//! Why a query has no answer.

use std::fmt;

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the asker can do about it.
    pub kind: ErrorKind,
    /// What is wrong, for people.
    pub message: String,
    /// Where in the text, in bytes, if it is the text.
    pub at: Option<usize>,
}

/// What can be done about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is no PromQL.
    Text,
    /// It is PromQL, and outside the subset.
    Outside,
    /// It asks for more than one query may.
    Limit,
    /// It cannot be answered over these series: two of them fit where one may.
    Data,
}

impl Error {
    pub(crate) fn text(at: usize, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Text, message: message.into(), at: Some(at) }
    }

    pub(crate) fn outside(at: usize, what: impl fmt::Display) -> Self {
        let message = format!("{what}: not in the subset of PromQL that is answered here (docs/manual/promql.md)");
        Self { kind: ErrorKind::Outside, message, at: Some(at) }
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Limit, message: message.into(), at: None }
    }

    pub(crate) fn data(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Data, message: message.into(), at: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "at byte {at}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}
