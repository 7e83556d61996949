//! What is wrong with a policy: file, place, message, help.

use crate::limits;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that is wrong in a policy file, or (as a warning) worth a look.
///
/// Printed as `night.cedar:3:18: no service is called `acounts`; did you mean `accounts`?`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyError {
    /// The file, named as in the snapshot.
    pub file: String,
    /// Line, from 1; 0 where the problem is the file as a whole.
    pub line: u32,
    /// Column in characters, from 1; 0 as for `line`.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong, by file and place; never empty. Printed one a line.
///
/// At most [`limits::ERRORS_MAX`] are kept. Sending the same policies again cannot help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyErrors(Vec<PolicyError>);

impl PolicyErrors {
    /// `Ok` where nothing is wrong.
    pub(crate) fn none_of(mut errors: Vec<PolicyError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        sort(&mut errors);
        errors.truncate(limits::ERRORS_MAX);
        Err(Self(errors))
    }

    /// The errors, first in the first file first.
    pub fn as_slice(&self) -> &[PolicyError] {
        &self.0
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}

/// Sorts by file and place.
pub(crate) fn sort(errors: &mut Vec<PolicyError>) {
    errors.sort_by(|a, b| (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message)));
    errors.dedup();
}

/// One policy file, for turning byte offsets into places.
pub(crate) struct Page<'a> {
    file: &'a str,
    text: &'a str,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl<'a> Page<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, text, lines }
    }

    /// Line and column, both from 1, of a byte offset; an offset past the end is the end.
    pub(crate) fn place(&self, at: usize) -> (u32, u32) {
        let at = (0..=at.min(self.text.len())).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0);
        let line = self.lines.partition_point(|&start| start <= at);
        let start = self.lines[line - 1];
        let column = self.text[start..at].chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// An error at a byte offset.
    pub(crate) fn error(&self, at: usize, message: impl Into<String>, help: Option<String>) -> PolicyError {
        let (line, column) = self.place(at);
        PolicyError { file: self.file.to_owned(), line, column, message: message.into(), help }
    }

    /// An error of the file as a whole.
    pub(crate) fn error_as_a_whole(&self, message: impl Into<String>, help: Option<String>) -> PolicyError {
        PolicyError { file: self.file.to_owned(), line: 0, column: 0, message: message.into(), help }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_not_bytes() {
        let page = Page::new("a.cedar", "ä\nöü x\r\n");
        for (at, place) in [(0, (1, 1)), (2, (1, 2)), (3, (2, 1)), (7, (2, 3)), (4, (2, 1)), (11, (3, 1)), (99, (3, 1))]
        {
            assert_eq!(page.place(at), place, "offset {at}");
        }
        assert_eq!(Page::new("e", "").place(0), (1, 1));
    }

    #[test]
    fn prints_place_message_and_help() {
        let page = Page::new("a.cedar", "x");
        let error = page.error(0, "wrong", Some("right".to_owned()));
        assert_eq!(error.to_string(), "a.cedar:1:1: wrong; right");
        assert_eq!(page.error_as_a_whole("too long", None).to_string(), "a.cedar: too long");
    }
}
