//! From a document to schemas. What the document says and is not understood is reported, never left out in silence.

use super::format::Format;
use super::{
    ArrayRules, Condition, Contains, Discriminator, Literal, Names, NumberRules, ObjectRules, Property, Schema,
    SchemaId, Schemas, StringRules, Types,
};
use crate::json::{Decimal, Divisor};
use crate::limits;
use crate::report::{Report, Reported};
use bartizan_core::document::{Document, Value};
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which dialect of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// That of OpenAPI 3.0.
    OpenApi30,
    /// Draft 2020-12, as OpenAPI 3.1 uses it.
    Draft202012,
}

/// Keywords that both dialects know.
const COMMON: &[&str] = &[
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "type",
    "enum",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "format",
    "maxItems",
    "minItems",
    "uniqueItems",
    "items",
    "maxProperties",
    "minProperties",
    "required",
    "properties",
    "additionalProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "discriminator",
    "xml",
    "externalDocs",
    "example",
    "$ref",
];
/// Keywords of draft 2020-12 alone.
const NEWER: &[&str] = &[
    "const",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$dynamicRef",
    "$anchor",
    "$dynamicAnchor",
    "$defs",
    "$comment",
    "$schema",
    "examples",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
];
/// What `$schema` may say.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Makes schemas of a document, one after the other; each place of the document becomes one schema, however often it is referred to.
#[derive(Debug)]
pub struct Compiler<'d> {
    root: &'d Document,
    dialect: Dialect,
    pub(crate) report: Report,
    schemas: Schemas,
    /// By where they stand in memory, which is as good as where they stand in the document.
    known: BTreeMap<usize, SchemaId>,
    /// Those that have a number and no content yet.
    waiting: Vec<(SchemaId, &'d Document, String)>,
    patterns: BTreeMap<String, Arc<Regex>>,
    anchors: Option<BTreeMap<&'d str, &'d Document>>,
    too_many: bool,
}

impl<'d> Compiler<'d> {
    /// For the document `root`, which is called `file` in messages.
    pub fn new(root: &'d Document, dialect: Dialect, file: &str) -> Self {
        Self {
            root,
            dialect,
            report: Report::new(file),
            schemas: Schemas::default(),
            known: BTreeMap::new(),
            waiting: Vec::new(),
            patterns: BTreeMap::new(),
            anchors: None,
            too_many: false,
        }
    }

    /// The number of the schema at `document`; `at` is its place for messages, as a JSON pointer.
    pub fn schema(&mut self, document: &'d Document, at: &str) -> SchemaId {
        let address = std::ptr::from_ref(document).addr();
        if let Some(id) = self.known.get(&address) {
            return *id;
        }
        if self.schemas.len() >= limits::SCHEMAS_MAX {
            if !std::mem::replace(&mut self.too_many, true) {
                let problem = format!("more than {} schemas", limits::SCHEMAS_MAX);
                self.report.refuse(document.place, at, problem, "split the document");
            }
            return 0;
        }
        let id = self.schemas.len() as SchemaId;
        self.schemas.all.push(Schema::open(document.place));
        self.known.insert(address, id);
        self.waiting.push((id, document, at.to_owned()));
        id
    }

    /// Gives every schema that has a number its content.
    pub fn fill(&mut self) {
        while let Some((id, document, at)) = self.waiting.pop() {
            let schema = self.content(document, &at);
            self.schemas.all[id as usize] = schema;
        }
    }

    /// All schemas, and what is worth saying.
    ///
    /// # Errors
    /// Everything that is wrong with the document.
    pub fn finish(mut self) -> Result<(Schemas, Vec<bartizan_core::fleet::FleetError>), crate::report::ApiErrors> {
        self.fill();
        self.refuse_circles();
        let warnings = self.report.finish()?;
        Ok((self.schemas, warnings))
    }

    pub(crate) fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    fn content(&mut self, document: &'d Document, at: &str) -> Schema {
        let mut schema = Schema::open(document.place);
        match &document.value {
            Value::Bool(verdict) if self.dialect == Dialect::Draft202012 => schema.verdict = Some(*verdict),
            Value::Map(_) => {
                self.look_at_keywords(document, at);
                self.fill_in(&mut schema, document, at);
            }
            _ => {
                self.report.refuse(
                    document.place,
                    at,
                    format!("expected a schema, found {}", document.kind()),
                    "write a map",
                );
            }
        }
        schema
    }

