//! Sessions: from a sign-in until they end.

use super::{People, signed, time};
use crate::error::StoreError;
use bartizan_core::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// By which it is found: a hash of what the browser holds, so that whoever reads this file cannot act for anybody.
    pub key: String,
    /// Its name, which is no secret.
    pub id: String,
    /// Whose.
    pub person: String,
    /// When it was used last, within a minute or so.
    pub seen: Timestamp,
    /// When it ends in any case.
    pub ends: Timestamp,
    /// Everything else.
    pub record: String,
}

const COLUMNS: &str = "SELECT key, id, person, seen_ms, ends_ms, record FROM sessions";

impl People {
    /// Begins a session. False where the person has gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_session(&self, session: &Session) -> Result<bool, StoreError> {
        let Session { key, id, person, seen, ends, record } = session;
        let sql = "INSERT INTO sessions (key, id, person, seen_ms, ends_ms, record) \
                   SELECT ?, ?, id, ?, ?, ? FROM people WHERE id = ?";
        let done = async |connection: &mut _| {
            let insert = sqlx::query(sql).bind(key).bind(id).bind(signed(*seen)).bind(signed(*ends));
            insert.bind(record).bind(person).execute(connection).await
        };
        Ok(self.write(done).await?.rows_affected() == 1)
    }

    /// Gives a session another key and record; the earlier key is worth nothing from then on. False where it has ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn renew_session(&self, session: &Session) -> Result<bool, StoreError> {
        let Session { key, id, person, seen, ends, record } = session;
        let sql = "UPDATE sessions SET key = ?, seen_ms = ?, ends_ms = ?, record = ? WHERE id = ? AND person = ?";
        let done = async |connection: &mut _| {
            let update = sqlx::query(sql).bind(key).bind(signed(*seen)).bind(signed(*ends)).bind(record);
            update.bind(id).bind(person).execute(connection).await
        };
        Ok(self.write(done).await?.rows_affected() == 1)
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn see_session(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET seen_ms = max(seen_ms, ?) WHERE id = ?";
        let done = async |connection: &mut _| sqlx::query(sql).bind(signed(now)).bind(id).execute(connection).await;
        self.write(done).await.map(drop)
    }

    /// Ends a session of a person. False where it had ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_session(&self, person: &str, id: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM sessions WHERE person = ? AND id = ?";
        let done = async |connection: &mut _| sqlx::query(sql).bind(person).bind(id).execute(connection).await;
        Ok(self.write(done).await?.rows_affected() == 1)
    }

    /// Ends all sessions of a person but that of the id `except`; the ids of those that ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_sessions(&self, person: &str, except: Option<&str>) -> Result<Vec<String>, StoreError> {
        let sql = "DELETE FROM sessions WHERE person = ? AND id <> ? RETURNING id";
        let done = async |connection: &mut _| {
            let except = except.unwrap_or_default(); // no session is called that
            let rows = sqlx::query(sql).bind(person).bind(except).fetch_all(connection).await?;
            rows.iter().map(|row| row.try_get(0)).collect()
        };
        self.write(done).await
    }

    /// Forgets sessions that ended before `now` or were not used since `unused_since`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_sessions(&self, now: Timestamp, unused_since: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM sessions WHERE ends_ms <= ? OR seen_ms <= ?";
        let done = async |connection: &mut _| {
            sqlx::query(sql).bind(signed(now)).bind(signed(unused_since)).execute(connection).await
        };
        Ok(self.write(done).await?.rows_affected())
    }

    /// The session that is found by `key`, however old it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(&self, key: &str) -> Result<Option<Session>, StoreError> {
        Ok(self.sessions_by(" WHERE key = ?", key).await?.pop())
    }

    /// The session of that id, however old it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session_named(&self, id: &str) -> Result<Option<Session>, StoreError> {
        Ok(self.sessions_by(" WHERE id = ?", id).await?.pop())
    }

    /// All sessions of a person, the latest used first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sessions_of(&self, person: &str) -> Result<Vec<Session>, StoreError> {
        self.sessions_by(" WHERE person = ? ORDER BY seen_ms DESC, id", person).await
    }

    async fn sessions_by(&self, which: &'static str, value: &str) -> Result<Vec<Session>, StoreError> {
        let read = async |connection: &mut _| {
            // Built from constants of this file.
            let sql = sqlx::AssertSqlSafe(format!("{COLUMNS}{which}"));
            sqlx::query(sql).bind(value).fetch_all(connection).await?.iter().map(session).collect()
        };
        self.read(read).await
    }
}

fn session(row: &SqliteRow) -> Result<Session, sqlx::Error> {
    Ok(Session {
        key: row.try_get(0)?,
        id: row.try_get(1)?,
        person: row.try_get(2)?,
        seen: time(row.try_get(3)?),
        ends: time(row.try_get(4)?),
        record: row.try_get(5)?,
    })
}
