//! Apps that registered themselves, as they lie in the database.

use crate::error::StoreError;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::path::Path;

/// An app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredApp {
    /// Its name in requests.
    pub id: String,
    /// What control says of it.
    pub state: String,
}

pub(super) async fn all(connection: &mut SqliteConnection, path: &Path) -> Result<Vec<StoredApp>, StoreError> {
    let failed = |e| StoreError::of(path, e);
    let rows = sqlx::query("SELECT id, state FROM apps ORDER BY id").fetch_all(connection).await.map_err(failed)?;
    let read = rows.iter().map(|row| Ok(StoredApp { id: row.try_get(0)?, state: row.try_get(1)? }));
    read.collect::<Result<_, _>>().map_err(failed)
}

/// Inside the caller's transaction.
pub(super) async fn put(connection: &mut SqliteConnection, path: &Path, app: &StoredApp) -> Result<(), StoreError> {
    let sql = "INSERT INTO apps (id, state) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state";
    let done = sqlx::query(sql).bind(&app.id).bind(&app.state).execute(connection).await;
    done.map(drop).map_err(|e| StoreError::of(path, e))
}

/// Inside the caller's transaction.
pub(super) async fn drop_one(connection: &mut SqliteConnection, path: &Path, id: &str) -> Result<(), StoreError> {
    let done = sqlx::query("DELETE FROM apps WHERE id = ?").bind(id).execute(connection).await;
    done.map(drop).map_err(|e| StoreError::of(path, e))
}