    fn look_at_keywords(&mut self, document: &'d Document, at: &str) {
        let older = self.dialect == Dialect::OpenApi30;
        for (key, value) in document.entries() {
            let (name, here) = (&*key.text, child(at, &key.text));
            if older && document.get("$ref").is_some() && name != "$ref" {
                if !matches!(name, "description" | "title") && !name.starts_with("x-") {
                    let way_out = "put it and the reference into `allOf`";
                    self.report.warn(key.place, &here, "has no effect beside `$ref` in OpenAPI 3.0", way_out);
                }
            } else if name == "$id" || name == "$vocabulary" || (name == "$schema" && value.text() != Some(DRAFT)) {
                let way_out = "give each schema its place in this document, and refer to it by `#/…`";
                self.report.refuse(key.place, &here, "is not supported: a schema by another name or draft", way_out);
            } else if older && NEWER.contains(&name) {
                let way_out = "write `openapi: 3.1.0`, or say it otherwise";
                self.report.refuse(key.place, &here, "is not known in OpenAPI 3.0", way_out);
            } else if name == "nullable" && !older {
                let way_out = "write `type: [string, \"null\"]`";
                self.report.warn(key.place, &here, "has no effect in OpenAPI 3.1", way_out);
            } else if !COMMON.contains(&name) && !NEWER.contains(&name) && name != "nullable" && !name.starts_with("x-")
            {
                self.report.warn(key.place, &here, "is no keyword, and has no effect", "");
            }
        }
    }

    fn fill_in(&mut self, schema: &mut Schema, document: &'d Document, at: &str) {
        let older = self.dialect == Dialect::OpenApi30;
        for name in ["$ref", "$dynamicRef"] {
            if let Some(reference) = document.get(name) {
                schema.reference = self.reference(reference, &child(at, name)).ok();
            }
        }
        if older && schema.reference.is_some() {
            return;
        }
        (schema.read_only, schema.write_only) = (is_true(document, "readOnly"), is_true(document, "writeOnly"));
        schema.types = self.types(document, at);
        self.allowed(schema, document, at);
        schema.number = self.number(document, at);
        schema.string = self.string(document, at);
        schema.array = self.array(document, at);
        schema.object = self.object(document, at);
        schema.all_of = self.list(document, at, "allOf");
        schema.any_of = self.list(document, at, "anyOf");
        schema.one_of = self.list(document, at, "oneOf");
        schema.not = self.one(document, at, "not");
        if let Some(when) = self.one(document, at, "if") {
            let (then, otherwise) = (self.one(document, at, "then"), self.one(document, at, "else"));
            schema.condition = Some(Condition { when, then, otherwise });
        }
        schema.unevaluated_members = self.one(document, at, "unevaluatedProperties");
        schema.unevaluated_items = self.one(document, at, "unevaluatedItems");
        schema.discriminator = self.discriminator(document, at);
    }

    /// The schema that a reference within the document leads to.
    fn reference(&mut self, document: &'d Document, at: &str) -> Result<SchemaId, Reported> {
        let (target, pointer) = self.resolve(document, at)?;
        Ok(self.schema(target, &pointer))
    }

    /// What a reference leads to, and the pointer to it.
    pub(crate) fn resolve(&mut self, document: &'d Document, at: &str) -> Result<(&'d Document, String), Reported> {
        let Some(text) = document.text() else {
            return Err(self.report.refuse(
                document.place,
                at,
                "a reference is a text",
                "write it as `#/components/schemas/Name`",
            ));
        };
        let Some(fragment) = text.strip_prefix('#') else {
            let way_out = "copy what it names into this document: a guard reads nothing else";
            return Err(self.report.refuse(document.place, at, format!("`{text}` is outside this document"), way_out));
        };
        let pointer = percent_decoded(fragment);
        let target = if pointer.is_empty() || pointer.starts_with('/') {
            self.root.at(&pointer)
        } else {
            self.anchors().get(pointer.as_str()).copied()
        };
        let target = target.ok_or_else(|| {
            self.report.refuse(
                document.place,
                at,
                format!("there is nothing at `{text}`"),
                "correct it, or add what it names",
            )
        })?;
        Ok((target, pointer))
    }

