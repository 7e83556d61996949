//! How a command fails: what the user reads and which exit code the shell sees.

use std::fmt;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked for something that makes no sense; exit code 2, like every error of the argument parser.
    Usage(String),
    /// It was tried and went wrong; exit code 1.
    Failed(String),
    /// All was said already; only the exit code is left.
    Said(u8),
}

impl Failure {
    /// A failure with exit code 1. `message` says what went wrong and the way out.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// The exit code for the shell.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            Self::Said(code) => *code,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Failed(message) => f.write_str(message),
            Self::Said(_) => Ok(()),
        }
    }
}

/// An error with its causes, outermost first, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        // Some libraries repeat the cause in their own message.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}
