//! Where something is counted.

use bartizan_core::ServiceName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The whole fleet, one service, or one edge of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// All of it.
    Fleet,
    /// What comes to a service, or to the gateway.
    Service(ServiceName),
    /// Calls from one to the other. Who comes from outside without an identity is the empty text.
    Edge(String, ServiceName),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fleet => f.write_str("fleet"),
            Self::Service(service) => write!(f, "{service}"),
            Self::Edge(from, to) => write!(f, "{} -> {to}", if from.is_empty() { "outside" } else { from }),
        }
    }
}
