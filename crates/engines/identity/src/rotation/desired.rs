//! What has to be in force, by the state of a rotation alone.

use crate::rotation::{Released, Rotation};
use bartizan_core::rotation::{Phase, Rotated};

/// Which roots everybody is told to trust. There is no state without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The old one alone.
    Old,
    /// Both.
    Both,
    /// The new one alone.
    New,
}

/// See [`Rotation::desired`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The content of the bundle.
    pub roots: Roots,
    /// Who is issued from the new issuer; all others from the old one.
    pub released: Released,
    /// Whether control's own identity, its signature under snapshots and the gateway's certificate for outside clients
    /// come from the new issuer, and a new process begins with it.
    pub control_is_new: bool,
}

impl Rotation {
    /// What has to be in force now.
    pub fn desired(&self) -> Desired {
        let control_is_new = matches!(self.phase, Phase::Retiring | Phase::Retired);
        let roots = match (self.what, self.phase) {
            (Rotated::Issuing, _) | (_, Phase::Prepared | Phase::Reverted) => Roots::Old,
            (_, Phase::Retired) => Roots::New,
            _ => Roots::Both,
        };
        let released = match self.phase {
            Phase::Active => self.released.clone(),
            Phase::Retiring | Phase::Retired => Released::Everybody,
            _ => Released::Nobody,
        };
        Desired { roots, released, control_is_new }
    }
}
