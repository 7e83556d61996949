//! `POST /v1/node-tokens`: a join token for one node.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::routing::post;
use bartizan_core::limits::JOIN_TOKEN_TTL;
use bartizan_core::profile::Profile;
use bartizan_core::status::NodeToken;
use bartizan_crypto::random;
use bartizan_runtime::clock;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/node-tokens",
    who: Who::Administrator,
    about: "Make a join token, good for one node and once",
    route: || post(answer),
};

async fn answer(State(app): State<Arc<App>>) -> Result<Json<NodeToken>, Failure> {
    if app.in_force().desired.fleet.profile == Profile::Observe {
        return Err(Failure::conflict("this fleet is observed alone (`profile: observe`): no identity is handed out"));
    }
    let now = clock::now();
    let token = app.tokens().issue(now, random::bytes()).map_err(|error| Failure::unavailable(error.to_string()))?;
    Ok(Json(NodeToken { token: token.expose().clone(), expires: now.plus(JOIN_TOKEN_TTL) }))
}
