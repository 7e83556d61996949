//! Tokens that were taken back: in a file of the data folder, so that they stay so over restarts, until they would have ended anyway.

use crate::app::App;
use crate::error::{ControlError, chain};
use crate::limits::{REVOKED_FILE_BYTES_MAX, REVOKED_PAUSE, REVOKED_TOKENS_MAX};
use bartizan_core::Timestamp;
use bartizan_core::fleet::Fleet;
use bartizan_core::limits::CLOCK_SKEW;
use bartizan_core::login::Login;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::user::{RevokedToken, WhichTokens};
use bartizan_runtime::files;
use bartizan_tokens::limits::{ACCESS_LIFE_MAX, ACCESS_TTL};
use bartizan_tokens::{AccessToken, Revocations, revocations_of};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The list, in the data folder.
const FILE: &str = "revoked-tokens.json";

/// Why tokens are not taken back. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum RevokedError {
    /// The file cannot be read or written. To take nothing back is no default, so mend it or take it away.
    #[error("cannot use `{path}`: {source}")]
    File {
        /// Its name.
        path: String,
        /// What is wrong.
        source: io::Error,
    },
    /// The list is full.
    #[error(
        "{REVOKED_TOKENS_MAX} tokens are revoked already; revoke a subject with `--subject` instead of single tokens"
    )]
    Full,
    /// Nobody whose tokens count here has that name.
    #[error("nobody whose tokens are believed here is called `{0}`; name one with `--issuer`, of: {1}")]
    Unknown(String, String),
    /// It is no name that a token could have.
    #[error("{0}")]
    Name(String),
}

/// What was taken back.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    held: Mutex<Held>,
    /// Something was taken back that is not published yet.
    unpublished: Notify,
    /// How long what came of our own server may count without a token, in seconds: sessions at the gateway.
    sessions_s: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    list: Vec<RevokedToken>,
    ready: Arc<Revocations>,
}

impl Book {
    pub(super) fn open(data: &Path) -> Result<Self, RevokedError> {
        let path = data.join(FILE);
        let refuse = |source| RevokedError::File { path: path.display().to_string(), source };
        let list: Vec<RevokedToken> = match files::read_bounded(&path, REVOKED_FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => serde_json::from_slice(&text.map_err(refuse)?).map_err(|error| refuse(error.into()))?,
        };
        let ready = revocations_of(&list, 0).map_err(|error| refuse(io::Error::other(error)))?;
        let held = Mutex::new(Held { list, ready: Arc::new(ready) });
        Ok(Self { path, held, unpublished: Notify::new(), sessions_s: AtomicU64::new(0) })
    }

