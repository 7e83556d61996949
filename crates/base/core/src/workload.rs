//! Registration entries: which program on which host is which workload.
//!
//! Plain data. Written in the fleet file, sent by control to nodes, matched by `identity` against what the kernel says.

use crate::name::{ServiceName, SpiffeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Shortest life of a workload's certificate that an entry may ask for, in seconds.
pub const TTL_S_MIN: u64 = 60;
/// Longest life of a workload's certificate that an entry may ask for, in seconds: that of every other leaf.
pub const TTL_S_MAX: u64 = crate::limits::LEAF_TTL.as_secs();
/// Most entries of a fleet, a count.
pub const WORKLOADS_MAX: usize = 10_000;
/// Most DNS names of one entry, a count.
pub const DNS_NAMES_MAX: usize = 16;
/// Longest path of an executable in bytes: `PATH_MAX` of Linux.
pub const PATH_BYTES_MAX: usize = 4096;
/// Longest name of a systemd unit in bytes (systemd.unit(5)).
pub const UNIT_BYTES_MAX: usize = 255;
/// Most labels of a pod that one entry asks for, a count.
pub const POD_LABELS_MAX: usize = 16;

/// First segments of paths that stand for roles of our own; no entry may lie under them.
const RESERVED: [&str; 2] = ["svc", "bartizan"];

/// Who a program is, where it matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name in the fleet file.
    pub name: ServiceName,
    /// The identity of a program that matches.
    pub id: SpiffeId,
    /// The only node that serves it; every node where `None`.
    pub node: Option<ServiceName>,
    /// What a program has to be to match.
    pub selectors: Selectors,
    /// Life of its certificates in seconds, [`TTL_S_MIN`] to [`TTL_S_MAX`]; the longest where `None`.
    pub ttl_s: Option<u64>,
    /// Whether it may have JWT-SVIDs.
    pub jwt: bool,
    /// DNS names in its certificates, for peers that know no SPIFFE IDs.
    pub dns: Vec<String>,
    /// Whether a program that fits another entry with another identity as well is refused rather than given both.
    pub sole: bool,
}

impl Entry {
    /// Whether the node of this name may serve it.
    pub fn is_for(&self, node: &ServiceName) -> bool {
        self.node.as_ref().is_none_or(|only| only == node)
    }
}

/// What a program has to be: all that are given have to fit, at least one is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selectors {
    /// Its user.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// Absolute path of its executable.
    pub path: Option<String>,
    /// SHA-256 of its executable, lower-case hex.
    pub sha256: Option<String>,
    /// The systemd unit that it runs in, such as `ledger.service`.
    pub unit: Option<String>,
    /// Digest of the image of the container that it runs in: `sha256:` and 64 lower-case hex digits.
    pub image_digest: Option<String>,
    /// The Kubernetes pod that it runs in.
    pub kubernetes: Option<PodSelector>,
}

/// What a pod has to be, by the word of the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodSelector {
    /// Its namespace.
    pub namespace: String,
    /// Its service account in that namespace.
    pub service_account: String,
    /// Labels that it has to have, among any others.
    pub labels: BTreeMap<String, String>,
}

impl Selectors {
    /// True where nothing is asked for, which would let everybody in.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a SPIFFE path (with its leading `/`) stands for a role of our own, or would hide one.
pub fn is_reserved(path: &str) -> bool {
    path.split('/').nth(1).is_none_or(|first| first.is_empty() || RESERVED.contains(&first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_paths_of_our_own_roles() {
        for path in ["", "/", "/svc", "/svc/accounts", "/bartizan", "/bartizan/control", "/bartizan/x/y"] {
            assert!(is_reserved(path), "{path}");
        }
        for path in ["/workload/x", "/svcs/x", "/x/svc", "/ns/pay/sa/ledger"] {
            assert!(!is_reserved(path), "{path}");
        }
    }
}
