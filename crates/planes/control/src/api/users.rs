//! `/v1/users` and below: people who sign in.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::error::chain;
use crate::people::{self, UserError};
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::routing::post;
use axum::{Extension, Json};
use bartizan_core::people::{AddUser, UserLink};
use bartizan_runtime::clock;
use bartizan_runtime::local::Caller;
use std::sync::Arc;

pub(super) const ADD: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/users/add",
    who: Who::Operator,
    about: "Add somebody who signs in, with a link to set a password",
    route: || post(add),
};

async fn add(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    wanted: Result<Json<AddUser>, JsonRejection>,
) -> Result<Json<UserLink>, Failure> {
    let Json(wanted) = wanted.map_err(|error| Failure::bad_request(error.body_text()))?;
    Ok(Json(people::add(&app, wanted, &by(&caller), clock::now()).await?))
}

fn by(caller: &Caller) -> String {
    format!("uid {}", caller.uid)
}

impl From<UserError> for Failure {
    fn from(error: UserError) -> Self {
        let text = chain(&error);
        match error {
            UserError::NotServed | UserError::Invalid(_) => Self::unprocessable(text),
            UserError::Taken(_) => Self::conflict(text),
            UserError::People(_) => Self::unavailable(text),
        }
    }
}
