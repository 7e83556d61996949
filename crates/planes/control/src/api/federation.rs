//! `GET /v1/federation`, `POST /v1/federation/refresh`, `GET /v1/federation/bundle`: other trust domains, and what they get of us.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::federation::document;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bartizan_core::federation::Standing;
use std::sync::Arc;

pub(super) const STATUS: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/federation",
    who: Who::Viewer,
    about: "How it stands with each other trust domain",
    route: || get(async |State(app): State<Arc<App>>| Json(standings(&app))),
};

pub(super) const REFRESH: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/federation/refresh",
    who: Who::Operator,
    about: "Look at every bundle endpoint now",
    route: || post(refresh),
};

pub(super) const BUNDLE: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/federation/bundle",
    who: Who::Viewer,
    about: "The bundle document of this trust domain, for another one's `bundle` file",
    route: || get(bundle),
};

fn standings(app: &App) -> Vec<Standing> {
    app.federation.standings(&app.in_force().desired.fleet.federation)
}

async fn refresh(State(app): State<Arc<App>>) -> Json<Vec<Standing>> {
    app.federation.ask();
    Json(standings(&app))
}

async fn bundle(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Failure> {
    let text = document(&app.in_force()).map_err(|error| Failure::unavailable(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}
