//! What is known of the fleet at a moment: the grounds of every step.

use crate::rotation::{Roots, Rotation};
use bartizan_core::Timestamp;
use bartizan_core::rotation::Watched;
use bartizan_core::snapshot::Epoch;

/// What kind of member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A service's proxy.
    Service,
    /// A node.
    Node,
    /// The gateway's certificate for outside clients: looked at when control itself has changed over.
    Edge,
}

/// Somebody who holds certificates and trusts roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Service, `node <name>`, or the edge's name. Unique.
    pub name: String,
    /// What it is.
    pub kind: MemberKind,
    /// True while its stream is open.
    pub attached: bool,
    /// The bundle epoch that it has acknowledged.
    pub acked: Option<Epoch>,
    /// Whether it has acknowledged all snapshots in force, and so holds none that was signed by an older identity.
    pub settled: bool,
    /// Fingerprint of the issuing CA of the identity that it shows; `None` where that is not known.
    pub issuer: Option<String>,
    /// Until when it may come with an identity. For one that was never seen: until when there may be one.
    pub not_after: Timestamp,
    /// When it was asked to renew.
    pub asked: Option<Timestamp>,
    /// Why it did not take up the last identity.
    pub refused: Option<String>,
}

impl Member {
    /// It is there, or may come with an identity that still counts.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.attached || now < self.not_after
    }

    pub(super) fn is_new(&self, rotation: &Rotation) -> bool {
        self.issuer.as_deref().is_some_and(|issuer| rotation.counts_as_new(issuer))
    }

    pub(super) fn may_be_new(&self, rotation: &Rotation) -> bool {
        self.issuer.as_deref().is_none_or(|issuer| rotation.counts_as_new(issuer))
    }
}

/// Everything that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The bundle epoch in force.
    pub epoch: Epoch,
    /// What that bundle holds.
    pub published: Roots,
    /// Whether the new issuer is at hand; where not, why.
    pub issuer: Result<(), String>,
    /// Whether control itself shows the new one.
    pub control_is_new: bool,
    /// Everybody.
    pub members: Vec<Member>,
    /// Until when an identity of the old issuer may be with somebody who is not among the members, such as a program that a
    /// node serves; `None` where nobody like that has one.
    pub others_until: Option<Timestamp>,
    /// Until when other trust domains may not have looked at our bundle since it was published; `None` where none looks.
    pub abroad_until: Option<Timestamp>,
    /// Handshakes of the whole fleet since [`Rotation::watch_since`].
    pub handshakes: Watched,
    /// Those of the canary.
    pub canary: Watched,
}
