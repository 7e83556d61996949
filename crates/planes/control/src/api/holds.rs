//! `GET /v1/holds`, `POST /v1/holds/hold`, `POST /v1/holds/release`: legal holds on events.

use crate::api::Actor;
use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::error::chain;
use crate::holds::HoldsError;
use crate::settled;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::routing::{get, post};
use axum::{Extension, Json};
use bartizan_core::ServiceName;
use bartizan_core::name::GATEWAY;
use bartizan_core::retention::{Hold, HoldError, HoldWanted, Holds, ReleaseWanted};
use bartizan_runtime::clock;
use std::sync::Arc;

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/holds",
    who: Who::Administrator,
    about: "The legal holds on events, with who put them there and why",
    route: || get(list),
};

pub(super) const HOLD: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/holds/hold",
    who: Who::Administrator,
    about: "Hold events, so that neither age nor room lets them go, with a reason",
    route: || post(hold),
};

pub(super) const RELEASE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/holds/release",
    who: Who::Administrator,
    about: "Release a hold, with a reason: its events go as their age and the room say",
    route: || post(release),
};

async fn list(State(app): State<Arc<App>>) -> Result<Json<Holds>, Failure> {
    on_the_disk(move || Ok(app.holds.list())).await
}

async fn hold(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    wanted: Result<Json<HoldWanted>, JsonRejection>,
) -> Result<Json<Hold>, Failure> {
    let Json(wanted) = wanted.map_err(|error| Failure::bad_request(error.body_text()))?;
    if let Some(service) = &wanted.scope.service {
        known(&app, service)?;
    }
    on_the_disk(move || app.holds.hold(&app, wanted, &actor.by, clock::now())).await
}

async fn release(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    wanted: Result<Json<ReleaseWanted>, JsonRejection>,
) -> Result<Json<Hold>, Failure> {
    let Json(wanted) = wanted.map_err(|error| Failure::bad_request(error.body_text()))?;
    let released = Arc::clone(&app);
    let hold = on_the_disk(move || released.holds.release(&released, &wanted, &actor.by)).await?;
    let settled = settled::settle(app.options.leading.as_ref()).await;
    settled.map_err(|error| Failure::unavailable(error.to_string()))?;
    let Json(()) = on_the_disk(move || {
        app.holds.enforce(&app);
        Ok(())
    })
    .await?;
    Ok(hold)
}

/// A service that is not in the fleet any more may have events, but a misspelt one would hold nothing.
fn known(app: &App, service: &ServiceName) -> Result<(), Failure> {
    let in_force = app.in_force();
    if in_force.desired.fleet.services.contains_key(service) || service.as_str() == GATEWAY {
        return Ok(());
    }
    let text = format!("the fleet has no service `{service}`; where it had, hold by its identity or by time");
    Err(Failure::not_found(text))
}

/// A change waits for the disk and for who tends the store, and whoever looks for it.
async fn on_the_disk<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, HoldsError> + Send + 'static,
) -> Result<Json<T>, Failure> {
    let done = tokio::task::spawn_blocking(job).await;
    Ok(Json(done.map_err(|error| Failure::unavailable(error.to_string()))??))
}

impl From<HoldsError> for Failure {
    fn from(error: HoldsError) -> Self {
        let text = chain(&error);
        match error {
            HoldsError::Rule(HoldError::Twice(_) | HoldError::Many) => Self::conflict(text),
            HoldsError::Rule(_) => Self::bad_request(text),
            HoldsError::NotThere(_) => Self::not_found(text),
            HoldsError::File { .. } | HoldsError::Malformed { .. } => Self::unavailable(text),
        }
    }
}
