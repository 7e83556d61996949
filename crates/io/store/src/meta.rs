//! A few names that belong to the whole store, such as the trust domain it was made for.

use crate::error::StoreError;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::path::Path;

/// Sets `key` to `value` where it has none yet, inside the caller's transaction; returns what it is then.
pub(crate) async fn claim(
    connection: &mut SqliteConnection,
    path: &Path,
    key: &str,
    value: &str,
) -> Result<String, StoreError> {
    let failed = |e| StoreError::of(path, e);
    sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING")
        .bind(key)
        .bind(value)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let row =
        sqlx::query("SELECT value FROM meta WHERE key = ?").bind(key).fetch_one(connection).await.map_err(failed)?;
    row.try_get(0).map_err(failed)
}

/// What `key` is; `None` where it has no value.
pub(crate) async fn claimed(
    connection: &mut SqliteConnection,
    path: &Path,
    key: &str,
) -> Result<Option<String>, StoreError> {
    let failed = |e| StoreError::of(path, e);
    let row = sqlx::query("SELECT value FROM meta WHERE key = ?").bind(key).fetch_optional(connection).await;
    row.map_err(failed)?.map(|row| row.try_get(0).map_err(failed)).transpose()
}
