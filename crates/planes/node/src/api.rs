//! What is said on the node's Unix socket: JSON documents and the routes that take them.
//!
//! `POST /v1/expect` and `POST /v1/proxy-binary` by the supervisor, `POST /v1/vouch` by a proxy, `GET /v1/health` by anybody who can open the socket
//! (mode 0600: the same user, or root).

use crate::desk::{Desk, DeskError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bartizan_core::{ServiceName, SpiffeId, Timestamp};
use bartizan_runtime::clock;
use bartizan_runtime::local::Caller;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A proxy is about to come: here is the hash of its ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Whose proxy; `gateway` for the edge.
    pub service: ServiceName,
    /// SHA-256 of the ticket's text, lower-case hex. The ticket itself goes to the proxy alone.
    pub ticket_sha256: String,
    /// The user that the proxy runs as.
    pub uid: u32,
}

/// Done, with nothing more to say: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// A proxy asks to be vouched for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vouch {
    /// Whose proxy it is.
    pub service: ServiceName,
    /// The ticket that its parent gave it.
    pub ticket: String,
    /// Its public key, DER SubjectPublicKeyInfo in base64: the voucher is for the holder of this key.
    pub spki: String,
}

/// The answer to [`Vouch`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// For control, which gives an identity for it.
    pub voucher: String,
    /// 32 bytes in base64, the same for every proxy of this service on this node: for sealing what it keeps on disk.
    pub seal_key: String,
}

/// The node's own state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Its identity.
    pub id: SpiffeId,
    /// Until when that counts.
    pub not_after: Timestamp,
}

/// The routes. Served with [`bartizan_runtime::local::serve`], which adds the [`Caller`].
pub fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/expect", post(expect))
        .route("/v1/proxy-binary", post(proxy_binary))
        .route("/v1/vouch", post(vouch))
        .route("/v1/health", get(health))
        .with_state(desk)
}

async fn expect(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<Expect>,
) -> Result<Json<Done>, DeskError> {
    desk.expect(caller, &request, clock::now())?;
    Ok(Json(Done {}))
}

/// The proxy binary was replaced: look at it again.
async fn proxy_binary(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Done>, DeskError> {
    let looked = tokio::task::spawn_blocking(move || desk.look_at_binary(caller)).await;
    looked.unwrap_or_else(|error| Err(DeskError::Binary(std::io::Error::other(error))))?;
    Ok(Json(Done {}))
}

async fn vouch(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<Vouch>,
) -> Result<Json<Vouched>, DeskError> {
    let service = request.service.clone();
    let vouched = desk.vouch(caller, request, clock::now());
    match &vouched {
        Ok(_) => tracing::info!(%service, pid = caller.pid, "vouched"),
        Err(error) => tracing::warn!(%service, pid = caller.pid, uid = caller.uid, %error, "refused to vouch"),
    }
    vouched.map(Json)
}

async fn health(State(desk): State<Arc<Desk>>) -> Json<Health> {
    Json(desk.health())
}

impl IntoResponse for DeskError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotTheSupervisor { .. } | Self::Attest(_) | Self::Ticket(_) => StatusCode::FORBIDDEN,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Full => StatusCode::TOO_MANY_REQUESTS,
            Self::NoIdentity { .. } | Self::Signing(_) | Self::Binary(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        // The caller is of our own user or root, so it may read why.
        (status, self.to_string()).into_response()
    }
}
