//! Which apps somebody logged in at during a session, and those of them that are still to be told that it is over.

use crate::error::StoreError;
use crate::limits::{LOGINS_DUE_AT_ONCE, LOGINS_DUE_EACH, LOGINS_REMOVED_AT_ONCE};
use bartizan_core::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::path::Path;

/// A log-in at an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLogin {
    /// The session in which it was.
    pub session: String,
    /// The app.
    pub client: String,
    /// Who.
    pub subject: String,
    /// How often the app could not be told yet.
    pub tries: u32,
}

/// What becomes of log-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginChange {
    /// Somebody logged in; it is forgotten at `ends`.
    Began {
        /// The session in which it was.
        session: String,
        /// The app.
        client: String,
        /// Who.
        subject: String,
        /// When nobody has to be told any more.
        ends: Timestamp,
    },
    /// A session is over: its apps are to be told.
    Over {
        /// The session.
        session: String,
        /// From when on they are told.
        due: Timestamp,
    },
    /// An app could not be told, and is to be told later.
    Later {
        /// Which one, of which session.
        login: StoredLogin,
        /// When.
        due: Timestamp,
    },
    /// There is nothing to be told any more.
    Done {
        /// The session.
        session: String,
        /// The app.
        client: String,
    },
}

/// Inside the caller's transaction.
pub(super) async fn change(
    connection: &mut SqliteConnection,
    path: &Path,
    change: &LoginChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let query = match change {
        LoginChange::Began { session, client, subject, ends } => sqlx::query(
            "INSERT INTO logins (session, client, subject, ends_ms, due_ms, tries) VALUES (?, ?, ?, ?, NULL, 0) \
             ON CONFLICT (session, client) DO UPDATE SET ends_ms = excluded.ends_ms",
        )
        .bind(session)
        .bind(client)
        .bind(subject)
        .bind(signed(*ends)),
        LoginChange::Over { session, due } => {
            sqlx::query("UPDATE logins SET due_ms = ? WHERE session = ? AND due_ms IS NULL")
                .bind(signed(*due))
                .bind(session)
        }
        LoginChange::Later { login, due } => {
            sqlx::query("UPDATE logins SET due_ms = ?, tries = ? WHERE session = ? AND client = ?")
                .bind(signed(*due))
                .bind(i64::from(login.tries))
                .bind(&login.session)
                .bind(&login.client)
        }
        LoginChange::Done { session, client } => {
            sqlx::query("DELETE FROM logins WHERE session = ? AND client = ?").bind(session).bind(client)
        }
    };
    let failed = |e| StoreError::of(path, e);
    query.execute(&mut *connection).await.map_err(failed)?;
    let sql = "DELETE FROM logins WHERE (session, client) IN \
               (SELECT session, client FROM logins WHERE ends_ms <= ? ORDER BY ends_ms LIMIT ?)";
    let removed = sqlx::query(sql).bind(signed(now)).bind(LOGINS_REMOVED_AT_ONCE).execute(connection).await;
    removed.map(drop).map_err(failed)
}

/// Those that are due, a bounded number, and of each app a few, so that one that does not answer holds up no other.
pub(super) async fn due(
    connection: &mut SqliteConnection,
    path: &Path,
    now: Timestamp,
) -> Result<Vec<StoredLogin>, StoreError> {
    let failed = |e| StoreError::of(path, e);
    let sql = "SELECT session, client, subject, tries FROM \
               (SELECT *, row_number() OVER (PARTITION BY client ORDER BY due_ms) AS nth FROM logins WHERE due_ms <= ?) \
               WHERE nth <= ? ORDER BY due_ms LIMIT ?";
    let rows = sqlx::query(sql).bind(signed(now)).bind(LOGINS_DUE_EACH).bind(LOGINS_DUE_AT_ONCE);
    let rows = rows.fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(read_row).collect::<Result<_, _>>().map_err(failed)
}

/// When the next one is due.
pub(super) async fn next_due(connection: &mut SqliteConnection, path: &Path) -> Result<Option<Timestamp>, StoreError> {
    let failed = |e| StoreError::of(path, e);
    let row = sqlx::query("SELECT min(due_ms) FROM logins WHERE due_ms IS NOT NULL").fetch_one(connection).await;
    let due: Option<i64> = row.and_then(|row| row.try_get(0)).map_err(failed)?;
    Ok(due.map(|due| Timestamp::from_millis(u64::try_from(due).unwrap_or(0))))
}

fn read_row(row: &SqliteRow) -> Result<StoredLogin, sqlx::Error> {
    Ok(StoredLogin {
        session: row.try_get(0)?,
        client: row.try_get(1)?,
        subject: row.try_get(2)?,
        tries: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u32::MAX),
    })
}

fn signed(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}
