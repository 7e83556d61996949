//! Events as they are stored, and the ways to ask for them.

use crate::error::StoreError;
use crate::limits::{QUERY_EVENTS_MAX, ROWS_PER_INSERT};
use bartizan_core::event::{EventId, SeenBy};
use bartizan_core::{RequestId, ServiceName, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};
use std::path::Path;

/// One event, ready to be stored: redacted and turned into its final text by the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Unique; a second event of the same id is the same event.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// The service on whose behalf it was written.
    pub service: Option<ServiceName>,
    /// Which part saw it.
    pub seen_by: SeenBy,
    /// OCSF class, such as 4002.
    pub class_uid: u32,
    /// The request it belongs to.
    pub request: Option<RequestId>,
    /// Whether something was denied, refused or failed.
    pub denied: bool,
    /// Status that was answered, where there was one.
    pub status: Option<u16>,
    /// Who asked, where known.
    pub peer: Option<String>,
    /// The OCSF record.
    pub json: String,
    /// The record in the caller's own compact form, opaque here.
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
        let mut sql = QueryBuilder::<Sqlite>::new(
            "INSERT INTO events (id, at_ms, service, seen_by, class_uid, request_id, denied, status, peer, json, record) ",
        );
        sql.push_values(rows, |mut row, event| {
            row.push_bind(id_bytes(event.id))
                .push_bind(signed(event.at.as_millis()))
                .push_bind(event.service.as_ref().map(|s| s.as_str().to_owned()))
                .push_bind(seen_by_text(event.seen_by))
                .push_bind(i64::from(event.class_uid))
                .push_bind(event.request.map(|r| r.to_string()))
                .push_bind(event.denied)
                .push_bind(event.status.map(i64::from))
                .push_bind(event.peer.clone())
                .push_bind(event.json.clone())
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
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT id, at_ms, service, seen_by, class_uid, request_id, denied, status, peer, json, record FROM events WHERE 1",
    );
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
        sql.push(" AND request_id = ").push_bind(request.to_string());
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
    let request: Option<String> = row.try_get(5)?;
    Ok(StoredEvent {
        id: EventId((id >> 64) as u64, id as u64),
        at: Timestamp::from_millis(u64::try_from(row.try_get::<i64, _>(1)?).map_err(|_| bad("at_ms"))?),
        service: service.map(|s| ServiceName::parse(&s)).transpose().map_err(|_| bad("service"))?,
        seen_by: seen_by_parse(row.try_get(3)?).ok_or_else(|| bad("seen_by"))?,
        class_uid: u32::try_from(row.try_get::<i64, _>(4)?).map_err(|_| bad("class_uid"))?,
        request: request.map(|r| RequestId::parse(&r).ok_or_else(|| bad("request_id"))).transpose()?,
        denied: row.try_get(6)?,
        status: row.try_get::<Option<i64>, _>(7)?.map(u16::try_from).transpose().map_err(|_| bad("status"))?,
        peer: row.try_get(8)?,
        json: row.try_get(9)?,
        record: row.try_get(10)?,
    })
}

fn id_bytes(id: EventId) -> Vec<u8> {
    (u128::from(id.0) << 64 | u128::from(id.1)).to_be_bytes().to_vec()
}

/// SQLite's integers are signed. What does not fit is a time 292 million years ahead.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

const SEEN_BY: [(SeenBy, &str); 6] = [
    (SeenBy::Inbound, "inbound"),
    (SeenBy::Outbound, "outbound"),
    (SeenBy::Gateway, "gateway"),
    (SeenBy::Control, "control"),
    (SeenBy::Node, "node"),
    (SeenBy::Supervisor, "supervisor"),
];

fn seen_by_text(seen_by: SeenBy) -> &'static str {
    SEEN_BY.iter().find(|(it, _)| *it == seen_by).expect("the table lists every part").1
}

fn seen_by_parse(text: &str) -> Option<SeenBy> {
    SEEN_BY.iter().find(|(_, it)| *it == text).map(|(it, _)| *it)
}
