//! People who log in at the gateway: what it asks on its stream, and what is done for it.
//!
//! In: questions of the gateway ([`bartizan_core::login::Ask`]); the fleet file's `gateway.login`. Out: who logged in, the keys of
//! cookies, ends of sessions.
//! How much: questions at once, sessions that are renewed, answers of providers and times are bounded.
//! Absent on purpose: cookies and pages, which are the gateway's. It holds neither a client's secret nor a token of the outside: those
//! stay here, and so does whatever speaks to a provider.

mod answer; // start here: one question
mod back_channel; // the provider says that a session is over
mod end; // somebody logs out
mod keep; // what the provider says of itself, again and again
mod keys; // of cookies
mod provider; // one look at what it says
mod redeem; // from a code to who it is
mod renew; // what is to be said of somebody now
mod sessions; // what is kept for that
mod tokens; // asking for tokens

pub(crate) use answer::answer;
pub(crate) use keep::keep;

use self::keys::Keys;
use self::provider::Found;
use self::sessions::Sessions;
use crate::app::App;
use crate::publish::Current;
use bartizan_core::fleet::Fleet;
use bartizan_core::login::{Login, Provider};
use bartizan_tokens::Replays;
use bartizan_tokens::logout_token::Logout;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What is held for the gateway.
#[derive(Debug)]
pub(crate) struct Desk {
    keys: Keys,
    sessions: Sessions,
    /// What the provider said of itself, with its name.
    found: Mutex<Option<Arc<Found>>>,
    /// Logout tokens that were shown.
    logouts: Mutex<Replays>,
}

/// Why nothing comes of a question: what the operator is told.
#[derive(Debug)]
enum Failure {
    /// Asking again cannot help.
    Refused(String),
    /// Later, perhaps.
    Unable(String),
}

impl Desk {
    pub(crate) fn new(data: &Path) -> Self {
        Self {
            keys: Keys::new(data),
            sessions: Sessions::default(),
            found: Mutex::default(),
            logouts: Mutex::new(Logout::replays()),
        }
    }

    /// What the gateway is told of the provider; `None` where it was not reached yet.
    pub(crate) fn provider(&self, fleet: &Fleet) -> Option<Provider> {
        let said = fleet.gateway.as_ref()?.login.as_ref()?;
        own_provider(fleet).or_else(|| self.found(&said.issuer).map(|found| found.provider.clone()))
    }

    fn found(&self, issuer: &str) -> Option<Arc<Found>> {
        let held = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().filter(|found| found.issuer == issuer)
    }

    /// True where that is news.
    fn take(&self, found: Found) -> bool {
        let mut held = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = held.as_ref().is_none_or(|held| **held != found);
        *held = Some(Arc::new(found));
        is_news
    }
}

/// The same where the fleet's own authorization server signs people in, which nobody has to ask.
pub(crate) fn own_provider(fleet: &Fleet) -> Option<Provider> {
    let said = fleet.gateway.as_ref()?.login.as_ref().filter(|said| said.own)?;
    Some(Provider { authorize: format!("{}/authorize", said.issuer), names_itself: true })
}

/// Whether the file with the gateway's secret can be used, relative to `dir`. Blocks for the disk.
///
/// # Errors
/// What is wrong, with the file's name.
pub(crate) fn check(fleet: &Fleet, dir: &Path) -> Result<(), String> {
    let Some(said) = fleet.gateway.as_ref().and_then(|gateway| gateway.login.as_ref()) else { return Ok(()) };
    provider::secret(said, dir).map(drop).map_err(|failure| match failure {
        Failure::Refused(why) | Failure::Unable(why) => why,
    })
}

/// What the fleet file says now.
fn said(app: &App) -> Option<(Current, Login)> {
    let in_force = app.in_force();
    let said = in_force.desired.fleet.gateway.as_ref()?.login.clone()?;
    Some((in_force, said))
}