    fn anchors(&mut self) -> &BTreeMap<&'d str, &'d Document> {
        let root = self.root;
        self.anchors.get_or_insert_with(|| {
            let (mut found, mut waiting) = (BTreeMap::new(), vec![root]);
            while let Some(document) = waiting.pop() {
                for name in ["$anchor", "$dynamicAnchor"] {
                    if let Some(anchor) = document.get(name).and_then(Document::text) {
                        found.entry(anchor).or_insert(document);
                    }
                }
                waiting.extend(document.entries().iter().map(|(_, value)| value));
                waiting.extend(document.items().unwrap_or_default());
            }
            found
        })
    }

    fn types(&mut self, document: &'d Document, at: &str) -> Types {
        let Some(said) = document.get("type") else { return Types::ANY };
        let at = child(at, "type");
        let list = match said.items() {
            Some(items) if self.dialect == Dialect::Draft202012 => items,
            _ => std::slice::from_ref(said),
        };
        let mut types = Types::NONE;
        for item in list {
            let named = item.text().and_then(Types::named);
            match named.filter(|&it| self.dialect == Dialect::Draft202012 || it != Types::NULL) {
                Some(it) => types = types.and(it),
                None => {
                    let way_out = match self.dialect {
                        Dialect::OpenApi30 => {
                            "write one of string, number, integer, boolean, array, object; and `nullable: true` for null"
                        }
                        Dialect::Draft202012 => {
                            "write one of string, number, integer, boolean, array, object, \"null\", or a list of them"
                        }
                    };
                    self.report.refuse(item.place, &at, "is no type", way_out);
                    return Types::ANY;
                }
            }
        }
        let nullable = self.dialect == Dialect::OpenApi30 && is_true(document, "nullable");
        if nullable { types.and(Types::NULL) } else { types }
    }

    fn allowed(&mut self, schema: &mut Schema, document: &'d Document, at: &str) {
        if let Some(said) = document.get("enum") {
            let Some(items) = said.items().filter(|items| !items.is_empty()) else {
                self.report.refuse(said.place, &child(at, "enum"), "has to be a list with at least one value", "");
                return;
            };
            let literals: Box<[Literal]> = items.iter().map(Literal::of).collect();
            for (literal, item) in literals.iter().zip(items) {
                if !may_have(schema.types, literal) {
                    let problem = format!("this value can never stand here, since the type is {}", schema.types);
                    self.report.refuse(item.place, &child(at, "enum"), problem, "correct the value or the type");
                }
            }
            schema.allowed.push(literals);
        }
        if let Some(said) = document.get("const").filter(|_| self.dialect == Dialect::Draft202012) {
            schema.allowed.push(Box::new([Literal::of(said)]));
        }
    }

    fn number(&mut self, document: &'d Document, at: &str) -> Option<Box<NumberRules>> {
        let mut rules = NumberRules {
            minimum: self.decimal(document, at, "minimum"),
            maximum: self.decimal(document, at, "maximum"),
            ..NumberRules::default()
        };
        if self.dialect == Dialect::OpenApi30 {
            if self.flag(document, at, "exclusiveMinimum") {
                rules.above = rules.minimum.take();
            }
            if self.flag(document, at, "exclusiveMaximum") {
                rules.below = rules.maximum.take();
            }
        } else {
            rules.above = self.decimal(document, at, "exclusiveMinimum");
            rules.below = self.decimal(document, at, "exclusiveMaximum");
        }
        if let (Some(said), Some(number)) = (document.get("multipleOf"), self.decimal(document, at, "multipleOf")) {
            rules.multiple_of = Divisor::of(&number);
            if rules.multiple_of.is_none() {
                self.report.refuse(
                    said.place,
                    &child(at, "multipleOf"),
                    "has to be above 0, with at most 18 digits",
                    "",
                );
            }
        }
        let NumberRules { minimum, above, maximum, below, multiple_of } = &rules;
        let least = minimum.iter().chain(above).max();
        if let (Some(least), Some(most)) = (least, maximum.iter().chain(below).min())
            && least > most
        {
            self.report.refuse(
                document.place,
                at,
                "no number is that large and that small",
                "correct `minimum` or `maximum`",
            );
        }
        let says = least.is_some() || maximum.is_some() || below.is_some() || multiple_of.is_some();
        says.then(|| Box::new(rules))
    }

