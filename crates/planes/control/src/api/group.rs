//! `GET /v1/group`: how the controls that keep one state stand, as the one that leads sees them.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use bartizan_core::group::GroupStatus;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/group",
    who: Who::Viewer,
    about: "The controls that keep one state: who leads, who is away, and how far behind each is",
    route: || get(answer),
};

async fn answer(State(app): State<Arc<App>>) -> Result<Json<GroupStatus>, Failure> {
    let alone = || Failure::not_found("this control is alone; `control.members` of the fleet file makes a group");
    app.group().map(Json).ok_or_else(alone)
}
