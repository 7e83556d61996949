//! What people may ask of a rotation that runs.

use crate::rotation::{Facts, Released, Rotation};
use bartizan_core::Timestamp;
use bartizan_core::rotation::{Phase, Straggler};

/// Why a rotation does not do what it was asked to. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    /// There is no way back from here.
    #[error("the rotation is {}, there is no way back any more; `bartizan ca rotate` begins another one", phase.as_str())]
    NotReversible {
        /// Its phase.
        phase: Phase,
    },
    /// It goes on by itself.
    #[error("the rotation is {} and not halted; it goes on by itself", phase.as_str())]
    NotHalted {
        /// Its phase.
        phase: Phase,
    },
    /// Nobody is waited for whom one could do without.
    #[error("the rotation waits for nobody whom it could go on without")]
    NobodyToForce,
}

impl Rotation {
    /// Leads everybody back to the old one.
    ///
    /// # Errors
    /// [`TurnError::NotReversible`].
    pub fn revert(&mut self, now: Timestamp) -> Result<(), TurnError> {
        if !self.phase.is_reversible() {
            return Err(TurnError::NotReversible { phase: self.phase });
        }
        self.turn_back("reverted by hand", now);
        Ok(())
    }

    pub(super) fn turn_back(&mut self, note: &str, now: Timestamp) {
        // Everybody is waited for on the way back: what was done over their heads is undone.
        self.excused.clear();
        self.released = Released::Nobody;
        self.go(Phase::Reverting, now, note);
    }

    /// Goes on after a halt: from where it stands, or, where it was already on its way back, from the acknowledgements.
    ///
    /// # Errors
    /// [`TurnError::NotHalted`].
    pub fn resume(&mut self, now: Timestamp) -> Result<(), TurnError> {
        if self.halted.is_none() || self.phase.is_over() {
            return Err(TurnError::NotHalted { phase: self.phase });
        }
        self.halted = None;
        if self.phase == Phase::Reverting {
            self.waves_begun = 0;
            // An urgent one has neither acknowledgements to wait for nor a canary.
            let to = if self.urgent { Phase::Prepared } else { Phase::Published };
            self.go(to, now, "continued by hand, from the beginning");
        } else {
            self.note(now, "continued by hand");
        }
        Ok(())
    }

    /// Whoever is waited for now is waited for no longer; what breaks is written down. Gives those that are left behind.
    ///
    /// # Errors
    /// [`TurnError::NobodyToForce`]; control itself cannot be left behind.
    pub fn force(&mut self, facts: &Facts, now: Timestamp) -> Result<Vec<Straggler>, TurnError> {
        let left: Vec<Straggler> =
            self.advance(facts, now).waiting_for.into_iter().filter(|it| it.name != "control").collect();
        if left.is_empty() || self.phase == Phase::Reverting {
            return Err(TurnError::NobodyToForce);
        }
        for Straggler { name, why, breaks } in &left {
            self.excused.insert(name.clone());
            self.forced.push(format!("{name} is left behind ({why}): {breaks}"));
        }
        let names: Vec<&str> = left.iter().map(|it| it.name.as_str()).collect();
        self.note(now, &format!("forced on without {}", names.join(", ")));
        Ok(left)
    }
}
