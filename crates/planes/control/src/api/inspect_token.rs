//! `POST /v1/tokens/inspect`: whether the gateway believes a user's token, and what keeps it from that.

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::authorization;
use axum::Json;
use axum::extract::State;
use axum::routing::post;
use bartizan_core::status::{InspectToken, InspectedToken};
use bartizan_runtime::clock;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/tokens/inspect",
    who: Who::Operator,
    about: "Whether a user's token is believed",
    route: || post(answer),
};

async fn answer(State(app): State<Arc<App>>, Json(asked): Json<InspectToken>) -> Json<InspectedToken> {
    Json(match authorization::judge(&app, &asked.token, clock::now()) {
        Ok(needs) => InspectedToken { refused: None, needs },
        Err(refused) => InspectedToken { refused: Some(refused), needs: None },
    })
}
