//! Where a value differs from its schema, and why.

use super::{SchemaId, Schemas, Types};
use crate::json::{Id, Tree, pointer};
use bartizan_core::fleet::TextPlace;

/// Why a value is refused. It names nothing of the value itself but the names of members: what stands there may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON pointer; empty for the whole value.
    pub at: String,
    /// What is wrong.
    pub why: String,
    /// Where the document says so.
    pub place: TextPlace,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.at.is_empty() { f.write_str(&self.why) } else { write!(f, "`{}`: {}", self.at, self.why) }
    }
}

/// The same while it is not known yet whether it counts: an alternative that does not fit has none of it told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Miss {
    pub(super) node: Id,
    pub(super) schema: SchemaId,
    pub(super) why: Why,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    Never,
    Type,
    Allowed,
    Minimum,
    Above,
    Maximum,
    Below,
    MultipleOf,
    Format,
    TooShort,
    TooLong,
    Pattern,
    TooFewItems,
    TooManyItems,
    Twins,
    TooFewMatches,
    TooManyMatches,
    TooFewMembers,
    TooManyMembers,
    /// The name's place in `required`.
    Missing(u32),
    /// The places of the rule and the name in it.
    Dependent(u32, u32),
    Name,
    Unknown,
    OtherDirection,
    NoAlternative,
    SeveralAlternatives,
    Not,
    Discriminator,
    Steps,
}

impl Miss {
    pub(super) fn told(self, schemas: &Schemas, tree: &Tree<'_>) -> Fault {
        let place = schemas.get(self.schema).place;
        Fault { at: pointer(tree, self.node), why: self.why(schemas, tree), place }
    }

    fn why(self, schemas: &Schemas, tree: &Tree<'_>) -> String {
        let schema = schemas.get(self.schema);
        let node = tree.node(self.node);
        let object = schema.object.as_deref();
        let string = schema.string.as_deref();
        let array = schema.array.as_deref();
        match self.why {
            Why::Never => "nothing may stand here".into(),
            Why::Type => self.wrong_type(schema.types, tree),
            Why::Allowed => "is none of the values that may stand here".into(),
            Why::Minimum => "is too small".into(),
            Why::Above => "is too small; the smallest number is excluded".into(),
            Why::Maximum => "is too large".into(),
            Why::Below => "is too large; the largest number is excluded".into(),
            Why::MultipleOf => "is not a multiple of what it has to be".into(),
            Why::Format => {
                let format = string.and_then(|it| it.format).map_or("its", super::format::Format::as_str);
                format!("does not have the format {format}")
            }
            Why::TooShort => format!("has to have at least {} characters", string.map_or(0, |it| it.min)),
            Why::TooLong => format!("may have at most {} characters", string.and_then(|it| it.max).unwrap_or(0)),
            Why::Pattern => "does not fit its pattern".into(),
            Why::TooFewItems => format!("has to have at least {} items", array.map_or(0, |it| it.min)),
            Why::TooManyItems => format!("may have at most {} items", array.and_then(|it| it.max).unwrap_or(0)),
            Why::Twins => "has two equal items".into(),
            Why::TooFewMatches => "has too few items of the kind that it has to contain".into(),
            Why::TooManyMatches => "has too many items of the kind that it has to contain".into(),
            Why::TooFewMembers => format!("has to have at least {} members", object.map_or(0, |it| it.min)),
            Why::TooManyMembers => format!("may have at most {} members", object.and_then(|it| it.max).unwrap_or(0)),
            Why::Missing(at) => {
                let name = object.and_then(|it| it.required.get(at as usize)).map_or("", |name| name);
                format!("the member `{name}` is missing")
            }
            Why::Dependent(rule, at) => {
                let rule = object.and_then(|it| it.dependent_required.get(rule as usize));
                let name = rule.and_then(|(_, names)| names.get(at as usize)).map_or("", |name| name);
                format!("the member `{name}` is missing, which another one asks for")
            }
            Why::Name => "its name is not one that may stand here".into(),
            Why::Unknown => "is not a member that is known here".into(),
            Why::OtherDirection => "is not for this direction (readOnly, writeOnly)".into(),
            Why::NoAlternative => "fits none of the alternatives".into(),
            Why::SeveralAlternatives => "fits more than one of the alternatives".into(),
            Why::Not => "fits what it must not fit".into(),
            Why::Discriminator => {
                let name = schema.discriminator.as_deref().map_or("", |it| &it.property);
                format!(
                    "`{name}` does not say which kind of {} it is",
                    node.kind.as_str().trim_start_matches("an ").trim_start_matches("a ")
                )
            }
            Why::Steps => "takes more steps to check than are made".into(),
        }
    }

    fn wrong_type(self, types: Types, tree: &Tree<'_>) -> String {
        let found = tree.node(self.node).kind;
        if types == Types::INTEGER && found == crate::json::Kind::Number {
            return "has to be a whole number".into();
        }
        format!("has to be {types}, is {}", found.as_str())
    }
}
