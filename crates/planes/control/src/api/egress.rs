//! `GET /v1/egress`: where services went outside the fleet, what they may reach, and whether they have another way.

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use bartizan_core::status::EgressStatus;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/egress",
    who: Who::Viewer,
    about: "Destinations outside the fleet that were used or refused, and the rules of each service",
    route: || get(answer),
};

async fn answer(State(app): State<Arc<App>>) -> Json<EgressStatus> {
    let in_force = app.in_force();
    Json(app.egress.status(&in_force.desired.fleet, &in_force.desired.plan))
}
