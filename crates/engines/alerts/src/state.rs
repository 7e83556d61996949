//! What has to outlive a restart: restored before anything is evaluated, so that nobody is told twice, and of nothing that was muted.

use crate::book::Book;
use crate::changes::Changes;
use crate::outflow::Outflow;
use crate::rehearsals::Rehearsals;
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
    #[serde(default)]
    rehearsals: Rehearsals,
}

/// What outlives a restart.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// What is there, and who was told.
    pub book: Book,
    /// When nobody is told.
    pub silences: Silences,
    /// What was changed lately.
    pub changes: Changes,
    /// What went out of the fleet.
    pub outflow: Outflow,
    /// When each rule was rehearsed.
    pub rehearsals: Rehearsals,
}

/// As it is written down.
pub fn write(
    book: &Book,
    silences: &Silences,
    changes: &Changes,
    outflow: &Outflow,
    rehearsals: &Rehearsals,
) -> Vec<u8> {
    let state = State {
        version: VERSION,
        book: book.clone(),
        silences: silences.written(),
        changes: changes.clone(),
        outflow: outflow.clone(),
        rehearsals: rehearsals.clone(),
    };
    serde_json::to_vec(&state).expect("plain values can be written")
}

/// What was written down; `None` where it is something else, or of another version.
pub fn read(bytes: &[u8]) -> Option<Kept> {
    let state: State = serde_json::from_slice(bytes).ok().filter(|it: &State| it.version == VERSION)?;
    let State { version: _, book, silences, changes, outflow, rehearsals } = state;
    let sound = outflow.is_sound() && rehearsals.is_sound();
    let (book, silences) = (book.restored()?, Silences::read(silences));
    sound.then_some(Kept { book, silences, changes, outflow, rehearsals })
}
