//! Whether what the files say may be put in force. The engine (`bartizan-indicators`) decides; here are the clock, the file and the events.
//!
//! Only a reload asks. What takes trust away (the deny list, tokens, keys, accounts), renewals and rotations go other ways, and are never
//! held back.

use crate::app::App;
use crate::error::ControlError;
use crate::fleet::{Away, Desired, directory, members, programs, raises, splits, with_splits_of};
use crate::indicators::objective;
use crate::limits::{PROMOTION_BYTES_MAX, PROMOTION_EVERY};
use bartizan_core::Timestamp;
use bartizan_core::alerts::Alerting;
use bartizan_core::event::{Change, Config, What};
use bartizan_core::fleet::Fleet;
use bartizan_core::objectives::{Objectives, Said};
use bartizan_core::promotion::{Overridden, PromotionStatus};
use bartizan_core::snapshot::Kind;
use bartizan_core::versions::HeldVersion;
use bartizan_crypto::hash;
use bartizan_indicators::Raise;
use bartizan_indicators::promotion::{Locking, Promotion, Step, Turn};
use bartizan_indicators::versions::Programs;
use bartizan_runtime::{clock, files};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is locked, and what was in force.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    promotion: Promotion,
    /// What came of the start, until it can be told.
    begun: Begun,
    /// Versions for which the last reload was refused.
    held: Vec<HeldVersion>,
    /// Whether the file says something else.
    changed: bool,
}

#[derive(Debug, Default)]
struct Begun {
    turns: Vec<Turn>,
    /// What locked promotion while a start put something new in force.
    in_spite_of: Vec<String>,
}

/// A change that was let through.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Of what is to be in force; `None` where nothing is locked by any objective.
    mark: Option<String>,
    /// A word for the record, where it was let through because it is a way back.
    back: Option<String>,
    /// What it was let through in spite of, because somebody said so.
    in_spite_of: Option<String>,
}

impl Book {
    /// What was kept, with what a start puts in force: that is never held back, since a fleet that does not start helps nobody. A file that
    /// cannot be read is left aside with a word.
    pub(crate) fn open(data: &Path, desired: &Desired, now: Timestamp) -> Self {
        let path = data.join("promotion.json");
        let kept = files::read_bounded(&path, PROMOTION_BYTES_MAX).ok().and_then(|bytes| {
            let kept: Option<Promotion> = serde_json::from_slice(&bytes).ok().filter(Promotion::is_sound);
            if kept.is_none() {
                tracing::warn!(path = %path.display(), "what was in force before, and what locked promotion, is forgotten");
            }
            kept
        });
        let mut promotion = kept.unwrap_or_default();
        let mut begun = Begun::default();
        match locks(desired.fleet.objectives.as_ref(), now).then(|| mark_of(desired, now)) {
            Some(mark) => {
                if let Step::Locked(locks) = promotion.judge(&mark, now) {
                    begun.in_spite_of = locks.into_iter().map(|it| it.text).collect();
                }
                begun.turns = promotion.took(&mark, now);
            }
            None => promotion.forget(),
        }
        Self { path, inner: Mutex::new(Inner { promotion, begun, held: Vec::new(), changed: true }) }
    }

    /// Whether what the files say may be put in force.
    pub(crate) fn admit(&self, app: &App, desired: &Desired, now: Timestamp) -> Result<Admitted, ControlError> {
        let in_force = app.in_force();
        let raised = raises(&in_force.desired.fleet, &desired.fleet);
        let in_spite_of = self.admit_versions(app, &raised, &programs(&desired.fleet), now)?;
        let objectives = in_force.desired.fleet.objectives.as_ref();
        // Also what would lock from now on: from there on it can be gone back to.
        if !locks(objectives, now) && !locks(desired.fleet.objectives.as_ref(), now) {
            return Ok(Admitted { mark: None, back: None, in_spite_of });
        }
        // As it stands now, and not as it stood a moment ago.
        self.look(app, now);
        let mark = mark_of(desired, now);
        let step = self.lock().promotion.judge(&mark, now);
        let back = match step {
            Step::Locked(_) if raised.is_empty() && is_less_alone(&in_force.desired, desired, now) => {
                Some("versions get a smaller part of the calls, and nothing else changes".to_owned())
            }
            Step::Locked(locks) => {
                let why: Vec<String> = locks.into_iter().map(|it| it.text).collect();
                tell(app, Change::HeldBack, format!("what the files say: {}", why.join("; ")));
                return Err(ControlError::Locked(why));
            }
            Step::Back(since) => {
                Some(format!("back to what was in force since {}", bartizan_core::moment::write(since)))
            }
            Step::Same | Step::Forward => None,
        };
        Ok(Admitted { mark: Some(mark), back, in_spite_of })
    }

