//! `/v1/users` and below: people who sign in.

use crate::api::Actor;
use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::error::chain;
use crate::people::{self, UserError};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Extension, Json};
use bartizan_core::people::{AddUser, ChangeRoles, OfUser, ResetUser, User, UserDetail, UserLink, Users};
use bartizan_runtime::clock;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/users",
    who: Who::Administrator,
    about: "Everybody who may sign in, a part at a time",
    route: || get(list),
};

pub(super) const SHOW: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/users/show",
    who: Who::Administrator,
    about: "One person, with sessions and consents",
    route: || get(show),
};

pub(super) const ADD: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/users/add",
    who: Who::Administrator,
    about: "Add somebody who signs in, with a link to set a password",
    route: || post(add),
};

pub(super) const DISABLE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/users/disable",
    who: Who::Administrator,
    about: "Let somebody sign in no more, and end all sessions",
    route: || post(async |app, actor, wanted| set(app, actor, wanted, true).await),
};

pub(super) const ENABLE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/users/enable",
    who: Who::Administrator,
    about: "Let somebody sign in again",
    route: || post(async |app, actor, wanted| set(app, actor, wanted, false).await),
};

pub(super) const RESET: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/users/reset",
    who: Who::Administrator,
    about: "Take somebody's password away, and give a link to set another",
    route: || post(reset),
};

pub(super) const REMOVE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/users/remove",
    who: Who::Administrator,
    about: "Remove somebody for good",
    route: || post(remove),
};

pub(super) const SIGN_OUT: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/users/sign-out",
    who: Who::Administrator,
    about: "End all sessions of somebody",
    route: || post(sign_out),
};

pub(super) const ROLES: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/users/roles",
    who: Who::Administrator,
    about: "Give somebody roles, and take some away",
    route: || post(roles),
};

type Body<T> = Result<Json<T>, JsonRejection>;
type Answer<T> = Result<Json<T>, Failure>;

fn body<T>(wanted: Body<T>) -> Result<T, Failure> {
    wanted.map(|Json(wanted)| wanted).map_err(|error| Failure::bad_request(error.body_text()))
}

/// What the query of a list says.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct After {
    /// After which name to begin.
    after: String,
}

async fn list(State(app): State<Arc<App>>, query: Result<Query<After>, QueryRejection>) -> Answer<Users> {
    let Query(After { after }) = query.map_err(|error| Failure::bad_request(error.body_text()))?;
    Ok(Json(people::list(&app, &after).await?))
}

async fn show(State(app): State<Arc<App>>, query: Result<Query<OfUser>, QueryRejection>) -> Answer<UserDetail> {
    let Query(OfUser { name }) = query.map_err(|error| Failure::bad_request(error.body_text()))?;
    Ok(Json(people::show(&app, &name).await?))
}

async fn add(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    wanted: Body<AddUser>,
) -> Answer<UserLink> {
    Ok(Json(people::add(&app, body(wanted)?, &actor.by, clock::now()).await?))
}

async fn set(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    wanted: Body<OfUser>,
    disabled: bool,
) -> Answer<User> {
    let OfUser { name } = body(wanted)?;
    finish(async move { people::set_disabled(&app, &name, disabled, &actor.by, clock::now()).await }).await
}

async fn reset(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    wanted: Body<ResetUser>,
) -> Answer<UserLink> {
    let ResetUser { name, factors } = body(wanted)?;
    finish(async move { people::reset(&app, &name, factors, &actor.by, clock::now()).await }).await
}

async fn remove(State(app): State<Arc<App>>, Extension(actor): Extension<Actor>, wanted: Body<OfUser>) -> Answer<User> {
    let OfUser { name } = body(wanted)?;
    finish(async move { people::remove(&app, &name, &actor.by, clock::now()).await }).await
}

async fn sign_out(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    wanted: Body<OfUser>,
) -> Answer<User> {
    let OfUser { name } = body(wanted)?;
    finish(async move { people::sign_out_all(&app, &name, &actor.by, clock::now()).await }).await
}

async fn roles(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    wanted: Body<ChangeRoles>,
) -> Answer<User> {
    let wanted = body(wanted)?;
    finish(async move { people::change_roles(&app, wanted, &actor.by).await }).await
}

/// In a task of its own: a caller who hangs up must not leave it half done.
async fn finish<T: Send + 'static>(work: impl Future<Output = Result<T, UserError>> + Send + 'static) -> Answer<T> {
    let done = tokio::spawn(work).await.map_err(|error| Failure::unavailable(error.to_string()))?;
    Ok(Json(done?))
}

impl From<UserError> for Failure {
    fn from(error: UserError) -> Self {
        let text = chain(&error);
        match error {
            UserError::NotServed | UserError::Invalid(_) => Self::unprocessable(text),
            UserError::Unknown(_) => Self::not_found(text),
            UserError::Taken(_) => Self::conflict(text),
            UserError::People(_) => Self::unavailable(text),
        }
    }
}
