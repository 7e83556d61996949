//! Sessions that are over: what apps were given on their account ends too.

use super::family;
use super::granting::GrantsError;
use super::telling;
use crate::app::App;
use crate::error::chain;
use crate::limits::{ENDED_WAITING_MAX, FEDERATION_RETRY};
use crate::people::Ended;
use bartizan_core::Timestamp;
use bartizan_runtime::clock;
use bartizan_store::Whose;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Those whose tokens are still to be taken back.
#[derive(Debug, Default)]
pub(crate) struct EndedSessions {
    waiting: Mutex<VecDeque<(Whose, Timestamp)>>,
    more: Notify,
}

impl EndedSessions {
    /// Has the tokens of what ended taken back in a moment.
    pub(super) fn add(&self, ended: &Ended, now: Timestamp) {
        let sessions = ended.sessions.iter().cloned().map(Whose::Session);
        let everything = ended.everything.then(|| Whose::Subject(ended.subject.clone()));
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for whose in sessions.chain(everything) {
            if waiting.len() >= ENDED_WAITING_MAX {
                // Nothing is renewed on account of a session that is over; what was given ends within minutes.
                tracing::error!(?whose, "too many sessions ended at once; tokens of this one end by themselves");
                continue;
            }
            waiting.push_back((whose, now));
        }
        self.more.notify_one();
    }

    fn next(&self) -> Option<(Whose, Timestamp)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn again(&self, whose: (Whose, Timestamp)) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_front(whose);
    }
}

async fn end(app: &App, whose: &Whose, until: Timestamp) -> Result<(), GrantsError> {
    family::end_all(app, whose, until, clock::now()).await?;
    match whose {
        Whose::Session(session) => telling::session_over(app, session, clock::now()).await,
        _ => Ok(()),
    }
}

/// Takes back what there is to take back, and has apps told, until the app stops.
pub(crate) async fn end_sessions(app: Arc<App>) {
    let ended = &app.authorization.ended;
    while app.stop.run_until_cancelled(ended.more.notified()).await.is_some() {
        while let Some((whose, until)) = ended.next() {
            let Err(error) = end(&app, &whose, until).await else { continue };
            tracing::error!(why = chain(&error), ?whose, "tokens of a session that ended stay, trying again");
            ended.again((whose, until));
            if app.stop.run_until_cancelled(tokio::time::sleep(FEDERATION_RETRY)).await.is_none() {
                return;
            }
        }
    }
}
