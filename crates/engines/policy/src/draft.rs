//! A policy snapshot read and validated, with everything that is wrong with it.

use crate::declared::set_of;
use crate::error::{Page, PolicyError, PolicyErrors};
use crate::known::Known;
use crate::read::{Written, read};
use crate::validate::validate;
use bartizan_core::snapshot::Policies;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{PolicySet, Schema};

/// Name under which errors in the schema are reported.
pub(crate) const SCHEMA_FILE: &str = "fleet:schema";

/// What became of a snapshot; in force only once `errors` is empty.
pub(crate) struct Draft {
    pub(crate) policies: Vec<Written>,
    pub(crate) set: PolicySet,
    pub(crate) schema: Schema,
    pub(crate) known: Known,
    pub(crate) errors: Vec<PolicyError>,
    pub(crate) warnings: Vec<PolicyError>,
    /// What can never match; only [`crate::check`] refuses it, so that no proxy loses a snapshot over it.
    pub(crate) inert: Vec<PolicyError>,
}

impl Draft {
    /// # Errors
    /// Where the schema itself is broken, so that nothing could be checked against it.
    pub(crate) fn of(snapshot: &Policies) -> Result<Self, PolicyErrors> {
        let schema = read_schema(&snapshot.schema)?;
        let known = Known::of(snapshot);
        let read = read(&snapshot.files);
        let mut errors = read.errors;
        let set = set_of(read.policies.iter().map(|written| &written.policy));
        let set = set.unwrap_or_else(|error| {
            // Identifiers are unique by now and templates are out, so Cedar has nothing left to say. Should it: refuse.
            errors.push(Page::new("policies", "").error_as_a_whole(error.to_string(), None));
            PolicySet::new()
        });
        let found = validate(&read.policies, &set, &snapshot.files, &schema, &known);
        errors.extend(found.errors);
        Ok(Self { policies: read.policies, set, schema, known, errors, warnings: found.warnings, inert: found.inert })
    }
}

fn read_schema(text: &str) -> Result<Schema, PolicyErrors> {
    Schema::from_cedarschema_str(text).map(|(schema, _warnings)| schema).map_err(|error| {
        let error = crate::read::from_cedar(&Page::new(SCHEMA_FILE, text), 0, &DetailedError::from(&error), "");
        PolicyErrors::none_of(vec![error]).expect_err("one error was given")
    })
}
