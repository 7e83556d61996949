//! `GET /v1/map`, `GET /v1/changes`, `GET /v1/reach`, `GET /v1/series`: the fleet at a glance.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::limits::{CHANGES_MAX, CHANGES_SHOWN};
use crate::overview::{self, Asked};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use bartizan_core::overview::{Changes, FleetMap, IndicatorSeries, ReachStatus};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_runtime::clock;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

pub(super) const MAP: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/map",
    who: Who::Viewer,
    about: "Services and who calls whom, with rates, denials and how calls are protected",
    route: || get(map),
};

pub(super) const CHANGES: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/changes",
    who: Who::Viewer,
    about: "What changed: policies, configuration, certificates, processes, and what people did",
    route: || get(changes),
};

pub(super) const REACH: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/reach",
    who: Who::Viewer,
    about: "Who may reach a service, whom it may reach, and by which policies",
    route: || get(reach),
};

pub(super) const SERIES: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/series",
    who: Who::Viewer,
    about: "An indicator over time, at one place",
    route: || get(series),
};

async fn map(State(app): State<Arc<App>>) -> Result<Json<FleetMap>, Failure> {
    // A large fleet is some milliseconds of work.
    let made = tokio::task::spawn_blocking(move || overview::map(&app, clock::now())).await;
    made.map(Json).map_err(|error| Failure::unavailable(error.to_string()))
}

/// What the query of changes says.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WhichChanges {
    /// Only at this moment or later, milliseconds since 1970.
    since_ms: Option<u64>,
    /// Only before this moment.
    until_ms: Option<u64>,
    /// At most so many.
    limit: Option<usize>,
}

async fn changes(
    State(app): State<Arc<App>>,
    query: Result<Query<WhichChanges>, QueryRejection>,
) -> Result<Json<Changes>, Failure> {
    let Query(WhichChanges { since_ms, until_ms, limit }) = query.map_err(|e| Failure::bad_request(e.body_text()))?;
    let limit = limit.unwrap_or(CHANGES_SHOWN);
    if !(1..=CHANGES_MAX).contains(&limit) {
        return Err(Failure::bad_request(format!("limit = {limit}: expected 1 to {CHANGES_MAX}")));
    }
    let at = |ms: Option<u64>| ms.map(Timestamp::from_millis);
    let asked = Asked { since: at(since_ms), until: at(until_ms), limit };
    Ok(Json(overview::changes(&app, asked, clock::now()).await?))
}

/// What the query of reach says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichService {
    /// Whom it is about.
    service: String,
}

async fn reach(
    State(app): State<Arc<App>>,
    query: Result<Query<WhichService>, QueryRejection>,
) -> Result<Json<ReachStatus>, Failure> {
    let Query(WhichService { service }) = query.map_err(|e| Failure::bad_request(e.body_text()))?;
    let service = ServiceName::parse(&service).map_err(|error| Failure::bad_request(error.to_string()))?;
    let named = service.clone();
    let reached = tokio::task::spawn_blocking(move || overview::reach(&app, &named)).await;
    let reached = reached.map_err(|error| Failure::unavailable(error.to_string()))?;
    let reached = reached.map_err(Failure::unavailable)?;
    reached.map(Json).ok_or_else(|| Failure::not_found(format!("there is no service `{service}`; `map` lists all")))
}

/// What the query of a series says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhichSeries {
    /// `M1` to `M10`.
    indicator: String,
    /// `fleet`, a service, or `CALLER -> CALLEE`; the fleet where left out.
    #[serde(default = "fleet")]
    place: String,
    /// How far back; a day where left out, a month at most.
    #[serde(default = "day")]
    seconds: u64,
}

fn fleet() -> String {
    "fleet".to_owned()
}

const fn day() -> u64 {
    86_400
}

async fn series(
    State(app): State<Arc<App>>,
    query: Result<Query<WhichSeries>, QueryRejection>,
) -> Result<Json<IndicatorSeries>, Failure> {
    let Query(WhichSeries { indicator, place, seconds }) = query.map_err(|e| Failure::bad_request(e.body_text()))?;
    let window = Duration::from_secs(seconds);
    let found = app.indicators.over_time(&indicator, &place, window, clock::now());
    found.map(Json).map_err(Failure::bad_request)
}
