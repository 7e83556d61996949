//! What people ask of control about its CAs: begin, go back, go on, leave somebody behind.

use crate::app::App;
use crate::ca::{CaError, ROOT_NEXT_PEM, ROOT_SEALED, roots_text};
use crate::fleet::is_member;
use crate::rotation::next::brought;
use bartizan_core::rotation::{Rotate, Rotated, Straggler};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_crypto::{cert, hash};
use bartizan_identity::rotation::{Anchor, Pace, Rotation, TurnError};
use bartizan_runtime::clock;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// One at a time.
    #[error("rotation {0} is under way; wait for its end, or take it back with `bartizan ca revert`")]
    Running(u64),
    /// There is none.
    #[error("no rotation is under way; begin one with `bartizan ca rotate root`")]
    None,
    /// It does not do that now.
    #[error(transparent)]
    Turn(#[from] TurnError),
    /// Nothing to begin with.
    #[error("the fleet has no service `{0}` that could be the canary")]
    Canary(String),
    /// Too much at once, or nothing.
    #[error("a wave takes 1 to {max} per cent of the fleet, not {0}", max = Pace::WAVE_PERCENT_MAX)]
    WavePercent(u8),
    /// A file cannot be used.
    #[error(transparent)]
    Ca(#[from] CaError),
}

impl App {
    /// Begins a rotation; gives its number.
    pub(crate) async fn rotate(&self, wanted: &Rotate) -> Result<u64, Refused> {
        let Rotate { what, canary, wave_percent, soak_ms } = wanted;
        let fleet = &self.in_force().desired.fleet;
        if let Some(name) = canary
            && !ServiceName::parse(name).is_ok_and(|name| is_member(fleet, &name.into()))
        {
            return Err(Refused::Canary(name.clone()));
        }
        let percent = wave_percent.unwrap_or(Pace::DEFAULT.wave_percent);
        if !(1..=Pace::WAVE_PERCENT_MAX).contains(&percent) {
            return Err(Refused::WavePercent(percent));
        }
        // Told at once rather than waited for.
        if *what == Rotated::Root && !self.options.data.join(ROOT_SEALED).exists() {
            brought(&self.options.data.join(ROOT_NEXT_PEM), &fleet.trust_domain)?;
        }
        let pace = Pace { wave_percent: percent, soak_ms: soak_ms.unwrap_or(Pace::DEFAULT.soak_ms) };
        self.begin(*what, canary.clone(), pace, false).await
    }

    /// Replaces the issuing CA at once: its key may be in wrong hands.
    pub(crate) async fn distrust_issuing(&self) -> Result<u64, Refused> {
        self.begin(Rotated::Issuing, None, Pace::DEFAULT, true).await
    }

    async fn begin(&self, what: Rotated, canary: Option<String>, pace: Pace, urgent: bool) -> Result<u64, Refused> {
        let mut kept = self.rotation.kept().await;
        if let Some(running) = kept.running() {
            return Err(Refused::Running(running.number));
        }
        let number = kept.rotation.as_ref().map_or(1, |last| last.number + 1);
        let rotation = Rotation::begin(number, what, self.old(what)?, canary, pace, urgent, clock::now());
        self.rotation.turn_to(self, &mut kept, rotation)?;
        self.rotation.asked.notify_one();
        Ok(number)
    }

    /// What a rotation replaces.
    fn old(&self, what: Rotated) -> Result<Anchor, CaError> {
        let authority = self.authority();
        let (der, pem) = match what {
            Rotated::Issuing => (authority.certificate().to_vec(), cert::pem(authority.certificate())),
            Rotated::Root => {
                let roots = authority.bundles().roots_of(authority.domain().as_str()).unwrap_or_default();
                (roots.first().cloned().unwrap_or_default(), roots_text(&self.options.data)?)
            }
        };
        Ok(Anchor { sha256: hash::hex(&hash::sha256(&der)), pem })
    }

    /// Leads everybody back.
    pub(crate) async fn revert_rotation(&self) -> Result<(), Refused> {
        self.turn(|rotation, now| Ok(rotation.revert(now)?)).await
    }

    /// Goes on after a halt.
    pub(crate) async fn continue_rotation(&self) -> Result<(), Refused> {
        self.turn(|rotation, now| Ok(rotation.resume(now)?)).await
    }

    /// Goes on without those that are waited for; gives them.
    pub(crate) async fn force_rotation(&self) -> Result<Vec<Straggler>, Refused> {
        let facts = self.rotation.look().facts.ok_or(Refused::None)?;
        self.turn(|rotation, now| Ok(rotation.force(&facts, now)?)).await
    }

    async fn turn<T>(&self, turn: impl FnOnce(&mut Rotation, Timestamp) -> Result<T, Refused>) -> Result<T, Refused> {
        let mut kept = self.rotation.kept().await;
        let mut rotation = kept.running().cloned().ok_or(Refused::None)?;
        let outcome = turn(&mut rotation, clock::now())?;
        self.rotation.turn_to(self, &mut kept, rotation)?;
        self.rotation.asked.notify_one();
        Ok(outcome)
    }
}
