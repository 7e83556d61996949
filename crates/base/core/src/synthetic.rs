//! Calls that nobody needs for their own sake: checks of health, and drills.
//!
//! The fleet file says by name who makes them, and a name is worn by whoever has its identity: nobody outside can say it of himself.

use serde::{Deserialize, Serialize};

/// Why somebody calls who needs no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Synthetic {
    /// To see whether a service is well.
    Checks,
    /// To see whether attacks are refused and noticed.
    Drill,
}

impl Synthetic {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Checks, Self::Drill];

    /// The word of the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checks => "checks",
            Self::Drill => "drill",
        }
    }

    /// The one of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}
