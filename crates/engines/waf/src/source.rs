//! A document's text, JSON or YAML, as a tree with places.

use crate::json::{self, Id, Kind, Tree};
use crate::limits;
use bartizan_core::document::{self, Bounds, Document, DocumentError, Key, Value};
use bartizan_core::fleet::TextPlace;
use bartizan_core::limits::API_DOCUMENT_BYTES_MAX;

/// Reads `text`; what begins with `{` is JSON.
///
/// # Errors
/// Where it is neither, or too large.
pub fn read(text: &str) -> Result<Document, DocumentError> {
    if text.len() > API_DOCUMENT_BYTES_MAX {
        let problem =
            format!("the document has {} bytes, more than the {API_DOCUMENT_BYTES_MAX} that are read", text.len());
        return Err(DocumentError { place: TextPlace::default(), problem });
    }
    if !text.trim_start().starts_with('{') {
        let bounds = Bounds { depth: limits::DOCUMENT_DEPTH_MAX, values: limits::DOCUMENT_VALUES_MAX };
        return document::yaml(text, &bounds);
    }
    let lines = Lines::of(text);
    let tree = json::read(text.as_bytes(), &json::Bounds::DOCUMENT).map_err(|error| DocumentError {
        place: lines.place(error.at),
        problem: format!("not readable as JSON: {}", error.problem.as_str()),
    })?;
    Ok(convert(&tree, 0, &lines))
}

fn convert(tree: &Tree<'_>, id: Id, lines: &Lines<'_>) -> Document {
    let node = tree.node(id);
    let place = lines.place(node.span.0 as usize);
    let children = || tree.children(id);
    let value = match node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(it) => Value::Bool(it),
        Kind::Number => Value::Number((&*node.text).into()),
        Kind::Text => Value::Text((&*node.text).into()),
        Kind::Array => Value::List(children().map(|(id, _)| convert(tree, id, lines)).collect()),
        Kind::Object => {
            let entry = |(id, node): (Id, &json::Node<'_>)| {
                let place = lines.place(node.span.0 as usize);
                (Key { place, text: node.key.as_deref().unwrap_or_default().into() }, convert(tree, id, lines))
            };
            Value::Map(children().map(entry).collect())
        }
    };
    Document { place, value }
}

/// Where lines begin.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    fn place(&self, at: usize) -> TextPlace {
        let line = self.starts.partition_point(|&start| start <= at);
        let start = self.starts[line - 1];
        let column = self.text.get(start..at).map_or(at - start, |before| before.chars().count());
        TextPlace { line: line as u64, column: column as u64 + 1 }
    }
}
