//! Kinds of content, and what is checked of each.

use super::value::Shape;
use crate::schema::SchemaId;

/// What a document says of one range of media types.
#[derive(Debug)]
pub(super) struct Medium {
    kind: Box<str>,
    subkind: Box<str>,
    pub(super) rule: Rule,
}

/// What is checked of content.
#[derive(Clone, Debug)]
pub enum Rule {
    /// JSON, by its schema.
    Json(SchemaId),
    /// A form, by its schema.
    Form(Form),
    /// Nothing but its kind.
    Opaque,
}

/// How the fields of a form become a value.
#[derive(Clone, Debug)]
pub struct Form {
    pub(super) schema: SchemaId,
    pub(super) shape: Shape,
}

/// A content type, as a head says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    kind: String,
    subkind: String,
    charset: Option<String>,
}

impl Content {
    /// Reads `type/subtype; parameters` (RFC 9110 section 8.3.1).
    pub fn parse(text: &str) -> Option<Self> {
        let (range, parameters) = text.split_once(';').unwrap_or((text, ""));
        let (kind, subkind) = range.trim().split_once('/')?;
        let is_token = |text: &str| {
            let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            !text.is_empty() && text.bytes().all(good)
        };
        let charset = parameters.split(';').filter_map(|it| it.trim().split_once('='));
        let charset = charset.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        let charset = charset.map(|(_, value)| value.trim().trim_matches('"').to_ascii_lowercase()).next();
        let (kind, subkind) = (kind.to_ascii_lowercase(), subkind.to_ascii_lowercase());
        (is_token(&kind) && is_token(&subkind)).then_some(Self { kind, subkind, charset })
    }

    pub(super) fn is_json(&self) -> bool {
        self.kind == "application" && self.subkind == "json" || self.subkind.ends_with("+json")
    }

    pub(super) fn is_form(&self) -> bool {
        self.kind == "application" && self.subkind == "x-www-form-urlencoded"
    }

    /// JSON is UTF-8 (RFC 8259 section 8.1); who says something else means something else.
    pub(super) fn is_utf8(&self) -> bool {
        self.charset.as_deref().is_none_or(|it| matches!(it, "utf-8" | "utf8" | "us-ascii"))
    }
}

impl std::fmt::Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.subkind)
    }
}

impl Medium {
    /// For a range such as `application/json`, `text/*` or `*/*`.
    pub(super) fn new(range: &str, rule: impl FnOnce(&Content) -> Rule) -> Option<Self> {
        let content = Content::parse(range)?;
        let rule = rule(&content);
        Some(Self { kind: content.kind.into(), subkind: content.subkind.into(), rule })
    }

    /// How exactly it is meant for `content`; `None` where it is not.
    fn rank(&self, content: &Content) -> Option<u8> {
        match (*self.kind == content.kind, *self.subkind == content.subkind, &*self.kind, &*self.subkind) {
            (true, true, ..) => Some(2),
            (true, _, _, "*") => Some(1),
            (_, _, "*", "*") => Some(0),
            _ => None,
        }
    }
}

/// What is said of `content`, by the range that means it most exactly.
pub(super) fn choose<'a>(media: &'a [Medium], content: &Content) -> Option<&'a Rule> {
    let fits = media.iter().filter_map(|medium| Some((medium.rank(content)?, &medium.rule)));
    fits.max_by_key(|(rank, _)| *rank).map(|(_, rule)| rule)
}
