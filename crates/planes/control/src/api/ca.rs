//! `/v1/ca` and below: the CAs as they are, and everything that replaces them.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::rotation::Refused;
use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use bartizan_core::rotation::{CaStatus, Rotate};
use std::sync::Arc;

pub(super) const STATUS: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/ca",
    who: Who::Viewer,
    about: "Roots, issuing CA, and the rotation that runs or ran last",
    route: || get(async |State(app): State<Arc<App>>| Json(app.ca_status().await)),
};

pub(super) const ROTATE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/ca/rotate",
    who: Who::Administrator,
    about: "Begin to replace the root or the issuing CA",
    route: || post(rotate),
};

pub(super) const REVERT: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/ca/revert",
    who: Who::Administrator,
    about: "Lead everybody back to the CA before",
    route: || post(revert),
};

pub(super) const CONTINUE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/ca/continue",
    who: Who::Administrator,
    about: "Go on with a rotation that was halted",
    route: || post(resume),
};

pub(super) const FORCE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/ca/force",
    who: Who::Administrator,
    about: "Go on without those that a rotation waits for, whatever that breaks",
    route: || post(force),
};

pub(super) const DISTRUST: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/ca/distrust",
    who: Who::Administrator,
    about: "Replace the issuing CA at once and issue everybody anew",
    route: || post(distrust),
};

type Answer = Result<Json<CaStatus>, Failure>;

async fn rotate(State(app): State<Arc<App>>, Json(wanted): Json<Rotate>) -> Answer {
    app.rotate(&wanted).await?;
    Ok(Json(app.ca_status().await))
}

async fn distrust(State(app): State<Arc<App>>) -> Answer {
    app.distrust_issuing().await?;
    Ok(Json(app.ca_status().await))
}

async fn revert(State(app): State<Arc<App>>) -> Answer {
    app.revert_rotation().await?;
    Ok(Json(app.ca_status().await))
}

async fn resume(State(app): State<Arc<App>>) -> Answer {
    app.continue_rotation().await?;
    Ok(Json(app.ca_status().await))
}

async fn force(State(app): State<Arc<App>>) -> Answer {
    app.force_rotation().await?;
    Ok(Json(app.ca_status().await))
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let text = crate::error::chain(&refused);
        match refused {
            Refused::Running(_) | Refused::None | Refused::Turn(_) => Self::conflict(text),
            Refused::Canary(_) | Refused::WavePercent(_) => Self::bad_request(text),
            Refused::Ca(_) => Self::unprocessable(text),
        }
    }
}
