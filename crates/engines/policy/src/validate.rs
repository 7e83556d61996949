//! Types, and entities that do not exist: what is wrong with policies that parse.

use crate::error::{Page, PolicyError, sort};
use crate::known::{Known, Type};
use crate::lexer::find_entity;
use crate::limits;
use crate::read::{Written, from_cedar};
use crate::scope::Side;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    EntityUid, PolicyId, PolicySet, Schema, ValidationError, ValidationMode, ValidationWarning, Validator,
};
use std::collections::{BTreeMap, HashMap};

/// What the validation found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) errors: Vec<PolicyError>,
    pub(crate) warnings: Vec<PolicyError>,
    /// Policies that can never match: of no use, and whoever wrote them believes otherwise.
    pub(crate) inert: Vec<PolicyError>,
}

/// Checks `policies`, all of which are in `set`, against the schema and the fleet.
pub(crate) fn validate(
    policies: &[Written],
    set: &PolicySet,
    files: &BTreeMap<String, String>,
    schema: &Schema,
    known: &Known,
) -> Found {
    let mut places = Places::of(policies, files);
    let mut found = Found::default();
    // What we compiled ourselves is checked like the rest: the text came over the wire.
    let result = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    for error in result.validation_errors().take(limits::ERRORS_MAX) {
        let mut entry = places.cedar(error.policy_id(), &DetailedError::from(error));
        if let ValidationError::UnrecognizedEntityType(_) = error {
            entry.help = Some("the types are `Workload`, `Service`, `Route` and `Action`, and `ForeignWorkload` where another trust domain calls".to_owned());
        }
        found.errors.push(entry);
    }
    // Cedar says the same of each action and resource type that a policy may be about; once is enough.
    sort(&mut found.errors);
    found.errors.dedup_by_key(|error| (error.file.clone(), error.line, error.column));
    for warning in result.validation_warnings().take(limits::ERRORS_MAX) {
        let mut entry = places.cedar(warning.policy_id(), &DetailedError::from(warning));
        if let ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) = warning {
            entry.message = "the policy can never match".to_owned();
            entry.help = entry.help.or(Some("its scope and conditions contradict each other or the schema".to_owned()));
            found.inert.push(entry);
        } else {
            found.warnings.push(entry);
        }
    }
    for written in policies {
        // Whoever wrote it may have thought of the own fleet alone.
        if known.has_foreign() && written.is_permit() && written.scope.principal == Side::Any {
            let message = "permits callers of other trust domains too";
            let help =
                "write `principal is Workload` for those of this one, `principal is ForeignWorkload` for the others";
            found.errors.push(places.policy(written, message, help.to_owned()));
        }
        let slots = written.policy.template_links().unwrap_or_default().into_values();
        for entity in slots.chain(written.policy.entity_literals()) {
            if let Err(unknown) = known.check(&entity) {
                found.errors.push(places.entity(written, &entity, unknown.message, unknown.help));
            }
        }
        if found.errors.len() >= limits::ERRORS_MAX {
            break;
        }
    }
    found
}

/// Finds the places of things in policies, reading each file at most once.
pub(crate) struct Places<'a> {
    files: &'a BTreeMap<String, String>,
    by_id: HashMap<&'a str, &'a Written>,
    pages: HashMap<&'a str, Page<'a>>,
}

impl<'a> Places<'a> {
    pub(crate) fn of(policies: &'a [Written], files: &'a BTreeMap<String, String>) -> Self {
        let by_id = policies.iter().map(|written| (&*written.id, written)).collect();
        Self { files, by_id, pages: HashMap::new() }
    }

    fn page(&mut self, file: &'a str) -> &Page<'a> {
        let text = self.files.get(file).map_or("", String::as_str);
        self.pages.entry(file).or_insert_with(|| Page::new(file, text))
    }

    /// An error at the beginning of a policy.
    pub(crate) fn policy(&mut self, written: &'a Written, message: impl Into<String>, help: String) -> PolicyError {
        self.page(&written.file).error(written.span.start, message, Some(help))
    }

    /// An error at the first mention of an entity in a policy.
    fn entity(&mut self, written: &'a Written, entity: &EntityUid, message: String, help: String) -> PolicyError {
        let kind = Type::of(entity).map_or("", Type::as_str);
        let inside = find_entity(written.text(self.files), kind, entity.id().unescaped()).unwrap_or(0);
        self.page(&written.file).error(written.span.start + inside, message, Some(help))
    }

    fn cedar(&mut self, id: &PolicyId, error: &DetailedError) -> PolicyError {
        let id: &str = id.as_ref();
        match self.by_id.get(id).copied() {
            Some(written) => {
                from_cedar(self.page(&written.file), written.span.start, error, &format!("for policy `{id}`, "))
            }
            // Cedar names only policies that it was given; the message stands even without a place.
            None => PolicyError { file: id.to_owned(), line: 0, column: 0, message: error.message.clone(), help: None },
        }
    }
}
