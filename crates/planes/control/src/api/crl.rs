//! `GET /v1/crl`: the revocation list, for peers that know nothing of our deny list.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::deny;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use bartizan_crypto::crl;
use bartizan_runtime::clock;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/crl",
    who: Who::Viewer,
    about: "The revocation list of the issuing CA in use, PEM",
    route: || get(answer),
};

async fn answer(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Failure> {
    let der = app.authority().crl(&deny::certificates(&app), clock::now());
    let pem = der.map(|der| crl::pem(&der)).map_err(|error| Failure::unavailable(error.to_string()))?;
    Ok(([(CONTENT_TYPE, "application/x-pem-file")], pem))
}
