//! `bartizan policy check`: everything that can be said about policies before they are in force.

use crate::draft::Draft;
use crate::enforceable::enforceable;
use crate::error::{Page, PolicyError, PolicyErrors, sort};
use crate::from_fleet::{OWN_PREFIX, from_fleet};
use crate::warnings::warnings;
use bartizan_core::fleet::Fleet;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What good policies amount to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Policy files given.
    pub files: usize,
    /// Permits in them.
    pub permits: usize,
    /// Forbids in them.
    pub forbids: usize,
    /// Of both, those that are tried out: `@mode("shadow")`.
    pub shadow: usize,
    /// Permits compiled from the fleet file: one for each declared call and each service behind the gateway.
    pub declared: usize,
    /// What is no error but deserves a look, by file and place.
    pub warnings: Vec<PolicyError>,
}

/// Checks the policy `files` of `fleet`, by name, as control does before it publishes them.
///
/// Stricter than [`crate::Engine::compile`], which does not know what programs speak: here a policy that no proxy
/// could enforce is refused too.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn check(fleet: &Fleet, files: &BTreeMap<String, String>) -> Result<Summary, PolicyErrors> {
    let snapshot = from_fleet(fleet, files.clone());
    let mut draft = Draft::of(&snapshot)?;
    let taken = files.keys().filter(|name| name.starts_with(OWN_PREFIX));
    draft.errors.extend(taken.map(|name| {
        let message =
            format!("file names that begin with `{OWN_PREFIX}` are for policies compiled from the fleet file");
        Page::new(name, "").error_as_a_whole(message, Some("rename the file".to_owned()))
    }));
    let can_never_match: BTreeSet<_> = draft.inert.iter().map(|error| (error.file.clone(), error.line)).collect();
    draft.errors.append(&mut draft.inert);
    let unenforceable = enforceable(&draft.policies, &snapshot.files, fleet, &draft.known).into_iter();
    // Said once is enough.
    draft.errors.extend(unenforceable.filter(|error| !can_never_match.contains(&(error.file.clone(), error.line))));
    PolicyErrors::none_of(draft.errors)?;
    let mut all = draft.warnings;
    all.extend(warnings(&draft.policies, &snapshot.files, fleet));
    sort(&mut all);
    let own = |permit: bool| {
        draft.policies.iter().filter(|written| !written.is_own() && written.is_permit() == permit).count()
    };
    Ok(Summary {
        files: files.len(),
        permits: own(true),
        forbids: own(false),
        shadow: draft.policies.iter().filter(|written| written.shadow).count(),
        declared: draft.policies.iter().filter(|written| written.is_own()).count(),
        warnings: all,
    })
}
