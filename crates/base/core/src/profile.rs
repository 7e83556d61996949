//! What a fleet has of Bartizan: guards that decide, or somebody who watches alone.

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Guards hold mutual TLS, decide, and tell.
    #[default]
    Guard,
    /// Nothing is guarded and no identity is handed out: what gateways, meshes, programs and Kubernetes log is taken in, and alerts come of it.
    Observe,
}

impl Profile {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Guard, Self::Observe];

    /// The word of the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Observe => "observe",
        }
    }

    /// The one of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}
