//! The rotation of this control: kept on disk first, then acted upon.

use crate::app::App;
use crate::ca::CaError;
use crate::rotation::files;
use bartizan_core::event::{self, What};
use bartizan_core::rotation::{Straggler, Watched};
use bartizan_identity::rotation::{Facts, Rotation};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{MutexGuard, Notify};

/// What lies on disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// The rotation that runs, or the last one.
    pub(super) rotation: Option<Rotation>,
    /// True where nothing of it is left to do; from then on the files are the operator's again.
    pub(super) settled: bool,
    /// Fingerprint of what the last rotation went over to; empty before the first one. Everything is signed anew with it.
    pub(super) mark: String,
}

impl Kept {
    /// The rotation, where something of it is left to do.
    pub(super) fn running(&self) -> Option<&Rotation> {
        self.rotation.as_ref().filter(|_| !self.settled)
    }
}

/// What was found at the last look; for people.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    pub(super) waiting_for: Vec<Straggler>,
    pub(super) handshakes: Watched,
    pub(super) facts: Option<Facts>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Book {
    dir: PathBuf,
    kept: tokio::sync::Mutex<Kept>,
    mark: Mutex<String>,
    look: Mutex<Look>,
    /// Told when somebody asked for something.
    pub(super) asked: Notify,
}

impl Book {
    /// Reads the state and puts the files in order, for the case that a process before us was stopped in the middle.
    pub(crate) fn open(dir: &Path) -> Result<Self, CaError> {
        let kept = files::read(dir)?;
        if let Some(rotation) = kept.running() {
            files::settle(dir, rotation)?;
            tracing::info!(
                number = rotation.number,
                phase = rotation.phase.as_str(),
                "a rotation is under way and goes on"
            );
        }
        let mark = Mutex::new(mark_of(&kept));
        let (kept, look, asked) = (tokio::sync::Mutex::new(kept), Mutex::default(), Notify::new());
        Ok(Self { dir: dir.to_owned(), kept, mark, look, asked })
    }

    /// What tells apart snapshots that were signed below one root from those below another.
    pub(crate) fn mark(&self) -> String {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().await
    }

    pub(super) fn look(&self) -> Look {
        self.look.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn looked(&self, look: Look) {
        *self.look.lock().unwrap_or_else(PoisonError::into_inner) = look;
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps `after`, then tells of its steps. Nothing counts that is not on disk.
    pub(super) fn turn_to(&self, app: &App, kept: &mut Kept, after: Rotation) -> Result<(), CaError> {
        let before = kept.rotation.as_ref().filter(|it| it.number == after.number);
        let known = before.map_or(0, |it| it.history.len().min(after.history.len().saturating_sub(1)));
        let same = before.is_some_and(|it| it.history == after.history);
        let mut next = Kept { rotation: Some(after), settled: false, mark: kept.mark.clone() };
        next.mark = mark_of(&next);
        files::keep(&self.dir, &next)?;
        (*self.mark.lock().unwrap_or_else(PoisonError::into_inner)).clone_from(&next.mark);
        if let (Some(rotation), false) = (&next.rotation, same) {
            rotation.history[known..].iter().for_each(|step| tell(app, rotation, &step.note));
        }
        *kept = next;
        Ok(())
    }

    /// Nothing is left to do.
    pub(super) fn settle(&self, kept: &mut Kept) -> Result<(), CaError> {
        let next = Kept { settled: true, ..kept.clone() };
        files::keep(&self.dir, &next)?;
        *kept = next;
        Ok(())
    }
}

fn mark_of(kept: &Kept) -> String {
    let over = kept.running().filter(|it| it.desired().control_is_new);
    over.and_then(|it| it.new.as_ref()).map_or_else(|| kept.mark.clone(), |new| new.sha256.clone())
}

fn tell(app: &App, rotation: &Rotation, note: &str) {
    let (number, phase) = (rotation.number, rotation.phase);
    tracing::info!(number, what = rotation.what.as_str(), phase = phase.as_str(), note, "rotation");
    let (what, halted, detail) = (rotation.what, rotation.halted.as_deref().map(Into::into), note.into());
    app.own_events.write(None, What::Rotation(event::Rotation { number, what, phase, halted, detail }));
}
