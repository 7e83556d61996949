//! What becomes of tokens when sessions of their subjects end.

use crate::app::App;
use crate::error::chain;
use crate::people::Ended;
use bartizan_core::Timestamp;

/// Takes back what was given to somebody who lost everything, and has what apps were given on account of each session end.
pub(crate) fn sessions_ended(app: &App, ended: &Ended, now: Timestamp) {
    let in_force = app.in_force();
    let Some(said) = in_force.desired.fleet.authorization.as_ref() else { return };
    if said.has_apps() {
        app.authorization.ended.add(ended, now);
    }
    if ended.everything
        && let Err(error) = app.authorization.revoked.take_back_all_of(&said.issuer, &ended.subject, now)
    {
        tracing::error!(why = chain(&error), "tokens of somebody who signed out everywhere were not taken back");
    }
}
