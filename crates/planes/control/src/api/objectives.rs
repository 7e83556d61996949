//! `GET /v1/objectives`, `GET /v1/objectives/advice`: what is asked of the indicators, and what would come of asking for something else.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::indicators::objectives;
use axum::Json;
use axum::extract::{Query, State};
use axum::routing::get;
use bartizan_core::indicator::{Indicator, Place};
use bartizan_core::objectives::{Advice, ObjectivesStatus};
use bartizan_runtime::clock;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/objectives",
    who: Who::Viewer,
    about: "What the file of objectives asks of the indicators",
    route: || get(list),
};

pub(super) const ADVICE: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/objectives/advice",
    who: Who::Viewer,
    about: "How often other targets would have told somebody within the last thirty days",
    route: || get(advice),
};

async fn list(State(app): State<Arc<App>>) -> Json<ObjectivesStatus> {
    Json(objectives(app.in_force().desired.fleet.objectives.as_ref(), clock::now()))
}

/// Of which indicator, and where; of all of them for the fleet where nothing is said.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// `M1` to `M10`; all where left out.
    indicator: Option<String>,
    /// `fleet`, a service, or `CALLER -> CALLEE`; the fleet where left out.
    place: Option<String>,
}

async fn advice(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Result<Json<Advice>, Failure> {
    let none = |text: &str| Failure::not_found(format!("there is no indicator `{text}`; they are M1 to M10"));
    let indicator = asked.indicator.as_deref().map(|it| Indicator::parse(it).ok_or_else(|| none(it))).transpose()?;
    let wrong =
        |text: &str| Failure::bad_request(format!("`{text}` is no place: `fleet`, a service, or `caller -> callee`"));
    let place = asked.place.as_deref().map(|it| Place::parse(it).ok_or_else(|| wrong(it))).transpose()?;
    let place = place.unwrap_or(Place::Fleet);
    // Some hundred milliseconds of counting.
    let work = move || {
        let in_force = app.in_force();
        let wanted = |it: Indicator, at: &Place| indicator.is_none_or(|wanted| wanted == it) && *at == place;
        app.indicators.advice(in_force.desired.fleet.objectives.as_ref(), wanted, clock::now())
    };
    let advice = tokio::task::spawn_blocking(work).await;
    advice.map(Json).map_err(|error| Failure::unavailable(error.to_string()))
}