    /// Whether versions may have the part of the calls that they would get. What it is in spite of, where somebody said that it may be.
    fn admit_versions(
        &self,
        app: &App,
        raised: &[Raise],
        programs: &Programs,
        now: Timestamp,
    ) -> Result<Option<String>, ControlError> {
        let held = app.alerts.held(raised, programs, now);
        if held.is_empty() {
            return Ok(None);
        }
        let why: Vec<String> = held.iter().map(ToString::to_string).collect();
        let said = {
            let mut inner = self.lock();
            inner.held = held;
            inner.promotion.overridden(now).cloned()
        };
        if let Some(said) = said {
            let why = why.join("; ");
            return Ok(Some(format!("a larger part in spite of {why}; {} had said: {}", said.by, said.why)));
        }
        tell(app, Change::HeldBack, format!("what the files say: {}", why.join("; ")));
        Err(ControlError::Held(why))
    }

    /// It came into force. A word for the record, where that was a way back.
    pub(crate) fn took(&self, app: &App, admitted: Admitted, now: Timestamp) -> Option<String> {
        let turns = {
            let mut inner = self.lock();
            inner.changed = true;
            inner.held.clear();
            match admitted.mark {
                Some(mark) => inner.promotion.took(&mark, now),
                None => {
                    inner.promotion.forget();
                    Vec::new()
                }
            }
        };
        turns.iter().for_each(|turn| told(app, turn));
        admitted.in_spite_of.into_iter().for_each(|why| tell(app, Change::Overridden, why));
        admitted.back
    }

    /// How it stands; `None` where no objective locks promotion, no version was held back, and nobody said anything of either.
    pub(crate) fn status(&self, objectives: Option<&Objectives>, now: Timestamp) -> Option<PromotionStatus> {
        let inner = self.lock();
        let status = PromotionStatus { held: inner.held.clone(), ..inner.promotion.status(now) };
        (locks(objectives, now) || !status.held.is_empty() || status.overridden.is_some()).then_some(status)
    }

    /// Somebody says that locks do not count for a while, nor what holds versions back; `false` where neither is there.
    pub(crate) fn override_by(&self, app: &App, said: &Overridden) -> bool {
        let done = {
            let mut inner = self.lock();
            let is_held = !inner.held.is_empty();
            inner.changed = true;
            inner.promotion.override_by(said.clone(), is_held)
        };
        if done {
            let until = bartizan_core::moment::write(said.until);
            tell(app, Change::Overridden, format!("locks do not count until {until}, by {}: {}", said.by, said.why));
        }
        done
    }

    /// Locks count again; `false` where they do.
    pub(crate) fn end_override(&self, app: &App, by: &str) -> bool {
        let ended = {
            let mut inner = self.lock();
            inner.changed = true;
            inner.promotion.end_override()
        };
        if let Some(said) = &ended {
            tell(app, Change::Locked, format!("locks count again, by {by}; {} had said: {}", said.by, said.why));
        }
        ended.is_some()
    }

    fn look(&self, app: &App, now: Timestamp) {
        let in_force = app.in_force();
        let said: Vec<&Said> =
            in_force.desired.fleet.objectives.iter().flat_map(|objectives| objectives.locking(now)).collect();
        let turns = app.indicators.with_board(|board| {
            let all: Vec<Locking<'_>> = said
                .iter()
                .filter_map(|said| {
                    let (indicator, place) = (said.indicator, &said.place);
                    let objective = objective(indicator, Some(said))?;
                    Some(Locking { indicator, place, objective, series: board.series(indicator, place) })
                })
                .collect();
            let mut inner = self.lock();
            let turns = inner.promotion.look(&all, now);
            inner.changed |= !turns.is_empty();
            turns
        });
        turns.iter().for_each(|turn| told(app, turn));
    }

