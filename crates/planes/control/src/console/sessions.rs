//! Sessions, and the links by which they begin: 256 random bits each, of which a hash is kept.

use super::kept::{self, Kept, Link, Row};
use crate::limits::{CONSOLE_IDLE, CONSOLE_LINKS_MAX, CONSOLE_SEEN_EVERY, CONSOLE_SESSION_LIFE, CONSOLE_SESSIONS_MAX};
use bartizan_core::Timestamp;
use bartizan_core::console::{ConsoleRole, Way};
use bartizan_crypto::{base64, hash, random};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why nothing was opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BookError {
    /// More links wait than may.
    #[error("{CONSOLE_LINKS_MAX} links wait to be used, and there may be no more; wait until some have run out")]
    Links,
    /// It could not be written down. Nothing was opened.
    #[error("what opens the console cannot be written down: {0}")]
    File(#[from] std::io::Error),
}

/// All of them. What changes is written down before anybody is told.
#[derive(Debug)]
pub(crate) struct Book {
    data: PathBuf,
    kept: Mutex<Kept>,
    /// One at a time, so that the newest is what stays.
    writing: tokio::sync::Mutex<()>,
}

/// Somebody who shall have a session.
#[derive(Clone, Debug)]
pub(crate) struct Newcomer {
    pub(crate) name: String,
    pub(crate) subject: Option<String>,
    pub(crate) role: ConsoleRole,
    pub(crate) way: Way,
    pub(crate) address: String,
    pub(crate) agent: String,
}

/// Who asks with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Somebody who does something: the session is used.
    Person,
    /// A page by itself, again and again: whether anybody looks at it is not known.
    Page,
}

impl Book {
    /// Reads the file of the data folder. Where it cannot be read, everybody has to sign in again, and nobody is taken for the first.
    pub(crate) fn open(data: &Path, now: Timestamp) -> Self {
        let mut kept = kept::read(data).unwrap_or_else(|error| {
            tracing::error!(%error, file = kept::FILE, "sessions of the console cannot be read: everybody has to sign in again");
            Kept { used: true, ..Kept::default() }
        });
        forget(&mut kept, now);
        Self { data: data.to_owned(), kept: Mutex::new(kept), writing: tokio::sync::Mutex::default() }
    }

    /// Whether nobody has ever signed in.
    pub(crate) fn is_new(&self) -> bool {
        !self.lock().used
    }

    /// The token of a new link.
    pub(crate) async fn link(
        &self,
        role: ConsoleRole,
        name: &str,
        life: Duration,
        now: Timestamp,
    ) -> Result<(String, Timestamp), BookError> {
        let token = base64::encode_url(&random::bytes::<32>());
        let until = now.plus(life);
        {
            let mut kept = self.lock();
            forget(&mut kept, now);
            if kept.links.len() >= CONSOLE_LINKS_MAX {
                return Err(BookError::Links);
            }
            kept.links.push(Link { sha256: key_of(&token), role, name: name.to_owned(), until });
        }
        self.save().await?;
        Ok((token, until))
    }

