//! Families of tokens, as they lie in the database.

use crate::error::StoreError;
use crate::limits::{FAMILIES_AT_ONCE, FAMILIES_REMOVED_AT_ONCE};
use bartizan_core::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use std::path::Path;

/// A family of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFamily {
    /// Its name.
    pub id: [u8; 16],
    /// The version that it was read with; 0 for one that is not there yet.
    pub version: u64,
    /// The app.
    pub client: String,
    /// On whose behalf.
    pub subject: String,
    /// The session that it ends with; `None` where it goes on.
    pub session: Option<String>,
    /// When nothing of it counts any more.
    pub ends: Timestamp,
    /// What control says of it.
    pub state: String,
}

/// Whose families.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those that end with that session.
    Session(String),
    /// Those of that person.
    Subject(String),
    /// Those of that app.
    Client(String),
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is on disk.
    Done,
    /// Somebody else changed it meanwhile, so it stays as that left it: read it again.
    Changed,
}

/// Inside the caller's transaction.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    path: &Path,
    family: &StoredFamily,
) -> Result<Put, StoreError> {
    let StoredFamily { id, version, client, subject, session, ends, state } = family;
    let next = i64::try_from(*version).unwrap_or(i64::MAX).saturating_add(1);
    let done = if *version == 0 {
        sqlx::query(
            "INSERT INTO families (id, version, client, subject, session, ends_ms, state) VALUES (?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.to_vec())
        .bind(next)
        .bind(client)
        .bind(subject)
        .bind(session)
        .bind(signed(*ends))
        .bind(state)
        .execute(connection)
        .await
    } else {
        sqlx::query("UPDATE families SET version = ?, ends_ms = ?, state = ? WHERE id = ? AND version = ?")
            .bind(next)
            .bind(signed(*ends))
            .bind(state)
            .bind(id.to_vec())
            .bind(next - 1)
            .execute(connection)
            .await
    };
    let done = done.map_err(|e| StoreError::of(path, e))?;
    Ok(if done.rows_affected() == 1 { Put::Done } else { Put::Changed })
}

/// Removes families that have ended, a bounded number of them.
pub(super) async fn remove_ended(
    connection: &mut SqliteConnection,
    path: &Path,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM families WHERE id IN (SELECT id FROM families WHERE ends_ms <= ? ORDER BY ends_ms LIMIT ?)";
    let removed = sqlx::query(sql).bind(signed(now)).bind(FAMILIES_REMOVED_AT_ONCE).execute(connection).await;
    removed.map(drop).map_err(|e| StoreError::of(path, e))
}

const COLUMNS: &str = "SELECT id, version, client, subject, session, ends_ms, state FROM families WHERE ";

pub(super) async fn one(
    connection: &mut SqliteConnection,
    path: &Path,
    id: &[u8; 16],
) -> Result<Option<StoredFamily>, StoreError> {
    let failed = |e| StoreError::of(path, e);
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS}id = ?")); // constants alone
    let row = sqlx::query(sql).bind(id.to_vec()).fetch_optional(connection).await.map_err(failed)?;
    row.as_ref().map(read_row).transpose().map_err(failed)
}

pub(super) async fn of(
    connection: &mut SqliteConnection,
    path: &Path,
    whose: &Whose,
    now: Timestamp,
) -> Result<Vec<StoredFamily>, StoreError> {
    let failed = |e| StoreError::of(path, e);
    let (column, value) = match whose {
        Whose::Session(value) => ("session", value),
        Whose::Subject(value) => ("subject", value),
        Whose::Client(value) => ("client", value),
    };
    let sql = sqlx::AssertSqlSafe(format!("{COLUMNS}{column} = ? AND ends_ms > ? LIMIT ?")); // constants alone
    let rows = sqlx::query(sql).bind(value).bind(signed(now)).bind(i64::from(FAMILIES_AT_ONCE));
    let rows = rows.fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(read_row).collect::<Result<_, _>>().map_err(failed)
}

pub(super) async fn count(connection: &mut SqliteConnection, path: &Path) -> Result<u64, StoreError> {
    let failed = |e| StoreError::of(path, e);
    let row = sqlx::query("SELECT count(*) FROM families").fetch_one(connection).await.map_err(failed)?;
    row.try_get::<i64, _>(0).map(|count| u64::try_from(count).unwrap_or(0)).map_err(failed)
}

fn read_row(row: &SqliteRow) -> Result<StoredFamily, sqlx::Error> {
    let bad = |what: &str| sqlx::Error::Decode(format!("column `{what}` holds a value that we never write").into());
    let number = |value: i64, what: &str| u64::try_from(value).map_err(|_| bad(what));
    Ok(StoredFamily {
        id: row.try_get::<Vec<u8>, _>(0)?.try_into().map_err(|_| bad("id"))?,
        version: number(row.try_get(1)?, "version")?,
        client: row.try_get(2)?,
        subject: row.try_get(3)?,
        session: row.try_get(4)?,
        ends: Timestamp::from_millis(number(row.try_get(5)?, "ends_ms")?),
        state: row.try_get(6)?,
    })
}

fn signed(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}
