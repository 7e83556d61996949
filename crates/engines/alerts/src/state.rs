//! What has to outlive a restart: restored before anything is evaluated, so that nobody is told twice, and of nothing that was muted.

use crate::book::Book;
use crate::changes::Changes;
use crate::outflow::Outflow;
use crate::silence::{Silences, Written};
use serde::{Deserialize, Serialize};

/// The version of the form; another one is not read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    book: Book,
    silences: Written,
    changes: Changes,
    /// An earlier version had none.
    #[serde(default)]
    outflow: Outflow,
}

/// As it is written down.
pub fn write(book: &Book, silences: &Silences, changes: &Changes, outflow: &Outflow) -> Vec<u8> {
    let (book, silences, changes, outflow) = (book.clone(), silences.written(), changes.clone(), outflow.clone());
    serde_json::to_vec(&State { version: VERSION, book, silences, changes, outflow })
        .expect("plain values can be written")
}

/// What was written down; `None` where it is something else, or of another version.
pub fn read(bytes: &[u8]) -> Option<(Book, Silences, Changes, Outflow)> {
    let state: State = serde_json::from_slice(bytes).ok().filter(|it: &State| it.version == VERSION)?;
    let outflow = Some(state.outflow).filter(Outflow::is_sound)?;
    Some((state.book.restored()?, Silences::read(state.silences), state.changes, outflow))
}
