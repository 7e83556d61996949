//! Events as they are stored, and the ways to ask for them.

use crate::error::StoreError;
use crate::limits::{QUERY_EVENTS_MAX, ROWS_PER_INSERT};
use bartizan_core::event::EventId;
use bartizan_core::{RequestId, ServiceName, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};
use std::path::Path;

/// One event, ready to be stored: what it is found by, and its record.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Unique; a second event of the same id is the same event.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// The service on whose behalf it was written.
    pub service: Option<ServiceName>,
    /// The request it belongs to.
    pub request: Option<RequestId>,
    /// Whether something was denied, refused or failed.
    pub denied: bool,
    /// The whole event in the caller's own compact form, opaque here; redacted by the caller.
    pub record: Vec<u8>,
}

/// What became of a batch that was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events that are new in the store.
    pub new: u64,
    /// Events that were there already.
    pub known: u64,
}

/// Which events are asked for. The default asks for the newest [`QUERY_EVENTS_MAX`] of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this service.
    pub service: Option<ServiceName>,
    /// Only what was denied, refused or failed.
    pub denied: bool,
    /// Only at this moment or later.
    pub since: Option<Timestamp>,
    /// Only before this moment.
    pub until: Option<Timestamp>,
    /// Only of this request.
    pub request: Option<RequestId>,
    /// At most so many, the newest; [`QUERY_EVENTS_MAX`] where `None` or larger.
    pub limit: Option<u32>,
}

/// Inserts a batch inside the transaction that the caller has begun.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    path: &Path,
    batch: &[StoredEvent],
) -> Result<Appended, StoreError> {
    let mut new = 0;
    for rows in batch.chunks(ROWS_PER_INSERT) {
        let mut sql =
            QueryBuilder::<Sqlite>::new("INSERT INTO events (id, at_ms, service, request_id, denied, record) ");
        sql.push_values(rows, |mut row, event| {
            row.push_bind(id_bytes(event.id))
                .push_bind(signed(event.at.as_millis()))
                .push_bind(event.service.as_ref().map(|s| s.as_str().to_owned()))
                .push_bind(event.request.map(request_bytes))
                .push_bind(event.denied)
                .push_bind(event.record.clone());
        });
        sql.push(" ON CONFLICT (id) DO NOTHING");
        let done = sql.build().execute(&mut *connection).await.map_err(|e| StoreError::of(path, e))?;
        new += done.rows_affected();
    }
    Ok(Appended { new, known: batch.len() as u64 - new })
}

/// The events that `filter` asks for, in the order in which they happened.
pub(crate) async fn query(
    connection: &mut SqliteConnection,
    path: &Path,
    filter: &Filter,
) -> Result<Vec<StoredEvent>, StoreError> {
    let Filter { service, denied, since, until, request, limit } = filter;
    let mut sql =
        QueryBuilder::<Sqlite>::new("SELECT id, at_ms, service, request_id, denied, record FROM events WHERE 1");
    if let Some(service) = service {
        sql.push(" AND service = ").push_bind(service.as_str().to_owned());
    }
    if *denied {
        sql.push(" AND denied = 1");
    }
    if let Some(since) = since {
        sql.push(" AND at_ms >= ").push_bind(signed(since.as_millis()));
    }
    if let Some(until) = until {
        sql.push(" AND at_ms < ").push_bind(signed(until.as_millis()));
    }
    if let Some(request) = request {
        sql.push(" AND request_id = ").push_bind(request_bytes(*request));
    }
    let limit = limit.unwrap_or(QUERY_EVENTS_MAX).min(QUERY_EVENTS_MAX);
    sql.push(" ORDER BY at_ms DESC, seq DESC LIMIT ").push_bind(i64::from(limit));
    let rows = sql.build().fetch_all(connection).await.map_err(|e| StoreError::of(path, e))?;
    rows.iter().rev().map(read_row).collect::<Result<_, _>>().map_err(|e| StoreError::of(path, e))
}

fn read_row(row: &SqliteRow) -> Result<StoredEvent, sqlx::Error> {
    let bad = |what: &str| sqlx::Error::Decode(format!("column `{what}` holds a value that we never write").into());
    let id: Vec<u8> = row.try_get(0)?;
    let id = <[u8; 16]>::try_from(id).map(u128::from_be_bytes).map_err(|_| bad("id"))?;
    let service: Option<String> = row.try_get(2)?;
    let request: Option<Vec<u8>> = row.try_get(3)?;
    Ok(StoredEvent {
        id: EventId((id >> 64) as u64, id as u64),
        at: Timestamp::from_millis(u64::try_from(row.try_get::<i64, _>(1)?).map_err(|_| bad("at_ms"))?),
        service: service.map(|s| ServiceName::parse(&s)).transpose().map_err(|_| bad("service"))?,
        request: request.map(|r| request_from(&r).ok_or_else(|| bad("request_id"))).transpose()?,
        denied: row.try_get(4)?,
        record: row.try_get(5)?,
    })
}

fn request_bytes(request: RequestId) -> Vec<u8> {
    request.bytes().to_vec()
}

fn request_from(bytes: &[u8]) -> Option<RequestId> {
    RequestId::from_bytes(bytes.try_into().ok()?)
}

fn id_bytes(id: EventId) -> Vec<u8> {
    (u128::from(id.0) << 64 | u128::from(id.1)).to_be_bytes().to_vec()
}

/// SQLite's integers are signed. What does not fit is a time 292 million years ahead.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
