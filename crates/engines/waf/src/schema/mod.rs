//! JSON Schema as it is used in OpenAPI: draft 2020-12 for 3.1, and the dialect of 3.0.

mod check; // schema and value -> verdict
mod compile; // document -> schemas
mod fault; // where a value differs, and why
mod format; // the formats that are checked
mod literal; // values that stand in the document

pub use check::{Checked, Direction, Options, Unknown, check};
pub(crate) use compile::child;
pub use compile::{Compiler, Dialect};
pub use fault::Fault;
pub use literal::Literal;

use crate::json::{Decimal, Divisor};
use bartizan_core::fleet::TextPlace;
use format::Format;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A schema's number in its [`Schemas`].
pub type SchemaId = u32;

/// All schemas of a document; they name each other by number, so that one may contain itself.
#[derive(Debug, Default)]
pub struct Schemas {
    pub(crate) all: Vec<Schema>,
}

impl Schemas {
    pub(crate) fn get(&self, id: SchemaId) -> &Schema {
        &self.all[id as usize]
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// A set of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOLEAN: Self = Self(2);
    pub(crate) const INTEGER: Self = Self(4);
    /// Any number, whole ones among them.
    pub(crate) const NUMBER: Self = Self(8 | 4);
    pub(crate) const STRING: Self = Self(16);
    pub(crate) const ARRAY: Self = Self(32);
    pub(crate) const OBJECT: Self = Self(64);
    pub(crate) const ANY: Self = Self(127);
    pub(crate) const NONE: Self = Self(0);

    const NAMES: [(&str, Self); 7] = [
        ("null", Self::NULL),
        ("boolean", Self::BOOLEAN),
        ("integer", Self::INTEGER),
        ("number", Self::NUMBER),
        ("string", Self::STRING),
        ("array", Self::ARRAY),
        ("object", Self::OBJECT),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find_map(|(it, types)| (*it == name).then_some(*types))
    }

    pub(crate) fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    pub(crate) fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn has(self, some: Self) -> bool {
        self.0 & some.0 == some.0
    }

    pub(crate) fn has_any(self, some: Self) -> bool {
        self.0 & some.0 != 0
    }
}

impl std::fmt::Display for Types {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let covered = |types: Self| types == Self::INTEGER && self.has(Self::NUMBER);
        let names = Self::NAMES.iter().filter(|(_, types)| self.has(*types) && !covered(*types));
        let names: Vec<&str> = names.map(|(name, _)| *name).collect();
        f.write_str(&names.join(" or "))
    }
}

/// One schema, compiled.
#[derive(Debug)]
pub(crate) struct Schema {
    /// Where it stands in the document.
    pub(crate) place: TextPlace,
    /// `true` or `false` in place of a schema.
    pub(crate) verdict: Option<bool>,
    pub(crate) types: Types,
    /// `enum`, or `const`.
    pub(crate) allowed: Vec<Box<[Literal]>>,
    pub(crate) number: Option<Box<NumberRules>>,
    pub(crate) string: Option<Box<StringRules>>,
    pub(crate) array: Option<Box<ArrayRules>>,
    pub(crate) object: Option<Box<ObjectRules>>,
    pub(crate) reference: Option<SchemaId>,
    pub(crate) all_of: Box<[SchemaId]>,
    pub(crate) any_of: Box<[SchemaId]>,
    pub(crate) one_of: Box<[SchemaId]>,
    pub(crate) not: Option<SchemaId>,
    pub(crate) condition: Option<Condition>,
    pub(crate) discriminator: Option<Box<Discriminator>>,
    pub(crate) unevaluated_members: Option<SchemaId>,
    pub(crate) unevaluated_items: Option<SchemaId>,
    pub(crate) read_only: bool,
    pub(crate) write_only: bool,
}

impl Schema {
    pub(crate) fn open(place: TextPlace) -> Self {
        Self {
            place,
            verdict: None,
            types: Types::ANY,
            allowed: Vec::new(),
            number: None,
            string: None,
            array: None,
            object: None,
            reference: None,
            all_of: Box::default(),
            any_of: Box::default(),
            one_of: Box::default(),
            not: None,
            condition: None,
            discriminator: None,
            unevaluated_members: None,
            unevaluated_items: None,
            read_only: false,
            write_only: false,
        }
    }
}

/// `if`, `then`, `else`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    pub(crate) when: SchemaId,
    pub(crate) then: Option<SchemaId>,
    pub(crate) otherwise: Option<SchemaId>,
}

#[derive(Debug, Default)]
pub(crate) struct NumberRules {
    pub(crate) minimum: Option<Decimal>,
    pub(crate) above: Option<Decimal>,
    pub(crate) maximum: Option<Decimal>,
    pub(crate) below: Option<Decimal>,
    pub(crate) multiple_of: Option<Divisor>,
}

#[derive(Debug, Default)]
pub(crate) struct StringRules {
    /// In characters.
    pub(crate) min: usize,
    pub(crate) max: Option<usize>,
    pub(crate) pattern: Option<Arc<Regex>>,
    pub(crate) format: Option<Format>,
}

#[derive(Debug, Default)]
pub(crate) struct ArrayRules {
    pub(crate) min: u32,
    pub(crate) max: Option<u32>,
    pub(crate) unique: bool,
    pub(crate) first: Box<[SchemaId]>,
    pub(crate) items: Option<SchemaId>,
    pub(crate) contains: Option<Contains>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Contains {
    pub(crate) schema: SchemaId,
    pub(crate) min: u32,
    pub(crate) max: Option<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct ObjectRules {
    pub(crate) min: u32,
    pub(crate) max: Option<u32>,
    pub(crate) required: Box<[Box<str>]>,
    /// Whether `properties` stands there: then what it does not name is unknown.
    pub(crate) names_members: bool,
    pub(crate) properties: BTreeMap<Box<str>, Property>,
    pub(crate) patterns: Vec<(Arc<Regex>, SchemaId)>,
    pub(crate) additional: Option<SchemaId>,
    pub(crate) names: Option<SchemaId>,
    pub(crate) dependent_required: Vec<(Box<str>, Names)>,
    pub(crate) dependent_schemas: Vec<(Box<str>, SchemaId)>,
}

/// Names of members.
pub(crate) type Names = Box<[Box<str>]>;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Property {
    pub(crate) schema: SchemaId,
    /// Only the service may say it.
    pub(crate) read_only: bool,
    /// Only clients may say it.
    pub(crate) write_only: bool,
}

/// Which of several schemas a value is for, by one of its members.
#[derive(Debug)]
pub(crate) struct Discriminator {
    pub(crate) property: Box<str>,
    pub(crate) schemas: BTreeMap<Box<str>, SchemaId>,
}
