//! What is wrong with a fleet file: place, key, value, problem, way out.

use std::fmt;

/// Longest piece of the file repeated in a message, in bytes: a line of a terminal.
const VALUE_BYTES_MAX: usize = 80;

/// One thing that is wrong in a fleet file, or (as a warning) worth a look.
///
/// Printed as `fleet.yaml:12:14: services.accounts.calls[1] = \`ledgr\`: no such service; did you mean \`ledger\`?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetError {
    /// The file as the caller named it.
    pub file: String,
    /// Line, from 1; 0 where the problem is the file as a whole.
    pub line: u64,
    /// Column in characters, from 1; 0 as for `line`.
    pub column: u64,
    /// Dotted path of the key, such as `services.accounts.calls[1]`; empty for the file as a whole.
    pub key: String,
    /// The value found there, cut to 80 bytes; `None` where a key is missing or the value is a whole tree.
    pub value: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it; empty where the problem says it.
    pub way_out: String,
}

impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = `{value}`")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.problem)?;
        if !self.way_out.is_empty() {
            write!(f, "; {}", self.way_out)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a fleet file, in the order of the file; never empty. Printed one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetErrors {
    errors: Vec<FleetError>,
    left_out: usize,
}

impl FleetErrors {
    /// Sorts by place. `None` where nothing is wrong.
    pub(super) fn of(mut errors: Vec<FleetError>, left_out: usize) -> Option<Self> {
        errors.sort_by_key(|e| (e.line, e.column));
        (!errors.is_empty()).then_some(Self { errors, left_out })
    }

    /// The errors, first in the file first.
    pub fn as_slice(&self) -> &[FleetError] {
        &self.errors
    }

    /// How many there were beyond those, a count.
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

impl fmt::Display for FleetErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        if self.left_out > 0 {
            write!(f, "\n{} more errors are not shown", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for FleetErrors {}

/// `text` on one line, without control characters, cut to what fits a message.
pub(super) fn shown(text: &str) -> String {
    shown_within(text, VALUE_BYTES_MAX)
}

/// `text` on one line, without control characters, cut to about `bytes_max`.
pub(super) fn shown_within(text: &str, bytes_max: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if out.len() >= bytes_max {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}
