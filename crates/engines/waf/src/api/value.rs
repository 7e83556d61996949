//! From the texts of a parameter to its value, which its schema then judges.

use super::query::decode;
use crate::json::{Kind, Tree};
use crate::limits;
use crate::schema::{SchemaId, Schemas, Types};
use bartizan_core::document::is_json_number;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What texts may become, as far as a schema says it.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// One value of these types.
    One(Types),
    /// A list of values of these types.
    List(Types),
    /// A map, by name; others are texts.
    Map(BTreeMap<Box<str>, Types>),
}

impl Shape {
    /// That of a schema.
    pub(super) fn of(schemas: &Schemas, id: SchemaId) -> Self {
        let types = types(schemas, id, 0);
        if types.has_any(Types::ARRAY) && types != Types::ANY {
            return Self::List(items(schemas, id, 0).map_or(Types::ANY, |items| self::types(schemas, items, 0)));
        }
        if types.has_any(Types::OBJECT) && types != Types::ANY {
            let mut members = BTreeMap::new();
            collect(schemas, id, 0, &mut members);
            return Self::Map(members);
        }
        Self::One(types)
    }
}

/// The types that a schema lets through, as far as it can be seen without a value.
fn types(schemas: &Schemas, id: SchemaId, depth: usize) -> Types {
    if depth > limits::REFERENCES_MAX {
        return Types::ANY;
    }
    let schema = schemas.get(id);
    let of = |id: &SchemaId| types(schemas, *id, depth + 1);
    let mut all = schema.types;
    for part in schema.reference.iter().chain(&schema.all_of) {
        all = all.both(of(part));
    }
    for parts in [&schema.any_of, &schema.one_of] {
        if !parts.is_empty() && depth < 8 {
            all = all.both(parts.iter().map(of).fold(Types::NONE, Types::and));
        }
    }
    all
}

fn items(schemas: &Schemas, id: SchemaId, depth: usize) -> Option<SchemaId> {
    let schema = schemas.get(id);
    let own = schema.array.as_ref().and_then(|array| array.items);
    let mut parts = schema.reference.iter().chain(&schema.all_of).filter(|_| depth < 8);
    own.or_else(|| parts.find_map(|part| items(schemas, *part, depth + 1)))
}

fn collect(schemas: &Schemas, id: SchemaId, depth: usize, out: &mut BTreeMap<Box<str>, Types>) {
    let schema = schemas.get(id);
    for (name, property) in schema.object.iter().flat_map(|object| &object.properties) {
        out.insert(name.clone(), types(schemas, property.schema, 0));
    }
    for part in schema.reference.iter().chain(&schema.all_of).filter(|_| depth < 8) {
        collect(schemas, *part, depth + 1, out);
    }
}

/// Adds one value. What could be a number and a text is a number, unless `as_text`.
pub(super) fn add<'v>(tree: &mut Tree<'v>, key: Option<Cow<'v, str>>, text: Cow<'v, str>, types: Types, as_text: bool) {
    let plain = !(as_text && types.has(Types::STRING));
    match &*text {
        number
            if plain
                && types.has_any(Types::NUMBER)
                && number.len() <= limits::NUMBER_BYTES_MAX
                && is_json_number(number) =>
        {
            tree.leaf(key, Kind::Number, text);
        }
        "true" | "false" if plain && types.has(Types::BOOLEAN) => {
            let kind = Kind::Bool(&*text == "true");
            tree.leaf(key, kind, Cow::Borrowed(""));
        }
        _ => tree.leaf(key, Kind::Text, text),
    }
}

/// The parts between commas, decoded; of nothing there are none.
pub(super) fn parts(raw: &str, is_form: bool) -> Result<Vec<Cow<'_, str>>, String> {
    if raw.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<_> = raw.split(',').take(limits::PARAMETER_ITEMS_MAX + 1).collect();
    if parts.len() > limits::PARAMETER_ITEMS_MAX {
        return Err(format!("has more than {} items", limits::PARAMETER_ITEMS_MAX));
    }
    parts.into_iter().map(|part| decode(part, is_form)).collect()
}