    /// What is to be published.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<RevokedToken> {
        self.lock().list.iter().filter(|it| now < it.until).cloned().collect()
    }

    /// Whether a token was taken back.
    pub(super) fn has(&self, token: &AccessToken) -> bool {
        self.lock().ready.judge(token).is_err()
    }

    /// Takes back, on disk first. Publishing is another step.
    fn add(&self, more: RevokedToken, now: Timestamp) -> Result<(), RevokedError> {
        let mut held = self.lock();
        let mut list: Vec<_> = held.list.iter().filter(|it| now < it.until && it.what != more.what).cloned().collect();
        if list.len() >= REVOKED_TOKENS_MAX {
            return Err(RevokedError::Full);
        }
        list.push(more);
        let ready = revocations_of(&list, 0).map_err(|error| RevokedError::Name(error.to_string()))?;
        let refuse = |source| RevokedError::File { path: self.path.display().to_string(), source };
        let text = serde_json::to_vec(&list).map_err(|error| refuse(error.into()))?;
        files::write_atomic(&self.path, &text, 0o600).map_err(refuse)?;
        *held = Held { list, ready: Arc::new(ready) };
        Ok(())
    }

    /// Takes back a token of our own server; everybody hears of it a moment later, together with others.
    pub(super) fn take_back(&self, token: &AccessToken, now: Timestamp) -> Result<(), RevokedError> {
        let what = WhichTokens::Token(token.jti.clone());
        self.add(RevokedToken { issuer: token.issuer.clone(), what, until: token.expires }, now)?;
        self.unpublished.notify_one();
        Ok(())
    }

    /// Takes back all that our own server gave of one grant; everybody hears of it a moment later.
    pub(super) fn take_back_family(&self, issuer: &str, family: &str, now: Timestamp) -> Result<(), RevokedError> {
        self.take_back_for_a_token(issuer, WhichTokens::Family(family.to_owned()), now)
    }

    /// Takes back all that our own server gave to a subject until now; everybody hears of it a moment later.
    pub(super) fn take_back_all_of(&self, issuer: &str, subject: &str, now: Timestamp) -> Result<(), RevokedError> {
        self.take_back_for_a_token(issuer, WhichTokens::Subject(subject.to_owned(), now), now)
    }

    /// Takes back a session at the gateway, or what several came of; everybody hears of it a moment later.
    pub(crate) fn take_back_session(
        &self,
        issuer: &str,
        what: WhichTokens,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), RevokedError> {
        self.add(RevokedToken { issuer: issuer.to_owned(), what, until }, now)?;
        self.unpublished.notify_one();
        Ok(())
    }

    /// What is taken back from now on is remembered for as long as a session at the gateway may lie unused.
    pub(super) fn remember_for(&self, sessions: Duration) {
        self.sessions_s.store(sessions.as_secs(), Relaxed);
    }

    /// For as long as a token lives, or a session that came of the same.
    fn take_back_for_a_token(&self, issuer: &str, what: WhichTokens, now: Timestamp) -> Result<(), RevokedError> {
        let life = ACCESS_TTL.max(Duration::from_secs(self.sessions_s.load(Relaxed)));
        self.add(RevokedToken { issuer: issuer.to_owned(), what, until: now.plus(life + CLOCK_SKEW) }, now)?;
        self.unpublished.notify_one();
        Ok(())
    }

    /// The moment that a token of `subject` says it was issued at, for one that is issued at `issued`. Tokens say whole seconds: one of
    /// the second in which all earlier ones were taken back says the next, lest it is taken for one of them.
    pub(crate) fn issued_at(&self, issuer: &str, subject: &str, issued: Timestamp) -> Timestamp {
        let of_subject = |it: &RevokedToken| match &it.what {
            WhichTokens::Subject(one, before) if one == subject && it.issuer == issuer => Some(*before),
            _ => None,
        };
        let before = self.lock().list.iter().filter_map(of_subject).max();
        match before {
            Some(before) if issued >= before && issued.as_secs() == before.as_secs() => {
                Timestamp::from_secs(before.as_secs() + 1)
            }
            _ => issued,
        }
    }

    /// Whether a grant was taken back of late.
    pub(super) fn has_family(&self, issuer: &str, family: &str) -> bool {
        let is =
            |it: &RevokedToken| it.issuer == issuer && matches!(&it.what, WhichTokens::Family(one) if one == family);
        self.lock().list.iter().any(is)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // Every change leaves it whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes back what an operator names, and tells everybody. The issuer, and the epoch of the directory that says so.
pub(crate) async fn revoke(
    app: &App,
    issuer: Option<String>,
    what: WhichTokens,
    by: &str,
    now: Timestamp,
) -> Result<(String, Epoch), ControlError> {
    let issuer = issuer_of(&app.in_force().desired.fleet, issuer)?;
    let own = app.in_force().desired.fleet.authorization.as_ref().is_some_and(|own| own.issuer == issuer);
    let life = if own { ACCESS_TTL } else { ACCESS_LIFE_MAX };
    let in_force = app.in_force();
    let login = in_force.desired.fleet.gateway.as_ref().and_then(|gateway| gateway.login.as_ref());
    let life = life.max(login.map(Login::idle).unwrap_or_default());
    let until = now.plus(life + CLOCK_SKEW);
    let detail = format!("revoked {what} of {issuer} by {by}");
    app.authorization.revoked.add(RevokedToken { issuer: issuer.clone(), what, until }, now)?;
    app.publish_again().await?;
    let epoch = app.in_force().epoch(Kind::Directory);
    app.tell(Kind::Directory, epoch, Some(&detail));
    Ok((issuer, epoch))
}

/// The issuer of that name; where none is named our own, or the only one.
fn issuer_of(fleet: &Fleet, named: Option<String>) -> Result<String, RevokedError> {
    let own = fleet.authorization.iter().map(|own| &own.issuer);
    let known: Vec<&String> = own.chain(fleet.users.iter().flat_map(|it| &it.issuers).map(|it| &it.issuer)).collect();
    let all = || known.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
    match (named, known.as_slice()) {
        (Some(named), _) if known.contains(&&named) => Ok(named),
        (Some(named), _) => Err(RevokedError::Unknown(named, all())),
        (None, [first, ..]) if fleet.authorization.is_some() || known.len() == 1 => Ok((*first).clone()),
        (None, _) => Err(RevokedError::Unknown(String::new(), all())),
    }
}

/// Publishes what clients took back, several together, until the app stops.
pub(crate) async fn publish(app: Arc<App>) {
    while app.stop.run_until_cancelled(app.authorization.revoked.unpublished.notified()).await.is_some() {
        if let Err(error) = app.publish_again().await {
            tracing::error!(why = chain(&error), "revoked tokens are not published, trying again");
            app.authorization.revoked.unpublished.notify_one();
        }
        if app.stop.run_until_cancelled(tokio::time::sleep(REVOKED_PAUSE)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + s)
    }

    fn token(jti: &str, until: u64) -> RevokedToken {
        RevokedToken { issuer: "i".to_owned(), what: WhichTokens::Token(jti.to_owned()), until: at(until) }
    }

    #[test]
    fn what_is_given_in_the_second_of_a_revocation_is_not_taken_back_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path()).unwrap();
        let ms = |ms: u64| Timestamp::from_millis(1_790_000_000_000 + ms);
        book.take_back_all_of("i", "ana", ms(300)).unwrap();
        for (issuer, subject, issued, says) in [
            ("i", "ana", ms(299), ms(299)),
            ("i", "ana", ms(300), ms(1000)),
            ("i", "ana", ms(999), ms(1000)),
            ("i", "ana", ms(1000), ms(1000)),
            ("i", "bob", ms(300), ms(300)),
            ("j", "ana", ms(300), ms(300)),
        ] {
            assert_eq!(book.issued_at(issuer, subject, issued), says, "{issuer} {subject}");
        }
    }

    #[test]
    fn what_was_taken_back_stays_so_over_a_restart_and_is_forgotten_in_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path()).unwrap();
        book.add(token("a", 100), at(0)).unwrap();
        book.add(token("a", 100), at(1)).unwrap();
        book.add(token("b", 200), at(1)).unwrap();
        let book = Book::open(dir.path()).unwrap();
        assert_eq!(book.list(at(2)), [token("a", 100), token("b", 200)]);
        assert_eq!(book.list(at(100)), [token("b", 200)]);
        book.add(token("c", 300), at(100)).unwrap();
        assert_eq!(book.lock().list.len(), 2, "what ended makes room");
    }

    #[test]
    fn a_list_that_cannot_be_read_and_names_that_no_token_has_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path()).unwrap();
        assert!(matches!(book.add(token("", 100), at(0)), Err(RevokedError::Name(_))));
        std::fs::write(dir.path().join(FILE), "[]").unwrap();
        assert!(Book::open(dir.path()).is_ok());
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(matches!(Book::open(dir.path()), Err(RevokedError::File { .. })));
    }
}