    /// What a token opens, which it does not do again. `None` where it opens nothing.
    pub(crate) async fn take_link(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<(ConsoleRole, String)>, BookError> {
        let key = key_of(token);
        let found = {
            let mut kept = self.lock();
            forget(&mut kept, now);
            let at = kept.links.iter().position(|link| hash::equal(link.sha256.as_bytes(), key.as_bytes()));
            at.map(|at| kept.links.remove(at))
        };
        let Some(link) = found else { return Ok(None) };
        // Before anything comes of it: a link that could be used again after a restart would be two.
        self.save().await?;
        Ok(Some((link.role, link.name)))
    }

    /// Begins a session; its secret. Beyond the most that there may be, the one used longest ago ends.
    pub(crate) async fn begin(&self, newcomer: Newcomer, now: Timestamp) -> Result<String, BookError> {
        let Newcomer { name, subject, role, way, address, agent } = newcomer;
        let secret = base64::encode_url(&random::bytes::<32>());
        let session = base64::encode_url(&random::bytes::<12>());
        let (sha256, until) = (key_of(&secret), now.plus(CONSOLE_SESSION_LIFE));
        let row = Row {
            sha256: sha256.clone(),
            session,
            name,
            subject,
            role,
            way,
            began: now,
            seen: now,
            until,
            address,
            agent,
        };
        {
            let mut kept = self.lock();
            forget(&mut kept, now);
            if kept.sessions.len() >= CONSOLE_SESSIONS_MAX
                && let Some(oldest) = (0..kept.sessions.len()).min_by_key(|at| kept.sessions[*at].seen)
            {
                kept.sessions.remove(oldest);
            }
            kept.sessions.push(row);
            kept.used = true;
        }
        if let Err(error) = self.save().await {
            self.lock().sessions.retain(|row| row.sha256 != sha256);
            return Err(error);
        }
        Ok(secret)
    }

    /// The session that a secret opens; where a person asks, that is using it. Whether that is to be written down now.
    pub(crate) fn find(&self, secret: &str, asker: Asker, now: Timestamp) -> Option<(Row, bool)> {
        let key = key_of(secret);
        let mut kept = self.lock();
        let row = kept.sessions.iter_mut().find(|row| hash::equal(row.sha256.as_bytes(), key.as_bytes()))?;
        if !lasts(row, now) {
            return None;
        }
        let due = asker == Asker::Person && now.since(row.seen) >= CONSOLE_SEEN_EVERY;
        // In steps, so that what is on disk is as old as that at most.
        if due {
            row.seen = now;
        }
        Some((row.clone(), due))
    }

    /// Whether the session of that name goes on. Asking is not using it.
    pub(crate) fn goes_on(&self, session: &str, now: Timestamp) -> bool {
        self.lock().sessions.iter().any(|row| row.session == session && lasts(row, now))
    }

    /// Those that last, the newest first.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<Row> {
        let mut rows: Vec<Row> = self.lock().sessions.iter().filter(|row| lasts(row, now)).cloned().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.began));
        rows
    }

    /// Ends those that `which` is for, and says how many there were. They are on disk until [`Book::save`].
    pub(crate) fn end(&self, which: impl Fn(&Row) -> bool) -> usize {
        let mut kept = self.lock();
        let before = kept.sessions.len();
        kept.sessions.retain(|row| !which(row));
        before - kept.sessions.len()
    }

    /// Writes down what there is.
    pub(crate) async fn save(&self) -> Result<(), BookError> {
        let _one_at_a_time = self.writing.lock().await;
        let (data, kept) = (self.data.clone(), self.lock().clone());
        let written = tokio::task::spawn_blocking(move || kept::write(&data, &kept)).await;
        Ok(written.map_err(std::io::Error::other)??)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Every change leaves it whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What every request of a session that changes something has to carry. It comes of the cookie's secret and is nowhere kept; no page of
/// another origin can read it.
pub(super) fn csrf_of(secret: &str) -> String {
    base64::encode_url(&hash::sha256(format!("bartizan console csrf {secret}").as_bytes()))
}

fn key_of(secret: &str) -> String {
    hash::hex(&hash::sha256(secret.as_bytes()))
}

fn lasts(row: &Row, now: Timestamp) -> bool {
    now < row.until && now < row.seen.plus(CONSOLE_IDLE)
}

fn forget(kept: &mut Kept, now: Timestamp) {
    kept.links.retain(|link| now < link.until);
    kept.sessions.retain(|row| lasts(row, now));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newcomer(name: &str) -> Newcomer {
        let (address, agent) = ("127.0.0.1".to_owned(), "test".to_owned());
        Newcomer { name: name.to_owned(), subject: None, role: ConsoleRole::Viewer, way: Way::Link, address, agent }
    }

    const T0: Timestamp = Timestamp::from_secs(1_000_000);

    #[tokio::test]
    async fn a_link_opens_once_within_its_time_and_no_other_text_does() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path(), T0);
        assert!(book.is_new());
        let minute = Duration::from_secs(60);
        let (late, _) = book.link(ConsoleRole::Viewer, "ben", minute, T0).await.unwrap();
        let (token, until) = book.link(ConsoleRole::Operator, "ana", 10 * minute, T0).await.unwrap();
        assert_eq!(until, T0.plus(10 * minute));
        let on_disk = std::fs::read_to_string(dir.path().join(kept::FILE)).unwrap();
        assert!(!on_disk.contains(&token), "what opens is not on disk: {on_disk}");
        for wrong in ["", "x", &token[1..], &format!("{token}A"), &token.to_lowercase()] {
            assert_eq!(book.take_link(wrong, T0).await.unwrap(), None, "{wrong}");
        }
        assert_eq!(book.take_link(&late, T0.plus(minute)).await.unwrap(), None, "its time is over");
        // Also by another process than the one that made it.
        let book = Book::open(dir.path(), T0);
        let opened = book.take_link(&token, T0.plus(9 * minute)).await.unwrap();
        assert_eq!(opened, Some((ConsoleRole::Operator, "ana".to_owned())));
        assert_eq!(book.take_link(&token, T0.plus(9 * minute)).await.unwrap(), None, "twice");
        assert_eq!(Book::open(dir.path(), T0).take_link(&token, T0).await.unwrap(), None, "twice, after a restart");
        assert!(book.is_new(), "nobody has begun a session");
    }

    #[tokio::test]
    async fn links_and_sessions_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path(), T0);
        for _ in 0..CONSOLE_LINKS_MAX {
            book.link(ConsoleRole::Viewer, "x", Duration::from_secs(60), T0).await.unwrap();
        }
        let more = book.link(ConsoleRole::Viewer, "x", Duration::from_secs(60), T0).await;
        assert!(matches!(more, Err(BookError::Links)), "{more:?}");
        assert!(
            book.link(ConsoleRole::Viewer, "x", Duration::from_secs(60), T0.plus(Duration::from_secs(60)))
                .await
                .is_ok()
        );

        let mut first = None;
        for n in 0..CONSOLE_SESSIONS_MAX as u64 + 1 {
            let secret = book.begin(newcomer("x"), T0.plus(Duration::from_millis(n))).await.unwrap();
            first.get_or_insert(secret);
        }
        let now = T0.plus(Duration::from_secs(10));
        assert_eq!(book.list(now).len(), CONSOLE_SESSIONS_MAX);
        assert!(book.find(&first.unwrap(), Asker::Person, now).is_none(), "the one used longest ago ended");
    }

    #[tokio::test]
    async fn a_session_ends_by_itself_and_outlives_its_process() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path(), T0);
        let secret = book.begin(newcomer("ana"), T0).await.unwrap();
        let on_disk = std::fs::read_to_string(dir.path().join(kept::FILE)).unwrap();
        assert!(!on_disk.contains(&secret), "{on_disk}");
        let book = Book::open(dir.path(), T0);
        assert!(!book.is_new());
        let (row, due) = book.find(&secret, Asker::Person, T0).unwrap();
        assert_eq!((row.name.as_str(), due), ("ana", false));
        assert!(book.find(&csrf_of(&secret), Asker::Person, T0).is_none());
        assert!(book.find(&row.session, Asker::Person, T0).is_none());

        // Used now and then, it lasts as long as any may; then it is over, used or not.
        let (mut now, step) = (T0, CONSOLE_IDLE - Duration::from_secs(60));
        while now.plus(step) < row.until {
            now = now.plus(step);
            assert!(book.find(&secret, Asker::Person, now).unwrap().1, "it is to be written down that it is used");
        }
        assert!(book.find(&secret, Asker::Person, row.until).is_none());
        let unused = book.begin(newcomer("ben"), T0).await.unwrap();
        assert!(book.find(&unused, Asker::Person, T0.plus(CONSOLE_IDLE)).is_none(), "nobody used it");
    }

    #[tokio::test]
    async fn a_page_that_asks_by_itself_keeps_no_session_alive() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path(), T0);
        let (left, used) =
            (book.begin(newcomer("ana"), T0).await.unwrap(), book.begin(newcomer("ben"), T0).await.unwrap());
        let step = Duration::from_secs(5);
        let mut now = T0;
        while now.plus(step) < T0.plus(CONSOLE_IDLE) {
            now = now.plus(step);
            for secret in [&left, &used] {
                let (row, due) = book.find(secret, Asker::Page, now).unwrap();
                assert_eq!((row.seen, due), (T0, false), "as nobody does anything");
            }
        }
        // One of the two goes to another page a moment before it is too late.
        assert!(book.find(&used, Asker::Person, now).unwrap().1);
        for asker in [Asker::Page, Asker::Person] {
            assert!(book.find(&left, asker, T0.plus(CONSOLE_IDLE)).is_none(), "{asker:?} of the other");
        }
        assert_eq!(book.find(&used, Asker::Page, T0.plus(CONSOLE_IDLE)).unwrap().0.seen, now);
        assert!(book.find(&used, Asker::Page, now.plus(CONSOLE_IDLE)).is_none());
    }

    #[test]
    fn a_file_that_is_none_makes_nobody_the_first() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(kept::FILE), "{\"used\":false,\"sess").unwrap();
        assert!(!Book::open(dir.path(), T0).is_new());
    }
}
