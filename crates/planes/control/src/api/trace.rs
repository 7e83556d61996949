//! `GET /v1/trace/{request}`: everything that was recorded about a request, a hop before the hops that it caused.

use crate::api::answer::Failure;
use crate::api::explain::{request_id, unknown};
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::explain;
use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use bartizan_core::status::Trace;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/trace/{request}",
    who: Who::Viewer,
    about: "Everything that was recorded about a request, in the order of the call",
    route: || get(answer),
};

async fn answer(State(app): State<Arc<App>>, Path(request): Path<String>) -> Result<Json<Trace>, Failure> {
    let request = request_id(&request)?;
    explain::trace(&app, request).await?.map(Json).ok_or_else(|| unknown(request))
}
