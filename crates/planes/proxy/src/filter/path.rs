//! Refuses paths that two readers could understand in two ways, and finds the one form of the others; see
//! `bartizan_core::path`.

use super::{Exchange, Filter};
use crate::answer::Answer;
use bartizan_core::path::{self, PathError};
use std::borrow::Cow;

/// The word of the refusal.
pub const AMBIGUOUS: &str = "path_ambiguous";

pub(super) const IT: Filter = Filter { name: "path", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    path::check(x.head.path()).map_err(|error| match error {
        PathError::TooLong => Answer::new(414, "path_too_long", "the path is too long"),
        PathError::NotAbsolute | PathError::DotSegment | PathError::Ambiguous => {
            Answer::new(400, AMBIGUOUS, "the path can be read in more than one way")
        }
    })?;
    // The program decodes what it gets. Were `%61dmin` another path here, it would pass by every rule about `admin`.
    if let Cow::Owned(form) = path::canonical(x.head.path()) {
        x.canonical_path = Some(form.into());
    }
    Ok(())
}
