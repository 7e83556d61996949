//! Certificates that were issued, as they lie in the database.

use crate::error::StoreError;
use crate::limits::{ISSUED_KEPT, ISSUED_REMOVED_AT_ONCE, QUERY_ISSUED_MAX, ROWS_PER_INSERT};
use bartizan_core::issued::{Issued, IssuedFilter, IssuedKind};
use bartizan_core::{ServiceName, SpiffeId, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};
use std::path::Path;

/// Takes records in, inside the caller's transaction; those that are there already stay as they are. Certificates that ran
/// out long before `now` go.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    path: &Path,
    batch: &[Issued],
    now: Timestamp,
) -> Result<(), StoreError> {
    for rows in batch.chunks(ROWS_PER_INSERT) {
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO issued (serial, at_ms, kind, id, key, node, not_after_ms, issuer) ",
        );
        sql.push_values(rows, |mut row, issued| {
            row.push_bind(issued.serial.clone())
                .push_bind(signed(issued.at))
                .push_bind(issued.kind.as_str())
                .push_bind(issued.id.as_str().to_owned())
                .push_bind(issued.key.clone())
                .push_bind(issued.node.as_ref().map(|node| node.as_str().to_owned()))
                .push_bind(signed(issued.not_after))
                .push_bind(issued.issuer.clone());
        });
        sql.push(" ON CONFLICT (serial) DO NOTHING");
        sql.build().execute(&mut *connection).await.map_err(|e| StoreError::of(path, e))?;
    }
    remove_before(connection, path, now.minus(ISSUED_KEPT)).await
}

/// Removes certificates that ran out before `end`, those first that ran out first; a bounded number of them.
pub(crate) async fn remove_before(
    connection: &mut SqliteConnection,
    path: &Path,
    end: Timestamp,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM issued WHERE serial IN \
               (SELECT serial FROM issued WHERE not_after_ms < ? ORDER BY not_after_ms LIMIT ?)";
    let removed = sqlx::query(sql).bind(signed(end)).bind(ISSUED_REMOVED_AT_ONCE).execute(connection).await;
    removed.map(drop).map_err(|e| StoreError::of(path, e))
}

/// The records that fit, in the order in which they were issued, the newest that the limit leaves room for.
pub(crate) async fn query(
    connection: &mut SqliteConnection,
    path: &Path,
    filter: &IssuedFilter,
) -> Result<Vec<Issued>, StoreError> {
    let IssuedFilter { id, serial, node, since, limit } = filter;
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT serial, at_ms, kind, id, key, node, not_after_ms, issuer FROM issued WHERE 1",
    );
    if let Some(id) = id {
        sql.push(" AND id = ").push_bind(id.as_str().to_owned());
    }
    if let Some(serial) = serial {
        sql.push(" AND serial = ").push_bind(serial.clone());
    }
    if let Some(node) = node {
        sql.push(" AND node = ").push_bind(node.as_str().to_owned());
    }
    if let Some(since) = since {
        sql.push(" AND at_ms >= ").push_bind(signed(*since));
    }
    sql.push(" ORDER BY at_ms DESC LIMIT ").push_bind(i64::from((*limit).min(QUERY_ISSUED_MAX)));
    let rows = sql.build().fetch_all(connection).await.map_err(|e| StoreError::of(path, e))?;
    rows.iter().rev().map(read_row).collect::<Result<_, _>>().map_err(|e| StoreError::of(path, e))
}

fn read_row(row: &SqliteRow) -> Result<Issued, sqlx::Error> {
    let bad = |what: &str| sqlx::Error::Decode(format!("column `{what}` holds a value that we never write").into());
    let time = |at: i64, what: &str| u64::try_from(at).map(Timestamp::from_millis).map_err(|_| bad(what));
    let node: Option<String> = row.try_get(5)?;
    Ok(Issued {
        serial: row.try_get(0)?,
        at: time(row.try_get(1)?, "at_ms")?,
        kind: IssuedKind::parse(&row.try_get::<String, _>(2)?).ok_or_else(|| bad("kind"))?,
        id: SpiffeId::parse(&row.try_get::<String, _>(3)?).map_err(|_| bad("id"))?,
        key: row.try_get(4)?,
        node: node.map(|node| ServiceName::parse(&node)).transpose().map_err(|_| bad("node"))?,
        not_after: time(row.try_get(6)?, "not_after_ms")?,
        issuer: row.try_get(7)?,
    })
}

fn signed(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}
