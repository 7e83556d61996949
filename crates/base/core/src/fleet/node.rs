//! YAML as a tree in which every key and value knows its place.
//!
//! The tree stands between serde and the raw structs because a derived `Deserialize` stops at the first thing it
//! does not like and cannot say at which dotted key; whoever writes a fleet wants to see all of it at once.

use super::report::shown_within;
use crate::limits;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, MessageFormatter, Spanned, UserMessageFormatter};
use std::fmt;
use std::ops::Range;

/// Deepest nesting read, a count; the deepest key of a fleet file lies at 6.
const DEPTH_MAX: usize = 16;
/// Most values in the tree, a count, aliases expanded: a fleet of [`limits::SERVICES_MAX`] has some 500,000.
const NODES_MAX: usize = 1_000_000;
/// Most uses of YAML anchors, a count. They are for the odd repeated block, and each use costs memory again.
const ALIASES_MAX: usize = 1_000;
/// Most values that may come out of aliases, a count.
const ALIASED_NODES_MAX: usize = 50_000;

/// Longest problem in the words of the YAML parser that is repeated, in bytes; it may quote the file.
const PROBLEM_BYTES_MAX: usize = 200;

/// Line and column, both from 1, in characters; 0 for the file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
}

impl From<serde_saphyr::Location> for Place {
    fn from(at: serde_saphyr::Location) -> Self {
        Self { line: at.line(), column: at.column() }
    }
}

/// One value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
    /// Where a scalar's text lies in the file, in bytes; empty where unknown.
    source: Range<usize>,
}

/// What YAML can say, as far as a fleet file needs to tell apart.
#[derive(Debug)]
pub(crate) enum Value {
    /// `key:` with nothing behind it.
    Nothing,
    Text(String),
    /// A number or boolean; the text is read from the file, so that `1.10` stays `1.10`.
    Plain(&'static str),
    List(Vec<Node>),
    /// Keys in the order of the file, duplicates included.
    Map(Vec<Entry>),
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

impl Node {
    /// Reads one YAML document.
    ///
    /// # Errors
    /// Where the text is no YAML, or larger than the limits above: place and problem.
    pub(super) fn parse(text: &str) -> Result<Self, (Place, String)> {
        Self::parse_within(text, (DEPTH_MAX, NODES_MAX))
    }

    /// The same for another document: `most` is how deep it may be, and how many values it may have.
    pub(crate) fn parse_within(text: &str, most: (usize, usize)) -> Result<Self, (Place, String)> {
        let (depth, nodes) = most;
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: depth,
                max_nodes: nodes,
                max_events: 2 * nodes,
                max_aliases: ALIASES_MAX,
                max_anchors: ALIASES_MAX,
                max_merge_keys: ALIASES_MAX,
                max_total_scalar_bytes: 2 * limits::FLEET_FILE_BYTES_MAX,
            },
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED_NODES_MAX },
            // Seen and reported by the reader of the tree, all of them and with the place of the first.
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            strict_booleans: true,
            reject_unsupported_tags: true,
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location().map(Place::from).unwrap_or_default();
            (place, problem(&error))
        })
    }

    /// The scalar as the file writes it.
    pub(crate) fn source<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.source.clone()).unwrap_or_default().trim()
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Nothing => "nothing",
            Value::Text(_) => "a text",
            Value::Plain(kind) => kind,
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

fn problem(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error as E;
    match error {
        E::Budget { .. } | E::AliasReplayLimitExceeded { .. } | E::AliasReplayStackDepthExceeded { .. } => {
            "deeper, or by its anchors larger, than such a file may be".to_owned()
        }
        E::AliasError { error, .. } | E::WithSnippet { error, .. } => problem(error),
        E::MultipleDocuments { .. } => "there is a second document, and the file has to be one".to_owned(),
        other => shown_within(&UserMessageFormatter.format_message(other), PROBLEM_BYTES_MAX),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, defined } = Spanned::<Value>::deserialize(deserializer)?;
        let span = defined.span();
        let bytes = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let start = bytes(span.byte_offset());
        Ok(Self { place: referenced.into(), value, source: start..start.saturating_add(bytes(span.byte_len())) })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Plain("true or false"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Plain("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Plain("a number"))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Plain("a number"))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Plain("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Plain("a number"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, node)) = entries.next_entry::<Spanned<String>, Node>()? {
            map.push(Entry { key: key.value, place: key.referenced.into(), node });
        }
        Ok(Value::Map(map))
    }
}
