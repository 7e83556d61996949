//! Content of requests and responses.

use super::media::{Content, Form, Rule, choose};
use super::problem::{Part, Problem};
use super::query::{decode, pairs};
use super::value::{Shape, add};
use super::{Api, Operation};
use crate::json::{self, Bounds, Kind, Tree, pointer, without};
use crate::schema::{Direction, Options, SchemaId, Types, Unknown, check};
use std::borrow::Cow;

/// What the content of a request has to be.
#[derive(Clone, Debug)]
pub struct Body {
    rule: Option<Rule>,
    required: bool,
}

impl Body {
    /// None comes.
    pub(super) fn none() -> Self {
        Self { rule: None, required: false }
    }

    pub(super) fn expected(rule: Rule, required: bool) -> Self {
        Self { rule: Some(rule), required }
    }

    /// Whether it has to be read to be judged.
    pub fn is_looked_into(&self) -> bool {
        matches!(self.rule, Some(Rule::Json(_) | Rule::Form(_)))
    }
}

/// What a response has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// JSON by a schema: its content has to be read.
    Json(SchemaId),
    /// Content that is not looked into, or none.
    Opaque,
}

/// Content that is good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Good {
    /// The same without what the document does not name; where something is taken out.
    pub instead: Option<Vec<u8>>,
    /// Where that stood, as JSON pointers; the first few.
    pub gone: Vec<String>,
}

/// Most places that are named of what was taken out, a count.
const GONE_NAMED_MAX: usize = 8;

impl Api {
    /// Judges the content of a request.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn check_body(&self, body: &Body, bytes: &[u8], unknown: Unknown) -> Result<Good, Problem> {
        if bytes.is_empty() && !body.required && !matches!(body.rule, Some(Rule::Form(_))) {
            return Ok(Good::default());
        }
        match &body.rule {
            Some(Rule::Json(schema)) => self.check_json(*schema, bytes, Direction::Request, unknown),
            Some(Rule::Form(form)) => self.check_form(form, bytes, unknown),
            Some(Rule::Opaque) | None => Ok(Good::default()),
        }
    }

    /// What a response with this head has to be. `content_type` is `None` where it has no such header.
    ///
    /// # Errors
    /// Where the document knows no such response.
    pub fn reply(
        &self,
        operation: &Operation,
        (status, content_type, has_content): (u16, Option<&str>, bool),
    ) -> Result<Reply, Problem> {
        if !has_content {
            return Ok(Reply::Opaque);
        }
        let Some(media) = operation.response(status) else {
            return Err(Problem::new(502, Part::Status, format!("{status} is none of those that the document names")));
        };
        if media.is_empty() {
            return Err(Problem::new(502, Part::Body, format!("the document names no content for status {status}")));
        }
        let wrong = |why: String| Problem::new(502, Part::ContentType, why);
        let content = content_type.and_then(Content::parse).ok_or_else(|| wrong("is missing, or none".into()))?;
        let rule = choose(media, &content);
        let rule = rule
            .ok_or_else(|| wrong(format!("{content} is none of those that the document names for status {status}")))?;
        match rule {
            Rule::Json(schema) => Ok(Reply::Json(*schema)),
            Rule::Form(_) | Rule::Opaque => Ok(Reply::Opaque),
        }
    }

    /// Judges the content of a response.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn check_reply(&self, schema: SchemaId, bytes: &[u8], unknown: Unknown) -> Result<Good, Problem> {
        self.check_json(schema, bytes, Direction::Response, unknown)
            .map_err(|problem| Problem { status: 502, ..problem })
    }

    fn check_json(
        &self,
        schema: SchemaId,
        bytes: &[u8],
        direction: Direction,
        unknown: Unknown,
    ) -> Result<Good, Problem> {
        let tree = json::read(bytes, &Bounds::BODY).map_err(|error| Problem::of_json(Part::Body, error))?;
        let options = Options { direction, unknown, formats: true };
        let checked =
            check(self.schemas(), schema, &tree, options).map_err(|fault| Problem::of_fault(Part::Body, fault))?;
        if checked.gone.is_empty() {
            return Ok(Good::default());
        }
        let gone = checked.gone.iter().take(GONE_NAMED_MAX).map(|id| pointer(&tree, *id)).collect();
        Ok(Good { instead: Some(without(bytes, &tree, &checked.gone)), gone })
    }

    /// A form is a map whose members are texts; one that is there more than once is a list.
    fn check_form(&self, form: &Form, bytes: &[u8], unknown: Unknown) -> Result<Good, Problem> {
        let wrong = |why: String| Problem::new(400, Part::Body, why);
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("is not UTF-8".into()))?;
        let mut fields = pairs(text).map_err(wrong)?;
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let Shape::Map(members) = &form.shape else { return Err(wrong("its schema is not that of a form".into())) };
        let mut tree = Tree::default();
        let root = tree.open(None, Kind::Object);
        let mut count = 0;
        for group in fields.chunk_by(|a, b| a.name == b.name) {
            count += 1;
            let name = &group[0].name;
            let types = members.get(&**name).copied().unwrap_or(Types::STRING);
            let values =
                group.iter().map(|pair| decode(pair.raw_value, true)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
            if types.has(Types::ARRAY) && types != Types::ANY {
                let list = tree.open(Some(name.clone()), Kind::Array);
                let length = values.len() as u32;
                values.into_iter().for_each(|value| add(&mut tree, None, value, Types::STRING, true));
                tree.close(list, length);
            } else if let [value] = values.as_slice() {
                add(&mut tree, Some(name.clone()), value.clone(), types, types.has(Types::STRING));
            } else {
                return Err(wrong(format!("the field `{name}` is there more than once")));
            }
        }
        tree.close(root, count);
        let options = Options { direction: Direction::Request, unknown, formats: true };
        let checked =
            check(self.schemas(), form.schema, &tree, options).map_err(|fault| Problem::of_fault(Part::Body, fault))?;
        if checked.gone.is_empty() {
            return Ok(Good::default());
        }
        let gone: Vec<Cow<'_, str>> = checked.gone.iter().filter_map(|id| tree.node(*id).key.clone()).collect();
        let kept = text.split('&').filter(|raw| {
            let name = raw.split_once('=').map_or(*raw, |(name, _)| name);
            decode(name, true).is_ok_and(|name| !name.is_empty() && !gone.contains(&name))
        });
        let instead = kept.collect::<Vec<_>>().join("&").into_bytes();
        let gone = gone.iter().take(GONE_NAMED_MAX).map(|name| format!("/{name}")).collect();
        Ok(Good { instead: Some(instead), gone })
    }
}
