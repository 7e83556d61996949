//! The tables, and how a file of an earlier layout becomes one of this.

use crate::error::StoreError;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::path::Path;

/// One step per layout; `PRAGMA user_version` holds the number of steps that a file has taken. Never edit a step
/// that was released: add the next one.
pub(crate) const STEPS: &[&str] = &[FIRST, ISSUED, NO_EVENTS];

const FIRST: &str = "
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE,
    at_ms      INTEGER NOT NULL,
    service    TEXT,
    request_id BLOB,
    denied     INTEGER NOT NULL,
    record     BLOB NOT NULL
) STRICT;
CREATE INDEX events_at ON events (at_ms);
CREATE INDEX events_service ON events (service, at_ms);
CREATE INDEX events_denied ON events (at_ms) WHERE denied = 1;
CREATE INDEX events_request ON events (request_id) WHERE request_id IS NOT NULL;
CREATE TABLE epochs (
    kind         TEXT NOT NULL,
    epoch        INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    content      TEXT,
    PRIMARY KEY (kind, epoch)
) STRICT;
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
";

const ISSUED: &str = "
CREATE TABLE issued (
    serial       TEXT PRIMARY KEY,
    at_ms        INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    id           TEXT NOT NULL,
    key          TEXT NOT NULL,
    node         TEXT,
    not_after_ms INTEGER NOT NULL,
    issuer       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX issued_at ON issued (at_ms);
CREATE INDEX issued_id ON issued (id, at_ms);
CREATE INDEX issued_not_after ON issued (not_after_ms);
";

/// Events lie in a log of their own.
const NO_EVENTS: &str = "DROP TABLE events;";

/// Brings the file up to the newest layout.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    steps: &'static [&'static str],
) -> Result<(), StoreError> {
    let failed = |e| StoreError::of(path, e);
    let known = steps.len() as i64;
    let row = sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
    let found: i64 = row.try_get(0).map_err(failed)?;
    if found > known {
        return Err(StoreError::TooNew { path: path.to_owned(), found, known });
    }
    for (step, done) in steps.iter().zip(1..).skip(usize::try_from(found).unwrap_or(0)) {
        // The number stands in the file's header, so it changes with the same transaction.
        let sql = format!("BEGIN IMMEDIATE; {step} PRAGMA user_version = {done}; COMMIT;");
        // Built from constants of this crate and a number: nothing from outside is in it.
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(())
}
