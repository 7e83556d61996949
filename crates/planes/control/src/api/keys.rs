//! `GET /v1/keys`, `POST /v1/keys/add`, `POST /v1/keys/revoke`: keys of programs for the gateway.

use crate::api::Actor;
use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::keys::{self, Wanted};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Json};
use bartizan_core::status::{AddKey, AddedKey, Keys, RevokeKey, RevokedKey};
use bartizan_runtime::clock;
use std::sync::Arc;
use std::time::Duration;

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/keys",
    who: Who::Operator,
    about: "Keys of programs, by name",
    route: || get(list),
};

pub(super) const ADD: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/keys/add",
    who: Who::Administrator,
    about: "Make a key for a program",
    route: || post(add),
};

pub(super) const REVOKE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/keys/revoke",
    who: Who::Operator,
    about: "Take a key back",
    route: || post(revoke),
};

async fn list(State(app): State<Arc<App>>) -> Json<Keys> {
    Json(Keys { keys: app.keys.list() })
}

async fn add(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Json(wanted): Json<AddKey>,
) -> Result<Json<AddedKey>, Failure> {
    let now = clock::now();
    let AddKey { name, scopes, tenant, expires_s } = wanted;
    let expires = expires_s.map(|s| now.plus(Duration::from_secs(s.into())));
    let (wanted, by) = (Wanted { name: name.clone(), scopes, tenant, expires }, actor.by.to_string());
    // A task of its own: a caller who hangs up must not leave it half done.
    let adding = tokio::spawn(async move { keys::add(&app, wanted, &by, now).await });
    let (key, epoch) = adding.await.map_err(|error| Failure::unavailable(error.to_string()))??;
    Ok(Json(AddedKey { name, key, expires, epoch }))
}

async fn revoke(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Json(wanted): Json<RevokeKey>,
) -> Result<Json<RevokedKey>, Failure> {
    let (name, by) = (wanted.name, actor.by.to_string());
    let named = name.clone();
    let revoking = tokio::spawn(async move { keys::revoke(&app, &named, &by).await });
    let epoch = revoking.await.map_err(|error| Failure::unavailable(error.to_string()))??;
    Ok(Json(RevokedKey { name, epoch }))
}
