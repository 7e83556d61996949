//! Access tokens for workloads of the fleet, which show their certificate instead of a secret (OAuth 2.1, RFC 8705).
//!
//! In: requests over TLS, with who the client proved to be; the fleet file's clients.
//! Out: tokens that are bound to the client's certificate, metadata, and public keys.
//! How much: bodies, requests a second and connections are bounded.
//! Absent on purpose: secrets, passwords, log-ins of people, codes, tokens that are bound to nothing.
//! What may be made of a token is for `bartizan_tokens` to say.

mod answer; // what is refused, and how that is said
mod ask; // start here: who asks, and with what
mod end; // the certificate that it shows
mod introspect;
mod judge; // what operators ask about a token
mod keep; // as long as the fleet file says
mod metadata;
mod rates;
mod revoke;
mod revoked; // what was taken back
mod server; // keys, and who asked how often
mod sessions; // what becomes of tokens when a session ends
mod token;

pub(crate) use judge::judge;
pub(crate) use keep::keep;
pub use revoked::RevokedError;
pub(crate) use revoked::{publish, revoke};
pub(crate) use server::Server;
pub(crate) use sessions::sessions_ended;

use crate::app::App;
use crate::people;
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

/// Where the parts are, below the issuer.
mod paths {
    pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";
    pub(super) const JWKS: &str = "/jwks";
    pub(super) const TOKEN: &str = "/token";
    pub(super) const INTROSPECT: &str = "/introspect";
    pub(super) const REVOKE: &str = "/revoke";
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(paths::METADATA, get(metadata::metadata))
        .route(paths::JWKS, get(metadata::jwks))
        .route(paths::TOKEN, post(token::token))
        .route(paths::INTROSPECT, post(introspect::introspect))
        .route(paths::REVOKE, post(revoke::revoke))
        .merge(people::router(&app))
        .with_state(app)
}
