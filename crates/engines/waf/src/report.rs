//! What is wrong with a document, with its place, all of it at once.

use crate::limits;
use bartizan_core::fleet::{FleetError, TextPlace};
use std::fmt;

/// Everything that is wrong with a document, in the order of the file; never empty. Printed one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiErrors {
    /// The errors, first in the file first.
    pub errors: Vec<FleetError>,
    /// How many there were beyond those, a count.
    pub left_out: usize,
}

impl fmt::Display for ApiErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        if self.left_out > 0 { write!(f, "\nand {} more", self.left_out) } else { Ok(()) }
    }
}

impl std::error::Error for ApiErrors {}

/// Proof that an error is in the report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported(());

#[derive(Debug)]
pub(crate) struct Report {
    file: String,
    errors: Vec<FleetError>,
    left_out: usize,
    warnings: Vec<FleetError>,
}

impl Report {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), errors: Vec::new(), left_out: 0, warnings: Vec::new() }
    }

    /// Notes that something is wrong at `place`, which `key` names.
    pub(crate) fn refuse(
        &mut self,
        place: TextPlace,
        key: &str,
        problem: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Reported {
        if self.errors.len() < limits::ERRORS_MAX {
            let error = self.error(place, key, problem.into(), way_out.into());
            self.errors.push(error);
        } else {
            self.left_out += 1;
        }
        Reported(())
    }

    /// Notes something that is no error.
    pub(crate) fn warn(&mut self, place: TextPlace, key: &str, problem: impl Into<String>, way_out: impl Into<String>) {
        if self.warnings.len() < limits::ERRORS_MAX {
            let warning = self.error(place, key, problem.into(), way_out.into());
            self.warnings.push(warning);
        }
    }

    fn error(&self, place: TextPlace, key: &str, problem: String, way_out: String) -> FleetError {
        let printable =
            |text: &str| -> String { text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect() };
        FleetError {
            file: self.file.clone(),
            line: place.line,
            column: place.column,
            key: printable(key),
            value: None,
            problem: printable(&problem),
            way_out,
        }
    }

    /// The warnings, or the errors where there is one.
    pub(crate) fn finish(mut self) -> Result<Vec<FleetError>, ApiErrors> {
        self.errors.sort_by_key(|error| (error.line, error.column));
        self.warnings.sort_by_key(|error| (error.line, error.column));
        if self.errors.is_empty() {
            Ok(self.warnings)
        } else {
            Err(ApiErrors { errors: self.errors, left_out: self.left_out })
        }
    }
}
