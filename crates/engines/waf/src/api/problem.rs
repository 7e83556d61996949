//! What is said of a request or a response that differs from its document.

use crate::json::JsonError;
use crate::schema::Fault;
use bartizan_core::fleet::TextPlace;
use std::fmt;

/// Which part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its path is none of the document.
    Path,
    /// Its method is none of the path.
    Method,
    /// A value in its path.
    PathValue(Box<str>),
    /// A query parameter; empty for the query as a whole.
    Query(Box<str>),
    /// A header.
    Header(Box<str>),
    /// A cookie.
    Cookie(Box<str>),
    /// The kind of content.
    ContentType,
    /// The content.
    Body,
    /// The status of a response.
    Status,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("path"),
            Self::Method => f.write_str("method"),
            Self::PathValue(name) => write!(f, "path parameter {name}"),
            Self::Query(name) if name.is_empty() => f.write_str("query"),
            Self::Query(name) => write!(f, "query parameter {name}"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::ContentType => f.write_str("content type"),
            Self::Body => f.write_str("body"),
            Self::Status => f.write_str("status"),
        }
    }
}

/// Where it differs, and why. Nothing of it is a secret: it names parts of the document, and no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status that a request is answered with.
    pub status: u16,
    /// Which part.
    pub part: Part,
    /// Where in it, as a JSON pointer.
    pub at: String,
    /// What is wrong.
    pub why: String,
    /// Where the document says so; line 0 where it says nothing.
    pub place: TextPlace,
}

impl Problem {
    /// With a status, a part and what is wrong.
    pub fn new(status: u16, part: Part, why: impl Into<String>) -> Self {
        Self { status, part, at: String::new(), why: why.into(), place: TextPlace::default() }
    }

    pub(super) fn of_fault(part: Part, fault: Fault) -> Self {
        let Fault { at, why, place } = fault;
        Self { status: 400, part, at, why, place }
    }

    pub(super) fn of_json(part: Part, error: JsonError) -> Self {
        Self::new(400, part, format!("{}, at byte {}", error.problem.as_str(), error.at))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part)?;
        if !self.at.is_empty() {
            write!(f, " `{}`", self.at)?;
        }
        write!(f, ": {}", self.why)
    }
}
