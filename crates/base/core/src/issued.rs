//! What is kept of every certificate that was issued: the record that outlives it.
//!
//! Plain data: the journal and the database keep it, control's local API answers with it, the command line shows it.

use crate::name::{ServiceName, SpiffeId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IssuedKind {
    /// The guard of a service, or the gateway.
    Service,
    /// A node.
    Node,
    /// A program beside the services.
    Workload,
    /// The gateway, towards outside clients.
    Edge,
    /// Control itself.
    Control,
    /// An issuing CA.
    Issuing,
}

impl IssuedKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Service, Self::Node, Self::Workload, Self::Edge, Self::Control, Self::Issuing];

    /// The word used in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Node => "node",
            Self::Workload => "workload",
            Self::Edge => "edge",
            Self::Control => "control",
            Self::Issuing => "issuing",
        }
    }

    /// The kind with this word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Issued {
    /// When.
    pub at: Timestamp,
    /// What for.
    pub kind: IssuedKind,
    /// Whom it names; for an edge certificate and an issuing CA, who got it.
    pub id: SpiffeId,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal.
    pub key: String,
    /// The node that vouched for it or asked for it, where there is one and it is known.
    pub node: Option<ServiceName>,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate that signed it, lower-case hexadecimal; empty for an issuing CA, which a root signed.
    pub issuer: String,
}

/// Which records are asked for. The default asks for the newest of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuedFilter {
    /// Only of this identity.
    pub id: Option<SpiffeId>,
    /// Only with this serial number.
    pub serial: Option<String>,
    /// Only by way of this node.
    pub node: Option<ServiceName>,
    /// Only at this moment or later.
    pub since: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: u32,
}

impl IssuedFilter {
    /// Whether a record is asked for; the limit is for the caller.
    pub fn fits(&self, issued: &Issued) -> bool {
        let Self { id, serial, node, since, limit: _ } = self;
        id.as_ref().is_none_or(|id| *id == issued.id)
            && serial.as_ref().is_none_or(|serial| *serial == issued.serial)
            && node.as_ref().is_none_or(|node| Some(node) == issued.node.as_ref())
            && since.is_none_or(|since| issued.at >= since)
    }
}

/// `GET /v1/ca/issued`: certificates that were issued, in the order in which they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IssuedList {
    /// The records that fit, the newest that the limit leaves room for.
    pub issued: Vec<Issued>,
    /// Records of the journal that the database has not taken in; those that fit are in the list.
    pub waiting: u64,
    /// Why the database does not answer; the list holds only what is in the journal then.
    pub database: Option<String>,
}

/// How the recording of certificates fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IssuedStatus {
    /// Recorded since control started.
    pub recorded: u64,
    /// In the journal and not in the database yet.
    pub waiting: u64,
    /// Not issued, because they could not be recorded.
    pub refused: u64,
    /// Why nothing can be recorded, and therefore nothing is issued; `None` while it can.
    pub reason: Option<String>,
    /// Why the database does not take records in; `None` while it does.
    pub database: Option<String>,
}
