//! `GET /v1/expiry`: everything that runs out, when, who renews it, and what breaks where nobody does.

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::expiry;
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use bartizan_runtime::clock;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/expiry",
    who: Who::Viewer,
    about: "Everything that runs out, when, and who renews it",
    route: || get(async |State(app): State<Arc<App>>| Json(expiry::of(&app, clock::now()))),
};
