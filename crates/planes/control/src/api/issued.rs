//! `GET /v1/ca/issued`: certificates that were issued, also while the database is away.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::issuance;
use crate::limits::ISSUED_SHOWN;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use bartizan_core::issued::{IssuedFilter, IssuedList};
use bartizan_core::{ServiceName, SpiffeId, Timestamp};
use bartizan_store::QUERY_ISSUED_MAX;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/ca/issued",
    who: Who::Viewer,
    about: "Certificates that were issued: serial, identity, key, node, end, issuer",
    route: || get(answer),
};

/// What the query says; nothing is checked yet.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// Only of this identity, a SPIFFE ID.
    id: Option<String>,
    /// Only with this serial number, lower-case hexadecimal.
    serial: Option<String>,
    /// Only by way of this node.
    node: Option<String>,
    /// Only at this moment or later, milliseconds since 1970.
    since_ms: Option<u64>,
    /// At most so many, the newest.
    limit: Option<u32>,
}

fn filter(raw: Raw) -> Result<IssuedFilter, Failure> {
    let Raw { id, serial, node, since_ms, limit } = raw;
    let bad = |error: &dyn std::fmt::Display| Failure::bad_request(error.to_string());
    let id = id.map(|text| SpiffeId::parse(&text)).transpose().map_err(|error| bad(&error))?;
    let node = node.map(|text| ServiceName::parse(&text)).transpose().map_err(|error| bad(&error))?;
    let limit = limit.unwrap_or(ISSUED_SHOWN);
    if limit > QUERY_ISSUED_MAX {
        return Err(Failure::bad_request(format!("limit = {limit}: at most {QUERY_ISSUED_MAX}; ask in parts")));
    }
    Ok(IssuedFilter { id, serial, node, since: since_ms.map(Timestamp::from_millis), limit })
}

async fn answer(
    State(app): State<Arc<App>>,
    query: Result<Query<Raw>, QueryRejection>,
) -> Result<Json<IssuedList>, Failure> {
    let Query(raw) = query.map_err(|error| Failure::bad_request(error.body_text()))?;
    Ok(Json(issuance::find(&app, filter(raw)?).await?))
}
