//! The authorization server (OAuth 2.1, OpenID Connect): for workloads of the fleet, which show their certificate instead of a secret
//! (RFC 8705), and for apps that people use.
//!
//! In: requests over TLS, with who the client proved to be; the fleet file's clients and apps; who is signed in, by `people`.
//! Out: tokens that are bound to a certificate or key, ID tokens, metadata, and public keys.
//! How much: bodies, requests a second, what is remembered and connections are bounded.
//! Absent on purpose: secrets of clients, the implicit grant, the password grant, answers in fragments; what a page looks like, which is
//! for `people`. What may be made of a code or a token is for `bartizan_tokens` to say.

mod answer; // what is refused, and how that is said
mod ask; // start here: who asks, and with what
mod authorize; // an app sends a browser
mod back; // where a browser goes next
mod carried; // what it carries meanwhile
mod code; // from the log-in to the tokens
mod cors;
mod device; // a code that is typed elsewhere
mod end; // the certificate that it shows
mod ended; // sessions that are over
mod family; // all tokens of one grant
mod given; // what goes out
mod granting; // what lasts of grants
pub(crate) mod inside; // the gateway, where people log in at it
mod introspect;
mod judge; // what operators ask about a token
mod keep; // as long as the fleet file says
mod logout;
mod metadata;
mod once; // what is remembered for minutes
mod operate; // what operators do with clients
mod par; // requests that are pushed
mod proof; // that somebody holds a key
mod rates;
mod register; // apps that register themselves
mod registered;
mod revoke;
mod revoked; // what was taken back
mod server; // keys, what is under way, and who asked how often
mod sessions; // what becomes of tokens when a session ends
mod telling; // apps are told when a session ends
mod token;
mod userinfo;

pub(crate) use ended::end_sessions;
pub(crate) use judge::judge;
pub(crate) use keep::keep;
pub(crate) use operate::{
    ClientError, add as add_client, list as list_clients, remove as remove_client, rotate as rotate_client,
    show as show_client,
};
pub(crate) use rates::Rates;
pub use revoked::RevokedError;
pub(crate) use revoked::{publish, revoke};
pub(crate) use server::Server;
pub(crate) use sessions::sessions_ended;
pub(crate) use telling::{check as check_apps, tell_apps};

use crate::app::App;
use crate::people;
use crate::settled::before_answers;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use std::sync::Arc;

/// Where the parts are, below the issuer.
mod paths {
    pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";
    pub(super) const OPENID: &str = "/.well-known/openid-configuration";
    pub(super) const JWKS: &str = "/jwks";
    pub(super) const TOKEN: &str = "/token";
    pub(super) const INTROSPECT: &str = "/introspect";
    pub(super) const REVOKE: &str = "/revoke";
    pub(super) const AUTHORIZE: &str = "/authorize";
    pub(super) const AUTHORIZE_ON: &str = "/authorize/on";
    pub(super) const PAR: &str = "/par";
    pub(super) const DEVICE_AUTHORIZATION: &str = "/device_authorization";
    pub(super) const DEVICE: &str = "/device";
    pub(super) const DEVICE_ON: &str = "/device/on";
    pub(super) const USERINFO: &str = "/userinfo";
    pub(super) const LOGOUT: &str = "/logout";
    pub(super) const LOGOUT_ON: &str = "/logout/on";
    pub(super) const REGISTER: &str = "/register";
    pub(super) const REGISTERED: &str = "/register/{id}";
    /// The parameter that a browser carries.
    pub(super) const CARRIED: &str = "go";
}

#[cfg(test)]
mod tests;

fn router(app: Arc<App>) -> Router {
    // What scripts of apps ask. Where browsers go by themselves, no script may read.
    let for_scripts = Router::new()
        .route(paths::METADATA, get(metadata::metadata))
        .route(paths::OPENID, get(metadata::openid))
        .route(paths::JWKS, get(metadata::jwks))
        .route(paths::TOKEN, post(token::token))
        .route(paths::PAR, post(par::push))
        .route(paths::USERINFO, get(userinfo::userinfo).post(userinfo::userinfo))
        .route(paths::REVOKE, post(revoke::revoke))
        .route_layer(from_fn_with_state(Arc::clone(&app), cors::cors));
    Router::new()
        .route(paths::INTROSPECT, post(introspect::introspect))
        .route(paths::AUTHORIZE, get(authorize::authorize).post(authorize::authorize))
        .route(paths::AUTHORIZE_ON, get(authorize::come_back))
        .route(paths::DEVICE_AUTHORIZATION, post(device::begin))
        .route(paths::DEVICE, get(device::page).post(device::typed))
        .route(paths::DEVICE_ON, get(device::answered))
        .route(paths::LOGOUT, get(logout::logout).post(logout::logout))
        .route(paths::LOGOUT_ON, post(logout::confirmed))
        .route(paths::REGISTER, post(register::register))
        .route(paths::REGISTERED, get(register::show).put(register::replace).delete(register::remove))
        .merge(for_scripts)
        .merge(people::router(&app))
        .layer(from_fn_with_state(Arc::clone(&app), before_answers))
        .with_state(app)
}