    /// Writes the file, where it would say something else. Blocks.
    fn keep(&self) {
        let bytes = {
            let mut inner = self.lock();
            if !std::mem::take(&mut inner.changed) {
                return;
            }
            serde_json::to_vec(&inner.promotion).expect("plain values become JSON")
        };
        if let Err(error) = files::write_atomic(&self.path, &bytes, 0o600) {
            self.lock().changed = true;
            tracing::warn!(%error, path = %self.path.display(), "what locks promotion is not kept");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks again and again, and keeps the file, until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    let begun = std::mem::take(&mut app.promotion.lock().begun);
    begun.turns.iter().for_each(|turn| told(&app, turn));
    if !begun.in_spite_of.is_empty() {
        let why = begun.in_spite_of.join("; ");
        tell(
            &app,
            Change::Overridden,
            format!("a start put something new in force although promotion was locked: {why}"),
        );
    }
    loop {
        let keeper = Arc::clone(&app);
        let looking = tokio::task::spawn_blocking(move || {
            keeper.promotion.look(&keeper, clock::now());
            keeper.promotion.keep();
        });
        if let Err(error) = looking.await {
            tracing::error!(%error, "nobody looked whether promotion is locked");
        }
        if app.stop.run_until_cancelled(tokio::time::sleep(PROMOTION_EVERY)).await.is_none() {
            app.promotion.keep();
            return;
        }
    }
}

fn locks(objectives: Option<&Objectives>, now: Timestamp) -> bool {
    objectives.is_some_and(|it| it.locking(now).next().is_some())
}

/// Equal for what is the same to guards and to whoever is let in. What makes alerts, where events go and what is handed in may change
/// at any time; the objectives that lock may not, or whoever is locked out would take the lock away.
fn mark_of(desired: &Desired, now: Timestamp) -> String {
    let fleet = &desired.fleet;
    let locking: Vec<_> = fleet
        .objectives
        .iter()
        .flat_map(|it| it.locking(now))
        .map(|it| (it.indicator.to_string(), it.place.to_string(), it.bad_max, it.window_s, it.expires))
        .collect();
    let plain = Fleet {
        objectives: None,
        alerts: Alerting::default(),
        intake: None,
        outputs: Default::default(),
        events: Default::default(),
        warnings: Vec::new(),
        ..fleet.clone()
    };
    let directories: Vec<String> = members(fleet)
        .map(|member| json(&directory(fleet, &desired.plan, &Away::default(), &member)))
        .map(|text| hash::hex(&hash::sha256(text.as_bytes())))
        .collect();
    let all = format!("{plain:?}\n{}\n{directories:?}\n{locking:?}", json(&*desired.policies));
    hash::hex(&hash::sha256(all.as_bytes()))
}

/// Whether nothing changes but how calls are shared out among versions.
fn is_less_alone(held: &Desired, wanted: &Desired, now: Timestamp) -> bool {
    let is_other = splits(&held.fleet) != splits(&wanted.fleet);
    let alike = || Desired { fleet: with_splits_of(&held.fleet, &wanted.fleet), ..wanted.clone() };
    is_other && mark_of(&alike(), now) == mark_of(held, now)
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("maps with text keys become JSON")
}

fn told(app: &App, turn: &Turn) {
    match turn {
        Turn::Began(lock) => {
            let version = lock.version.map_or_else(String::new, |at| {
                format!("; what is in force came into force at {}", bartizan_core::moment::write(at))
            });
            tell(app, Change::Locked, format!("{}{version}", lock.text));
        }
        Turn::Ended(lock) => tell(app, Change::Unlocked, format!("what locked: {}", lock.text)),
        Turn::OverrideEnded(said) => {
            tell(app, Change::Locked, format!("locks count again; {} had said: {}", said.by, said.why))
        }
    }
}

fn tell(app: &App, change: Change, detail: String) {
    tracing::warn!("promotion: {change:?}: {detail}");
    let kind = Kind::Policies;
    let epoch = app.in_force().epoch(kind);
    app.own_events.write(None, What::Config(Config { kind, epoch, change, detail: Some(detail.into()) }));
}
