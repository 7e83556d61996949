//! `POST /v1/tokens/revoke`: users' tokens that are not to count any more.

use crate::api::Actor;
use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::authorization;
use axum::extract::State;
use axum::routing::post;
use axum::{Extension, Json};
use bartizan_core::status::{RevokeTokens, RevokedTokens};
use bartizan_core::user::WhichTokens;
use bartizan_runtime::clock;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/tokens/revoke",
    who: Who::Operator,
    about: "Take back users' tokens",
    route: || post(answer),
};

async fn answer(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Json(wanted): Json<RevokeTokens>,
) -> Result<Json<RevokedTokens>, Failure> {
    let now = clock::now();
    let RevokeTokens { issuer, token, subject, family } = wanted;
    let what = match (token, subject, family) {
        (Some(jti), None, None) => WhichTokens::Token(jti),
        (None, Some(subject), None) => WhichTokens::Subject(subject, now),
        (None, None, Some(family)) => WhichTokens::Family(family),
        _ => return Err(Failure::bad_request("name one of: a token, a subject, a family")),
    };
    let (by, said) = (actor.by.to_string(), what.to_string());
    // A task of its own: a caller who hangs up must not leave it half done.
    let revoking = tokio::spawn(async move { authorization::revoke(&app, issuer, what, &by, now).await });
    let (issuer, epoch) = revoking.await.map_err(|error| Failure::unavailable(error.to_string()))??;
    Ok(Json(RevokedTokens { issuer, what: said, epoch }))
}
