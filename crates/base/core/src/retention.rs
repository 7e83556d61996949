//! How long events are kept, and how many of them.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the fleet file says under `events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Age from which on events go; `None`: they stay.
    pub keep: Option<Duration>,
    /// Bytes that they may take on disk; `None` where the file does not say.
    pub bytes_max: Option<u64>,
    /// What happens when they have taken these.
    pub when_full: WhenFull,
}

/// What the fleet file says under `ledger`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerKept {
    /// Bytes that it may take in the data folder; closed files that are beyond go into the archive, the oldest first.
    pub bytes_max: u64,
    /// The folder of the archive, relative to the fleet file.
    pub archive: String,
}

/// What happens with further events once all room is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// They are refused, counted and shown: whoever can make noise cannot erase what was recorded before.
    #[default]
    Refuse,
    /// The oldest go, a whole partition at a time, counted and shown: what happens now is recorded.
    Drop,
}

impl WhenFull {
    /// The word used in the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Drop => "drop",
        }
    }
}
