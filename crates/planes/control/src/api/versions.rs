//! `GET /v1/versions`: whether new versions of services do as well as those beside them.

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use bartizan_core::versions::VersionsStatus;
use bartizan_runtime::clock;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/versions",
    who: Who::Viewer,
    about: "Whether new versions of services do as well as those beside them, and how sure that is",
    route: || get(show),
};

async fn show(State(app): State<Arc<App>>) -> Json<VersionsStatus> {
    let now = clock::now();
    Json(VersionsStatus { now, versions: app.alerts.versions(now) })
}
