//! Several controls that keep one state: where they are, and how one of them stands.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Most members of a group, a count: three of seven may fail.
pub const MEMBERS_MAX: usize = 7;
/// The counts of members that decide well.
pub const MEMBER_COUNTS: [usize; 4] = [1, 3, 5, 7];

/// The members, by their number. Numbers never change, also where members come and go.
pub type Members = BTreeMap<u8, Place>;

/// Where a member is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// By guards and nodes.
    pub listen: SocketAddr,
    /// By the other members.
    pub group: SocketAddr,
}

/// How one member sees its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GroupStatus {
    /// Its own number.
    pub member: u8,
    /// Who leads, as far as it knows.
    pub leader: Option<u8>,
    /// How many leaders there were, at most.
    pub term: u64,
    /// The last change that it made.
    pub applied: u64,
    /// What the state takes, in bytes.
    pub state_bytes: u64,
    /// The others. Known to the leader alone.
    pub others: Vec<OtherStatus>,
}

/// How one of the others stands, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OtherStatus {
    /// Its number.
    pub member: u8,
    /// How many changes it lacks.
    pub behind: u64,
    /// Whether it has not answered for some seconds.
    pub away: bool,
}
