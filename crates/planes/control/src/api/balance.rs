//! `GET /v1/balance`: what became of events, arrow by arrow.

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::balance;
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/balance",
    who: Who::Viewer,
    about: "What became of events, arrow by arrow: received, stored, refused, dropped, waiting",
    route: || get(async |State(app): State<Arc<App>>| Json(balance::of(&app))),
};