    fn string(&mut self, document: &'d Document, at: &str) -> Option<Box<StringRules>> {
        let (min, max) = self.range(document, at, ("minLength", "maxLength"));
        let pattern = document.get("pattern").and_then(|said| self.pattern(said, &child(at, "pattern")));
        let format = document.get("format").and_then(Document::text).and_then(Format::named);
        // Formats for numbers say something of numbers alone, and the other way round.
        let says = min.is_some() || max.is_some() || pattern.is_some() || format.is_some();
        says.then(|| {
            let max = max.map(|it| it as usize);
            Box::new(StringRules { min: min.unwrap_or(0) as usize, max, pattern, format })
        })
    }

    fn pattern(&mut self, said: &'d Document, at: &str) -> Option<Arc<Regex>> {
        let Some(text) = said.text() else {
            self.report.refuse(said.place, at, "a pattern is a text", "put it in quotes");
            return None;
        };
        self.regex(text, said.place, at)
    }

    fn regex(&mut self, text: &str, place: bartizan_core::fleet::TextPlace, at: &str) -> Option<Arc<Regex>> {
        if let Some(known) = self.patterns.get(text) {
            return Some(Arc::clone(known));
        }
        if self.patterns.len() >= limits::PATTERNS_MAX {
            self.report.refuse(place, at, format!("more than {} different patterns", limits::PATTERNS_MAX), "");
            return None;
        }
        match crate::pattern::compile(text) {
            Ok(regex) => {
                let regex = Arc::new(regex);
                self.patterns.insert(text.to_owned(), Arc::clone(&regex));
                Some(regex)
            }
            Err(why) => {
                self.report.refuse(place, at, format!("not a pattern that can be checked: {why}"), "");
                None
            }
        }
    }

    fn array(&mut self, document: &'d Document, at: &str) -> Option<Box<ArrayRules>> {
        let (min, max) = self.range(document, at, ("minItems", "maxItems"));
        let newer = self.dialect == Dialect::Draft202012;
        let first = if newer { self.list(document, at, "prefixItems") } else { Box::default() };
        let items = self.one(document, at, "items");
        if !newer && items.is_none() && document.get("type").and_then(Document::text) == Some("array") {
            self.report.refuse(
                document.place,
                at,
                "an array without `items`",
                "say what its items are; `items: {}` for anything",
            );
        }
        let contains = if newer { self.one(document, at, "contains") } else { None };
        let contains = contains.map(|schema| {
            let (min, max) = self.range(document, at, ("minContains", "maxContains"));
            Contains { schema, min: min.unwrap_or(1), max }
        });
        let unique = self.flag(document, at, "uniqueItems");
        let says =
            min.is_some() || max.is_some() || unique || !first.is_empty() || items.is_some() || contains.is_some();
        says.then(|| Box::new(ArrayRules { min: min.unwrap_or(0), max, unique, first, items, contains }))
    }

    fn object(&mut self, document: &'d Document, at: &str) -> Option<Box<ObjectRules>> {
        let (min, max) = self.range(document, at, ("minProperties", "maxProperties"));
        let newer = self.dialect == Dialect::Draft202012;
        let required = self.texts(document.get("required"), &child(at, "required"));
        let properties = self.properties(document, at);
        let patterns = if newer { self.patterns(document, at) } else { Vec::new() };
        let additional = self.additional(document, at);
        let names_members = document.get("properties").is_some();
        let closed = document.get("additionalProperties").is_some_and(|it| it.value == Value::Bool(false));
        for name in required.iter().filter(|_| closed && patterns.is_empty()) {
            if !properties.contains_key(name) {
                let problem = format!("`{name}` is required, and `additionalProperties: false` forbids it");
                self.report.refuse(document.place, at, problem, "add it to `properties`");
            }
        }
        let names = if newer { self.one(document, at, "propertyNames") } else { None };
        let dependent_required = if newer { self.dependent_required(document, at) } else { Vec::new() };
        let dependent_schemas = if newer { self.dependent_schemas(document, at) } else { Vec::new() };
        let rules = ObjectRules {
            min: min.unwrap_or(0),
            max,
            required,
            names_members,
            properties,
            patterns,
            additional,
            names,
            dependent_required,
            dependent_schemas,
        };
        let ObjectRules {
            min, max, required, patterns, additional, names, dependent_required, dependent_schemas, ..
        } = &rules;
        let says = *min > 0
            || max.is_some()
            || !required.is_empty()
            || names_members
            || !patterns.is_empty()
            || additional.is_some()
            || names.is_some()
            || !dependent_required.is_empty()
            || !dependent_schemas.is_empty();
        says.then(|| Box::new(rules))
    }

