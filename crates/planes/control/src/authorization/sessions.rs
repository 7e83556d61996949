//! What becomes of tokens when sessions of their subjects end.

use crate::app::App;
use crate::error::chain;
use crate::people::Ended;
use bartizan_core::Timestamp;

/// Takes back what was given to somebody who lost everything. What was given in a single session ends by itself within
/// minutes: nothing is renewed once [`crate::people::is_alive`] says no.
pub(crate) fn sessions_ended(app: &App, ended: &Ended, now: Timestamp) {
    let in_force = app.in_force();
    let Some(said) = in_force.desired.fleet.authorization.as_ref().filter(|_| ended.everything) else { return };
    if let Err(error) = app.authorization.revoked.take_back_all_of(&said.issuer, &ended.subject, now) {
        tracing::error!(why = chain(&error), "tokens of somebody who signed out everywhere were not taken back");
    }
}
