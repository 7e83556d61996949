//! The bulk API of Elasticsearch and OpenSearch: an action and a document a line.
//!
//! The id of a document is that of its event, and it is only ever created: an event that is sent again is there already.

use super::{Outgoing, document};
use serde_json::{Value, json};

/// The body of a request to `/_bulk`.
pub fn body(index: &str, events: &[Outgoing]) -> Vec<u8> {
    let mut out = String::new();
    for it in events {
        let action = json!({ "create": { "_index": index, "_id": it.event.id.to_string() } });
        out.push_str(&format!("{action}\n{}\n", document(it)));
    }
    out.into_bytes()
}

/// What became of the documents of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// They are there, or were before.
    pub stored: u64,
    /// They will never be: sending them again cannot help.
    pub rejected: u64,
    /// They may be taken another time.
    pub later: u64,
}

/// Reads the answer to `count` documents; `None` where it is none.
pub fn answer(bytes: &[u8], count: usize) -> Option<Answer> {
    let answer: Value = serde_json::from_slice(bytes).ok()?;
    let items = answer.get("items")?.as_array()?;
    if items.len() != count {
        return None;
    }
    let mut told = Answer::default();
    for item in items {
        let status = item.as_object()?.values().next()?.get("status")?.as_u64()?;
        match status {
            200..=299 | 409 => told.stored += 1,
            429 | 500..=599 => told.later += 1,
            _ => told.rejected += 1,
        }
    }
    Some(told)
}