    fn properties(&mut self, document: &'d Document, at: &str) -> BTreeMap<Box<str>, Property> {
        let mut out = BTreeMap::new();
        for (name, value, at) in self.map(document, at, "properties") {
            let (read_only, write_only) = (self.says(value, "readOnly", 0), self.says(value, "writeOnly", 0));
            if read_only && write_only {
                self.report.refuse(
                    value.place,
                    &at,
                    "is for neither direction: readOnly and writeOnly",
                    "delete one of them",
                );
            }
            out.insert(name.into(), Property { schema: self.schema(value, &at), read_only, write_only });
        }
        out
    }

    /// Whether a schema, or one that it is made of, has a flag.
    fn says(&self, document: &Document, flag: &str, hops: usize) -> bool {
        if hops > limits::REFERENCES_MAX {
            return false;
        }
        let target = || {
            let fragment = document.get("$ref")?.text()?.strip_prefix('#')?;
            self.root.at(&percent_decoded(fragment))
        };
        let parts = document.get("allOf").and_then(Document::items).unwrap_or_default();
        is_true(document, flag)
            || target().is_some_and(|target| self.says(target, flag, hops + 1))
            || (hops < 4 && parts.iter().any(|part| self.says(part, flag, hops + 1)))
    }

    fn patterns(&mut self, document: &'d Document, at: &str) -> Vec<(Arc<Regex>, SchemaId)> {
        let mut out = Vec::new();
        for (name, value, at) in self.map(document, at, "patternProperties") {
            if let Some(regex) = self.regex(name, value.place, &at) {
                out.push((regex, self.schema(value, &at)));
            }
        }
        out
    }

    /// A schema, or `true` or `false` also where other schemas cannot be one.
    fn additional(&mut self, document: &'d Document, at: &str) -> Option<SchemaId> {
        let said = document.get("additionalProperties")?;
        let Value::Bool(verdict) = said.value else { return self.one(document, at, "additionalProperties") };
        let id = self.schemas.len() as SchemaId;
        self.schemas.all.push(Schema { verdict: Some(verdict), ..Schema::open(said.place) });
        Some(id)
    }

    fn dependent_required(&mut self, document: &'d Document, at: &str) -> Vec<(Box<str>, Names)> {
        let map = self.map(document, at, "dependentRequired");
        map.into_iter().map(|(name, value, at)| (name.into(), self.texts(Some(value), &at))).collect()
    }

    fn dependent_schemas(&mut self, document: &'d Document, at: &str) -> Vec<(Box<str>, SchemaId)> {
        let map = self.map(document, at, "dependentSchemas");
        map.into_iter().map(|(name, value, at)| (name.into(), self.schema(value, &at))).collect()
    }

    /// `propertyName` and where its values lead: what `mapping` says, and the names of schemas.
    fn discriminator(&mut self, document: &'d Document, at: &str) -> Option<Box<Discriminator>> {
        let said = document.get("discriminator")?;
        let at = child(at, "discriminator");
        let Some(property) = said.get("propertyName").and_then(Document::text) else {
            // JSON Schema knows no such keyword; OpenAPI wants the name.
            if said.is_map() {
                self.report.refuse(
                    said.place,
                    &at,
                    "`propertyName` is missing",
                    "name the member that tells kinds apart",
                );
            }
            return None;
        };
        let lists = ["oneOf", "anyOf"].into_iter().filter_map(|name| document.get(name)?.items());
        let branches: Vec<&'d Document> = lists.flatten().collect();
        let mut schemas = BTreeMap::new();
        for branch in &branches {
            match branch.get("$ref").and_then(Document::text).and_then(|it| it.rsplit_once('/')) {
                Some((_, name)) => {
                    if let Some(Ok(id)) = branch.get("$ref").map(|it| self.reference(it, &at)) {
                        schemas.insert(Box::from(percent_decoded(name)), id);
                    }
                }
                None => {
                    let way_out = "refer to a schema under `components`, or delete `discriminator`";
                    self.report.refuse(branch.place, &at, "an alternative without a name", way_out);
                }
            }
        }
        if branches.is_empty() {
            self.descendants(document, &mut schemas);
        }
        self.mapping(said, &at, &branches, &mut schemas);
        (!schemas.is_empty()).then(|| Box::new(Discriminator { property: property.into(), schemas }))
    }

