//! Who hears that sessions are over: what was given on their account is not to count any more.

use crate::app::App;
use crate::authorization;
use bartizan_core::Timestamp;

/// Sessions that are over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Whose.
    pub(crate) subject: String,
    /// Their ids, as in [`super::SignedIn::session`].
    pub(crate) sessions: Vec<String>,
    /// Whether the person lost everything: signed out everywhere, disabled, removed, or with another password.
    pub(crate) everything: bool,
}

/// Tells the authorization server, and the console where everything is over.
pub(super) fn tell(app: &App, ended: &Ended, now: Timestamp) {
    if ended.everything {
        app.console.end_of_person(&ended.subject);
    }
    authorization::sessions_ended(app, ended, now);
}
