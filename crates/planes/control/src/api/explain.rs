//! `GET /v1/explain/{request}`: why a request was allowed or denied, hop by hop.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::explain;
use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use bartizan_core::RequestId;
use bartizan_core::status::Explanation;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/explain/{request}",
    who: Who::Viewer,
    about: "Why a request was allowed or denied: decisions, policies with their text, epoch, hop by hop",
    route: || get(answer),
};

async fn answer(State(app): State<Arc<App>>, Path(request): Path<String>) -> Result<Json<Explanation>, Failure> {
    let request = request_id(&request)?;
    explain::explain(&app, request).await?.map(Json).ok_or_else(|| unknown(request))
}

pub(super) fn request_id(text: &str) -> Result<RequestId, Failure> {
    let parsed = RequestId::parse(text);
    parsed.ok_or_else(|| {
        Failure::bad_request("a request id has 32 lower-case hex digits, as in the `x-request-id` header of an answer")
    })
}

pub(super) fn unknown(request: RequestId) -> Failure {
    Failure::not_found(format!(
        "nothing is recorded about request `{request}`; it may be on its way (try again in a second), have been lost (see `bartizan status`), or \
         never have reached the fleet"
    ))
}