    /// The named schemas that are made of `document` by `allOf`, and itself.
    fn descendants(&mut self, document: &'d Document, schemas: &mut BTreeMap<Box<str>, SchemaId>) {
        let Some(named) = self.root.at("/components/schemas") else { return };
        for (name, candidate) in named.entries() {
            let parts = candidate.get("allOf").and_then(Document::items).unwrap_or_default();
            let targets = parts.iter().filter_map(|part| part.get("$ref")?.text()?.strip_prefix('#'));
            let is_made_of_it = targets
                .filter_map(|pointer| self.root.at(&percent_decoded(pointer)))
                .any(|target| std::ptr::eq(target, document));
            if is_made_of_it || std::ptr::eq(candidate, document) {
                let id = self.schema(candidate, &format!("/components/schemas/{}", name.text));
                schemas.insert(name.text.clone(), id);
            }
        }
    }

    fn mapping(
        &mut self,
        said: &'d Document,
        at: &str,
        branches: &[&'d Document],
        schemas: &mut BTreeMap<Box<str>, SchemaId>,
    ) {
        let known: Vec<SchemaId> = schemas.values().copied().collect();
        for (name, value, at) in self.map(said, at, "mapping") {
            let text = value.text().unwrap_or_default();
            let target = if text.contains(['#', '/']) {
                self.reference(value, &at).ok()
            } else {
                let pointer = format!("/components/schemas/{text}");
                let target = self.root.at(&pointer);
                if target.is_none() {
                    self.report.refuse(
                        value.place,
                        &at,
                        format!("there is no schema `{text}`"),
                        "name one under `components`",
                    );
                }
                target.map(|target| self.schema(target, &pointer))
            };
            let Some(target) = target else { continue };
            if !branches.is_empty() && !known.contains(&target) {
                self.report.refuse(value.place, &at, "is none of the alternatives", "add it to `oneOf`");
            }
            schemas.insert(name.into(), target);
        }
    }

    fn one(&mut self, document: &'d Document, at: &str, name: &str) -> Option<SchemaId> {
        document.get(name).map(|said| self.schema(said, &child(at, name)))
    }

    fn list(&mut self, document: &'d Document, at: &str, name: &str) -> Box<[SchemaId]> {
        let Some(said) = document.get(name) else { return Box::default() };
        let at = child(at, name);
        let Some(items) = said.items().filter(|items| !items.is_empty()) else {
            self.report.refuse(said.place, &at, "has to be a list of at least one schema", "");
            return Box::default();
        };
        items.iter().enumerate().map(|(i, item)| self.schema(item, &format!("{at}/{i}"))).collect()
    }

    fn map(&mut self, document: &'d Document, at: &str, name: &str) -> Vec<(&'d str, &'d Document, String)> {
        let Some(said) = document.get(name) else { return Vec::new() };
        let at = child(at, name);
        if !said.is_map() {
            self.report.refuse(said.place, &at, format!("expected a map, found {}", said.kind()), "");
        }
        said.entries().iter().map(|(key, value)| (&*key.text, value, child(&at, &key.text))).collect()
    }

    fn texts(&mut self, said: Option<&'d Document>, at: &str) -> Names {
        let Some(said) = said else { return Box::default() };
        let texts = said.items().and_then(|items| items.iter().map(|item| item.text().map(Box::from)).collect());
        texts.unwrap_or_else(|| {
            self.report.refuse(said.place, at, "expected a list of texts", "write it as `[one, two]`");
            Box::default()
        })
    }

    fn decimal(&mut self, document: &'d Document, at: &str, name: &str) -> Option<Decimal> {
        let said = document.get(name)?;
        let Value::Number(number) = &said.value else {
            self.report.refuse(said.place, &child(at, name), format!("expected a number, found {}", said.kind()), "");
            return None;
        };
        Some(Decimal::parse(number))
    }

    fn flag(&mut self, document: &'d Document, at: &str, name: &str) -> bool {
        match document.get(name).map(|said| (&said.value, said.place)) {
            None => false,
            Some((Value::Bool(it), _)) => *it,
            Some((_, place)) => {
                self.report.refuse(place, &child(at, name), "expected true or false", "");
                false
            }
        }
    }

    fn range(&mut self, document: &'d Document, at: &str, names: (&str, &str)) -> (Option<u32>, Option<u32>) {
        let (min, max) = (self.count(document, at, names.0), self.count(document, at, names.1));
        if let (Some(min), Some(max)) = (min, max)
            && min > max
            && names.0 != "minContains"
        {
            let problem = format!("`{}` is larger than `{}`: nothing fits", names.0, names.1);
            self.report.refuse(document.place, at, problem, "correct one of them");
        }
        (min, max)
    }

    fn count(&mut self, document: &'d Document, at: &str, name: &str) -> Option<u32> {
        let said = document.get(name)?;
        let number = match &said.value {
            Value::Number(number) => Some(Decimal::parse(number)),
            _ => None,
        };
        let number = number.filter(|it| it.is_whole() && *it >= Decimal::parse("0"));
        if number.is_none() {
            self.report.refuse(said.place, &child(at, name), "expected a whole number from 0", "");
        }
        // What is beyond the range is as good as the largest number of it.
        number.map(|it| it.to_u32())
    }

    /// A schema that asks for itself on the same value would be asked for ever.
    fn refuse_circles(&mut self) {
        let count = self.schemas.len();
        let (mut done, mut open) = (vec![false; count], vec![false; count]);
        let mut circles = Vec::new();
        for start in 0..count {
            let mut path: Vec<(usize, Vec<SchemaId>)> = Vec::new();
            if !done[start] {
                open[start] = true;
                path.push((start, same_value(self.schemas.get(start as SchemaId))));
            }
            while let Some((at, next)) = path.last_mut() {
                let Some(id) = next.pop().map(|id| id as usize) else {
                    (open[*at], done[*at]) = (false, true);
                    path.pop();
                    continue;
                };
                if open[id] {
                    circles.push(self.schemas.get(id as SchemaId).place);
                } else if !done[id] {
                    open[id] = true;
                    path.push((id, same_value(self.schemas.get(id as SchemaId))));
                }
            }
        }
        for place in circles {
            let way_out = "let it contain itself in a member or an item only";
            self.report.refuse(place, "", "a schema asks for itself on the same value, without end", way_out);
        }
    }
}

/// The schemas that a schema asks for on its own value. A discriminator chooses once, so what it leads to is none.
fn same_value(schema: &Schema) -> Vec<SchemaId> {
    let mut all: Vec<SchemaId> =
        schema.reference.into_iter().chain(schema.all_of.iter().copied()).chain(schema.not).collect();
    if schema.discriminator.is_none() {
        all.extend(schema.any_of.iter().chain(&schema.one_of));
    }
    if let Some(Condition { when, then, otherwise }) = schema.condition {
        all.push(when);
        all.extend(then.into_iter().chain(otherwise));
    }
    let dependent = schema.object.iter().flat_map(|object| &object.dependent_schemas);
    all.extend(dependent.map(|(_, id)| *id));
    all
}

fn may_have(types: Types, literal: &Literal) -> bool {
    match literal {
        Literal::Null => types.has(Types::NULL),
        Literal::Bool(_) => types.has(Types::BOOLEAN),
        Literal::Number(number) => types.has(Types::NUMBER) || (types.has(Types::INTEGER) && number.is_whole()),
        Literal::Text(_) => types.has(Types::STRING),
        Literal::List(_) => types.has(Types::ARRAY),
        Literal::Map(_) => types.has(Types::OBJECT),
    }
}

fn is_true(document: &Document, name: &str) -> bool {
    document.get(name).is_some_and(|said| said.value == Value::Bool(true))
}

/// The pointer to a member.
pub(crate) fn child(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// With percent-encoding undone, where it makes a text; a pointer in a reference may have it.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, more)) = rest.split_first() {
        let hex = (byte == b'%').then(|| more.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                rest = &more[2..];
            }
            None => {
                out.push(byte);
                rest = more;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}
