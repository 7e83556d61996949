//! `/v1/clients` and below: clients of the authorization server.

use crate::api::answer::Failure;
use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::authorization::{self, ClientError};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::routing::{get, post};
use bartizan_core::client::{AddClient, ClientWithToken, OauthClient, OauthClients, OfClient};
use bartizan_runtime::clock;
use std::sync::Arc;

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/clients",
    who: Who::Operator,
    about: "Clients of the authorization server",
    route: || get(list),
};

pub(super) const SHOW: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/clients/show",
    who: Who::Operator,
    about: "One client",
    route: || get(show),
};

pub(super) const ADD: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/clients/add",
    who: Who::Administrator,
    about: "Add an app, with a token by which it is changed",
    route: || post(add),
};

pub(super) const REMOVE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/clients/remove",
    who: Who::Administrator,
    about: "Remove an app that registered, and end what it was given",
    route: || post(remove),
};

pub(super) const ROTATE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/clients/rotate",
    who: Who::Administrator,
    about: "Give an app that registered another token by which it is changed",
    route: || post(rotate),
};

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::NotServed | ClientError::NoRegistration | ClientError::InFile(_) => Self::conflict(text),
            ClientError::Unknown(_) => Self::not_found(text),
            ClientError::Invalid(_) => Self::unprocessable(text),
            ClientError::Unable(_) => Self::unavailable(text),
        }
    }
}

async fn list(State(app): State<Arc<App>>) -> Result<Json<OauthClients>, Failure> {
    Ok(Json(authorization::list_clients(&app).await?))
}

async fn show(
    State(app): State<Arc<App>>,
    asked: Result<Query<OfClient>, QueryRejection>,
) -> Result<Json<OauthClient>, Failure> {
    let Query(OfClient { client_id }) = asked.map_err(|error| Failure::bad_request(error.to_string()))?;
    Ok(Json(authorization::show_client(&app, &client_id).await?))
}

type Body<T> = Result<Json<T>, JsonRejection>;

fn read<T>(wanted: Body<T>) -> Result<T, Failure> {
    wanted.map(|Json(wanted)| wanted).map_err(|error| Failure::bad_request(error.to_string()))
}

async fn add(State(app): State<Arc<App>>, wanted: Body<AddClient>) -> Result<Json<ClientWithToken>, Failure> {
    let wanted = read(wanted)?;
    // A task of its own: a caller who hangs up must not leave it half done. So below.
    let adding = tokio::spawn(async move { authorization::add_client(&app, wanted, clock::now()).await });
    Ok(Json(adding.await.map_err(|error| Failure::unavailable(error.to_string()))??))
}

async fn remove(State(app): State<Arc<App>>, wanted: Body<OfClient>) -> Result<Json<OauthClient>, Failure> {
    let OfClient { client_id } = read(wanted)?;
    let removing = tokio::spawn(async move { authorization::remove_client(&app, &client_id, clock::now()).await });
    Ok(Json(removing.await.map_err(|error| Failure::unavailable(error.to_string()))??))
}

async fn rotate(State(app): State<Arc<App>>, wanted: Body<OfClient>) -> Result<Json<ClientWithToken>, Failure> {
    let OfClient { client_id } = read(wanted)?;
    let rotating = tokio::spawn(async move { authorization::rotate_client(&app, &client_id).await });
    Ok(Json(rotating.await.map_err(|error| Failure::unavailable(error.to_string()))??))
}
