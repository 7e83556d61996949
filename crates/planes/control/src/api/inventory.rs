//! `GET /v1/inventory`: which operations services have, declared and seen, and what is odd about them.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::limits::{INVENTORY_UNSEEN_DAYS, INVENTORY_UNSEEN_DAYS_MAX};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use bartizan_core::status::ApiInventory;
use bartizan_runtime::clock;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/inventory",
    who: Who::Viewer,
    about: "Operations of services, declared and seen; `unseen_days` says from when on one is a zombie",
    route: || get(answer),
};

/// What the query says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Days without a call after which an operation that is declared is called a zombie.
    unseen_days: Option<u32>,
}

async fn answer(
    State(app): State<Arc<App>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<ApiInventory>, Failure> {
    let Query(Asked { unseen_days }) = query.map_err(|error| Failure::bad_request(error.body_text()))?;
    let days = unseen_days.unwrap_or(INVENTORY_UNSEEN_DAYS);
    if !(1..=INVENTORY_UNSEEN_DAYS_MAX).contains(&days) {
        return Err(Failure::bad_request(format!("`unseen_days` has to be 1 to {INVENTORY_UNSEEN_DAYS_MAX}")));
    }
    let (in_force, unseen) = (app.in_force(), Duration::from_secs(u64::from(days) * 86_400));
    let desired = &in_force.desired;
    Ok(Json(app.inventory.report(&desired.fleet, &desired.apis, unseen, clock::now())))
}
