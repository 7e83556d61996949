//! Epochs: the number of each kind of snapshot, which only ever grows.

use crate::error::StoreError;
use crate::limits::CONTENTS_KEPT;
use bartizan_core::snapshot::{Epoch, Kind};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeMap;
use std::path::Path;

/// What one kind of snapshot says now, for the whole fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Identifies the text; a different hash makes a new epoch.
    pub hash: String,
    /// The text itself, kept so that an old decision can be explained later.
    pub text: String,
}

/// What came of publishing one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The epoch in force.
    pub epoch: Epoch,
    /// True where the content was new and the epoch grew.
    pub changed: bool,
}

/// Gives every kind whose content differs from its newest one the next number, inside the caller's transaction.
pub(crate) async fn publish(
    connection: &mut SqliteConnection,
    path: &Path,
    contents: &BTreeMap<Kind, Content>,
    floor: Epoch,
) -> Result<BTreeMap<Kind, Published>, StoreError> {
    let mut published = BTreeMap::new();
    for (kind, content) in contents {
        let one = publish_one(connection, *kind, content, floor).await.map_err(|e| StoreError::of(path, e))?;
        published.insert(*kind, one);
    }
    Ok(published)
}

async fn publish_one(
    connection: &mut SqliteConnection,
    kind: Kind,
    content: &Content,
    floor: Epoch,
) -> Result<Published, sqlx::Error> {
    let newest = sqlx::query("SELECT epoch, content_hash FROM epochs WHERE kind = ? ORDER BY epoch DESC LIMIT 1")
        .bind(kind.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let (held, hash) = match &newest {
        Some(row) => (row.try_get::<i64, _>(0)?, row.try_get::<String, _>(1)?),
        None => (0, String::new()),
    };
    if newest.is_some() && hash == content.hash {
        return Ok(Published { epoch: number(held), changed: false });
    }
    let next = held.max(i64::try_from(floor.0).unwrap_or(0)) + 1;
    sqlx::query("INSERT INTO epochs (kind, epoch, content_hash, content) VALUES (?, ?, ?, ?)")
        .bind(kind.as_str())
        .bind(next)
        .bind(&content.hash)
        .bind(&content.text)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE epochs SET content = NULL WHERE kind = ? AND epoch <= ? AND content IS NOT NULL")
        .bind(kind.as_str())
        .bind(next - CONTENTS_KEPT)
        .execute(&mut *connection)
        .await?;
    Ok(Published { epoch: number(next), changed: true })
}

/// The content that was published under a number; `None` where that is unknown or too long ago.
pub(crate) async fn content(
    connection: &mut SqliteConnection,
    path: &Path,
    kind: Kind,
    epoch: Epoch,
) -> Result<Option<String>, StoreError> {
    let Ok(epoch) = i64::try_from(epoch.0) else { return Ok(None) };
    let row = sqlx::query("SELECT content FROM epochs WHERE kind = ? AND epoch = ?")
        .bind(kind.as_str())
        .bind(epoch)
        .fetch_optional(connection)
        .await
        .map_err(|e| StoreError::of(path, e))?;
    row.map_or(Ok(None), |row| row.try_get(0).map_err(|e| StoreError::of(path, e)))
}

fn number(epoch: i64) -> Epoch {
    Epoch(u64::try_from(epoch).unwrap_or(0))
}
