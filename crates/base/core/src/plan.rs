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
    /// For each service that the fleet file gives a way out of the fleet, where its guard opens it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub egress: BTreeMap<ServiceName, EgressPlace>,
    /// Which programs are kept apart from the network, of those that are started here. The listeners of such a one for its
    /// callees are in its namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub isolation: BTreeMap<ServiceName, Isolation>,
}

/// Whether a program is kept apart from the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "network", rename_all = "lowercase", deny_unknown_fields)]
pub enum Isolation {
    /// It has a network namespace of its own, with its guard as the only way in and out.
    Own,
    /// It has not: what runs on this machine reaches it past its guard, and it reaches what the machine reaches.
    Shared {
        /// Why.
        why: String,
    },
}

/// Where a guard opens the way out of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressPlace {
    /// Its forward proxy.
    pub proxy: SocketAddr,
    /// Its DNS.
    pub dns: SocketAddr,
}
