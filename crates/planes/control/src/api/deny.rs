//! `GET /v1/denied`, `POST /v1/revoke`, `POST /v1/restore`: the deny list.

use crate::api::Actor;
use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::deny::{self, Changed};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Json};
use bartizan_core::deny::{DenyList, Subject};
use bartizan_core::status::{Restore, Revoke, Revoked};
use bartizan_runtime::clock;
use std::sync::Arc;

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/denied",
    who: Who::Viewer,
    about: "The deny list in force",
    route: || get(list),
};

pub(super) const REVOKE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/revoke",
    who: Who::Operator,
    about: "Put an identity, certificate, key, node or issuer on the deny list",
    route: || post(revoke),
};

pub(super) const RESTORE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/restore",
    who: Who::Operator,
    about: "Take somebody off the deny list",
    route: || post(restore),
};

async fn list(State(app): State<Arc<App>>) -> Json<DenyList> {
    Json(app.in_force().deny_list.clone())
}

async fn revoke(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Json(wanted): Json<Revoke>,
) -> Result<Json<Revoked>, Failure> {
    let subject = subject(&wanted.subject)?;
    // A task of its own: a caller who hangs up must not leave it half done.
    let revoking =
        tokio::spawn(
            async move { deny::revoke(&app, subject, &wanted.reason, &actor.by, clock::now()).await.map(told) },
        );
    Ok(Json(revoking.await.map_err(|error| Failure::unavailable(error.to_string()))??))
}

async fn restore(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Json(wanted): Json<Restore>,
) -> Result<Json<Revoked>, Failure> {
    let subject = subject(&wanted.subject)?;
    let restoring = tokio::spawn(async move { deny::restore(&app, &subject, &actor.by).await.map(told) });
    Ok(Json(restoring.await.map_err(|error| Failure::unavailable(error.to_string()))??))
}

fn subject(text: &str) -> Result<Subject, Failure> {
    Subject::parse(text).map_err(|error| Failure::bad_request(format!("`{text}` cannot be denied: {error}")))
}

fn told(changed: Changed) -> Revoked {
    let Changed { epoch, services, unplaced } = changed;
    Revoked { epoch, services, unplaced }
}
