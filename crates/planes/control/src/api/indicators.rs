//! `GET /v1/indicators`: the indicators M1 to M10 with their error budgets.

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use bartizan_core::indicators::Indicators;
use bartizan_runtime::clock;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/indicators",
    who: Who::Viewer,
    about: "The indicators M1 to M10, with their error budgets and how fast those burn",
    route: || get(answer),
};

async fn answer(State(app): State<Arc<App>>) -> Json<Indicators> {
    let in_force = app.in_force();
    Json(app.indicators.report(in_force.desired.fleet.objectives.as_ref(), clock::now()))
}
