//! `GET /v1/me`: who asks.

use crate::api::Actor;
use crate::api::table::{Endpoint, Method, Who};
use crate::console::Session;
use axum::routing::get;
use axum::{Extension, Json};
use bartizan_core::console::{Me, Way};

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/me",
    who: Who::Viewer,
    about: "Who asks, and what that one may do",
    route: || get(answer),
};

async fn answer(Extension(actor): Extension<Actor>, session: Option<Extension<Session>>) -> Json<Me> {
    let (name, role) = (actor.by.to_string(), actor.role);
    Json(match session {
        None => Me { name, role, way: Way::Socket, until: None, csrf: None },
        Some(Extension(session)) => {
            Me { name, role, way: session.way, until: Some(session.until), csrf: Some(session.csrf) }
        }
    })
}
