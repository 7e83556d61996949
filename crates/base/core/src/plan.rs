//! Where everything of one running fleet listens: chosen once by whoever starts it, kept in a file, read by control.

use crate::name::ServiceName;
use crate::snapshot::Mode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Addresses that the fleet file leaves open. All are on loopback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Which parts are on.
    pub mode: Mode,
    /// Where control's gRPC stream listens.
    pub control: SocketAddr,
    /// Where each service's sidecar accepts mutual TLS.
    pub mesh: BTreeMap<ServiceName, SocketAddr>,
    /// For each caller, where each of its callees is to be found: a listener of the caller's own sidecar.
    pub outbound: BTreeMap<ServiceName, BTreeMap<ServiceName, SocketAddr>>,
}
