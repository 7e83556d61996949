//! From one operation of a document to what is checked of it.

use super::media::{Content, Form, Medium, Rule};
use super::parameter::{In, Parameter, Style};
use super::value::Shape;
use super::{Operation, RequestBody, Statuses};
use crate::limits;
use crate::schema::{Compiler, SchemaId, Types};
use bartizan_core::document::{Document, Value};
use std::collections::BTreeMap;

/// The parts of a document that an operation is read with.
pub(super) struct Context<'d, 'c> {
    pub(super) compiler: &'c mut Compiler<'d>,
    /// Whether callers have to show who they are where the operation says nothing.
    pub(super) secured: bool,
    /// What its template shows, with the base where there is one.
    pub(super) shown: &'c str,
    /// How many operations come before it.
    pub(super) number: usize,
    /// The names in its template.
    pub(super) names: &'c [Box<str>],
    /// The parameters of all operations of the path.
    pub(super) common: Option<&'d Document>,
    pub(super) common_at: &'c str,
}

impl<'d> Context<'d, '_> {
    pub(super) fn operation(&mut self, method: &'static str, said: &'d Document, at: &str) -> Operation {
        if let Some(servers) = said.get("servers") {
            let way_out = "name them at the top, or put these operations into a document of their own";
            self.refuse(servers, &format!("{at}/servers"), "servers of one operation are not supported", way_out);
        }
        let parameters = self.parameters(said, at);
        let body = said.get("requestBody").and_then(|body| self.body(body, &format!("{at}/requestBody")));
        let responses = self.responses(said, at);
        let flag = |name: &str| said.get(name).is_some_and(|it| it.value == Value::Bool(true));
        Operation {
            number: self.number,
            method,
            template: self.shown.into(),
            id: said.get("operationId").and_then(Document::text).map(Into::into),
            deprecated: flag("deprecated"),
            secured: said.get("security").map_or(self.secured, is_secured),
            place: said.place,
            parameters,
            body,
            responses,
        }
    }

    fn refuse(&mut self, document: &Document, at: &str, problem: &str, way_out: &str) {
        self.compiler.report.refuse(document.place, at, problem, way_out);
    }

    /// What a reference leads to, or the document itself.
    fn followed(&mut self, document: &'d Document, at: &str) -> Option<(&'d Document, String)> {
        let (mut document, mut at) = (document, at.to_owned());
        for _ in 0..limits::REFERENCES_MAX {
            let Some(reference) = document.get("$ref") else { return Some((document, at)) };
            (document, at) = self.compiler.resolve(reference, &at).ok()?;
        }
        self.refuse(document, &at, "a reference that leads to no end", "let it name something else");
        None
    }

    /// Those of the path, and those of the operation in their place.
    fn parameters(&mut self, said: &'d Document, at: &str) -> Vec<Parameter> {
        let mut all: BTreeMap<(In, Box<str>), Parameter> = BTreeMap::new();
        let common_at = self.common_at.to_owned();
        let own_at = format!("{at}/parameters");
        for (list, at) in [(self.common, common_at), (said.get("parameters"), own_at.clone())] {
            let mut here = Vec::new();
            for (i, item) in list.and_then(Document::items).unwrap_or_default().iter().enumerate() {
                let at = format!("{at}/{i}");
                let Some((item, at)) = self.followed(item, &at) else { continue };
                let Some(parameter) = self.parameter(item, &at) else { continue };
                let key = (parameter.place, parameter.name.clone());
                if here.contains(&key) {
                    self.refuse(item, &at, "the parameter is there already", "keep one of the two");
                }
                here.push(key.clone());
                all.insert(key, parameter);
            }
        }
        for name in self.names {
            if !all.contains_key(&(In::Path, name.clone())) {
                let problem = format!("`{{{name}}}` of the path is declared nowhere");
                self.refuse(said, &own_at, &problem, "add a parameter with `in: path`");
            }
        }
        let stray = all.values().find(|it| it.place == In::Path && !self.names.contains(&it.name));
        if let Some(name) = stray.map(|it| it.name.clone()) {
            self.refuse(
                said,
                &own_at,
                &format!("the path has no `{{{name}}}`"),
                "correct the name, or delete the parameter",
            );
        }
        all.into_values().collect()
    }

    fn parameter(&mut self, said: &'d Document, at: &str) -> Option<Parameter> {
        let name = said.get("name").and_then(Document::text);
        let place = match said.get("in").and_then(Document::text) {
            Some("path") => In::Path,
            Some("query") => In::Query,
            Some("header") => In::Header,
            Some("cookie") => In::Cookie,
            _ => {
                self.refuse(said, at, "`in` has to be path, query, header or cookie", "");
                return None;
            }
        };
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            self.refuse(said, at, "`name` is missing", "");
            return None;
        };
        // The specification says so: others speak about these.
        if place == In::Header
            && ["accept", "content-type", "authorization"].iter().any(|it| name.eq_ignore_ascii_case(it))
        {
            return None;
        }
        let flag = |name: &str| said.get(name).is_some_and(|it| it.value == Value::Bool(true));
        let required = flag("required");
        if place == In::Path && !required {
            self.refuse(said, at, "a parameter in a path is always there", "write `required: true`");
        }
        let (schema, is_json) = self.schema_of(said, at)?;
        self.compiler.fill();
        let shape = Shape::of(self.compiler.schemas(), schema);
        let style = if is_json { Style::Json } else { self.style(said, at, place, &shape)? };
        let may_be_empty = place == In::Query && flag("allowEmptyValue");
        Some(Parameter { name: name.into(), place, required, style, schema, shape, may_be_empty })
    }

    /// Its schema, and whether its value is JSON.
    fn schema_of(&mut self, said: &'d Document, at: &str) -> Option<(SchemaId, bool)> {
        match (said.get("schema"), said.get("content").map(Document::entries)) {
            (Some(schema), None) => Some((self.compiler.schema(schema, &format!("{at}/schema")), false)),
            (None, Some([(range, content)])) if Content::parse(&range.text).is_some_and(|it| it.is_json()) => {
                match content.get("schema") {
                    Some(schema) => Some((self.compiler.schema(schema, &format!("{at}/content/schema")), true)),
                    None => {
                        self.refuse(content, at, "`schema` is missing", "write `schema: {}` for anything");
                        None
                    }
                }
            }
            (None, Some(_)) => {
                self.refuse(
                    said,
                    at,
                    "`content` of a parameter has to be one of JSON",
                    "write `application/json`, or use `schema`",
                );
                None
            }
            _ => {
                self.refuse(
                    said,
                    at,
                    "has to have either `schema` or `content`",
                    "write `schema: {type: string}` for any text",
                );
                None
            }
        }
    }

    fn style(&mut self, said: &'d Document, at: &str, place: In, shape: &Shape) -> Option<Style> {
        let usual = if matches!(place, In::Path | In::Header) { "simple" } else { "form" };
        let style = said.get("style").and_then(Document::text).unwrap_or(usual);
        let explode = match said.get("explode").map(|it| &it.value) {
            Some(Value::Bool(it)) => *it,
            _ => style == "form",
        };
        let is_one = matches!(shape, Shape::One(_));
        match (place, style) {
            (In::Path | In::Header, "simple") => Some(Style::Simple(explode)),
            (In::Query, "form") => Some(Style::Form(explode)),
            // With `explode`, a list in a cookie would be several cookies of one name.
            (In::Cookie, "form") if is_one || !explode => Some(Style::Form(explode)),
            (In::Query, "deepObject") if matches!(shape, Shape::Map(_)) => Some(Style::Deep),
            _ => {
                let problem = format!("the style `{style}` is not supported here");
                let way_out = match place {
                    In::Path | In::Header => "write `style: simple`",
                    In::Query => "write `style: form`, or `deepObject` for an object",
                    In::Cookie => "write `explode: false`",
                };
                self.refuse(said, at, &problem, way_out);
                None
            }
        }
    }

    fn body(&mut self, said: &'d Document, at: &str) -> Option<RequestBody> {
        let (said, at) = self.followed(said, at)?;
        let required = said.get("required").is_some_and(|it| it.value == Value::Bool(true));
        let media = self.media(said, &at);
        if media.is_empty() {
            self.refuse(said, &at, "`content` is missing", "say which content is taken, such as `application/json`");
        }
        Some(RequestBody { required, media })
    }

    fn media(&mut self, said: &'d Document, at: &str) -> Vec<Medium> {
        let mut media = Vec::new();
        for (range, content) in said.get("content").map(Document::entries).unwrap_or_default() {
            let at = crate::schema::child(&format!("{at}/content"), &range.text);
            let schema = content.get("schema").map(|schema| self.compiler.schema(schema, &format!("{at}/schema")));
            self.compiler.fill();
            if content.get("encoding").is_some() {
                self.compiler.report.warn(content.place, &at, "`encoding` has no effect", "");
            }
            let shape = schema.map(|schema| Shape::of(self.compiler.schemas(), schema));
            let medium = Medium::new(&range.text, |content| match (schema, shape) {
                (Some(schema), _) if content.is_json() => Rule::Json(schema),
                (Some(schema), Some(shape @ Shape::Map(_))) if content.is_form() => Rule::Form(Form { schema, shape }),
                _ => Rule::Opaque,
            });
            match medium {
                Some(medium) => {
                    let is_blind =
                        matches!(medium.rule, Rule::Opaque) && schema.is_some_and(|it| self.says_something(it));
                    if is_blind {
                        let problem = "content of this kind is not looked into; its schema has no effect";
                        self.compiler.report.warn(content.place, &at, problem, "");
                    }
                    media.push(medium);
                }
                None => self.refuse(content, &at, "is no media type", "write one such as `application/json`"),
            }
        }
        media
    }

    /// Whether a schema asks for more than a text.
    fn says_something(&self, id: SchemaId) -> bool {
        let schema = self.compiler.schemas().get(id);
        schema.types != Types::STRING && schema.types != Types::ANY
    }

    fn responses(&mut self, said: &'d Document, at: &str) -> Vec<(Statuses, Vec<Medium>)> {
        let at = format!("{at}/responses");
        let entries = said.get("responses").map(Document::entries).unwrap_or_default();
        if entries.is_empty() {
            self.refuse(said, &at, "is missing", "say what it answers, such as `\"200\": {description: OK}`");
        }
        let mut out = Vec::new();
        for (key, response) in entries {
            let at = format!("{at}/{}", key.text);
            let statuses = match &*key.text {
                "default" => Some(Statuses::Others),
                text if text.starts_with("x-") => continue,
                text => match text.strip_suffix("XX") {
                    Some(hundred) => hundred.parse().ok().filter(|it| (1..=5).contains(it)).map(Statuses::Hundred),
                    None => text.parse().ok().filter(|it| (100..=599).contains(it)).map(Statuses::One),
                },
            };
            let Some(statuses) = statuses else {
                self.refuse(response, &at, "is no status", "write one such as `404`, `4XX` or `default`");
                continue;
            };
            if let Some((response, at)) = self.followed(response, &at) {
                out.push((statuses, self.media(response, &at)));
            }
        }
        out
    }
}

/// Whether a list of security requirements lets in nobody without one.
pub(super) fn is_secured(said: &Document) -> bool {
    said.items().is_some_and(|items| !items.is_empty() && items.iter().all(|item| !item.entries().is_empty()))
}
