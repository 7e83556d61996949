//! What a sender sent within the time in which it could be sent again. All threads of the gateway share it; nothing of it outlives the
//! process, so that what was signed before it began is not taken.

use crate::limits;
use bartizan_core::Timestamp;
use bartizan_core::signed::EventSender;
use bartizan_tokens::Replays;
use bartizan_tokens::limits::{EVENT_REMEMBERED, SKEW};
use bartizan_tokens::signed::{EventError, Verified};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The memory of one sender's events.
#[derive(Debug)]
pub(super) struct Shown {
    /// When it began to remember, in seconds since 1970.
    since_s: u64,
    replays: Mutex<Replays>,
}

/// Why an event is not taken although its sender signed it.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    /// It was signed before anything was remembered, so that it may have come before.
    #[error(
        "it was signed {0} s before this gateway began to remember what this sender sends, so that it may have come before"
    )]
    Early(u64),
    /// It was sent before, or that cannot be told.
    #[error(transparent)]
    Event(#[from] EventError),
}

impl Shown {
    /// Nothing was shown yet.
    pub(super) fn of(said: &EventSender, now: Timestamp) -> Self {
        let window = match said.scheme.is_timed() {
            true => Duration::from_secs(said.tolerance_s.into()) + SKEW,
            false => EVENT_REMEMBERED,
        };
        Self { since_s: now.as_secs(), replays: Mutex::new(Replays::new(limits::EVENTS_REMEMBERED_MAX, window)) }
    }

    /// Takes an event, where it is the first time that it is shown.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub(super) fn take(&self, event: &Verified, now: Timestamp) -> Result<(), NotTaken> {
        // In the second in which it began as well: who knows in which half of it.
        if let Some(at_s) = event.signed_at.filter(|at_s| *at_s <= self.since_s) {
            return Err(NotTaken::Early(self.since_s - at_s));
        }
        Ok(event.take(&mut self.lock(), now)?)
    }

    /// It came to nothing, so that its sender may send it again.
    pub(super) fn give_back(&self, event: &Verified) {
        event.give_back(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Replays> {
        // Every change leaves it whole.
        self.replays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
