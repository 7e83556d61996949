//! People who sign in at the authorization server: accounts, passwords, sessions, and the pages for them.
//!
//! In: requests of browsers over TLS, on the listener of the authorization server; commands of operators over the local API.
//! Out: who is behind a session ([`signed_in`]), pages that lead back to where somebody came from ([`to_sign_in`],
//! [`ask_consent`]), what is known of somebody ([`account`]).
//! How much: forms, states, hashes of passwords at once and sessions of each person are bounded.
//! Absent on purpose: what tokens come of it, which is for `authorization` to say; scripts in pages, but for one file for
//! passkeys; passwords that an operator knows.

mod common; // passwords that are tried first
mod consent; // what a client may do
mod cookies;
mod deeds; // what is told of people
mod desk; // what all parts share
mod ended; // who hears that a session is over
mod enrol; // an app for codes
mod factors; // second ones, that people type
pub(crate) mod forms; // forms that nobody else can send for somebody
mod gate; // start here: what every request goes through
mod hasher; // passwords, on threads of their own
mod home; // the page of somebody who is signed in
mod keys;
mod known; // browsers in which somebody signed in before
mod links; // links that are used once
mod markup; // text in pages
mod pages; // how a page looks and what a browser may do with it
mod passkeys;
mod person; // what is known of somebody
mod prove; // for the console
mod second_factor;
mod session;
mod sign_in;
mod step; // between password and second factor
mod tries; // how often somebody may guess
mod upstream; // other identity providers
mod users; // for operators
mod way; // where somebody came from
mod welcome; // the first password

pub(crate) use desk::People;
pub(crate) use ended::Ended;
pub(crate) use prove::{Proof, prove};
pub(crate) use tries::{Rule, Tries, Who as Guesser};
pub(crate) use upstream::{check as check_upstreams, keep as keep_upstreams};
pub(crate) use users::{UserError, add, change_roles, list, remove, reset, set_disabled, show, sign_out_all};

pub(crate) use {
    consent::{Wanted, ask_consent, has_consent},
    desk::PeopleError,
    gate::Visit,
    markup::{escape, hidden},
    pages::{Page, Problem},
    person::{Account, account},
    session::{ACR_ONE_FACTOR, ACR_TWO_FACTORS, SignedIn, is_alive, sign_out, signed_in},
    way::{Way, to_sign_in},
};

use crate::app::App;
use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use std::sync::Arc;

#[cfg(test)]
pub(crate) mod tests;

/// Where the pages are, below the issuer.
mod paths {
    pub(super) const SIGN_IN: &str = "/sign-in";
    pub(super) const SIGN_OUT: &str = "/sign-out";
    pub(super) const WELCOME: &str = "/welcome";
    pub(super) const CONSENT: &str = "/consent";
    pub(super) const ACCOUNT: &str = "/account";
    pub(super) const SECOND_FACTOR: &str = "/second-factor";
    pub(super) const SIGN_OUT_EVERYWHERE: &str = "/account/sign-out-everywhere";
    pub(super) const END_SESSION: &str = "/account/sessions/end";
    pub(super) const END_CONSENT: &str = "/account/consents/end";
    pub(super) const PASSWORD: &str = "/account/password";
    pub(super) const CODE: &str = "/account/code";
    pub(super) const REMOVE_CODE: &str = "/account/code/remove";
    pub(super) const RECOVERY: &str = "/account/code/recovery";
    pub(super) const PASSKEY: &str = "/passkey";
    pub(super) const SECOND_PASSKEY: &str = "/second-factor/passkey";
    pub(super) const PASSKEYS: &str = "/account/passkeys";
    pub(super) const REMOVE_PASSKEY: &str = "/account/passkeys/remove";
    pub(super) const WITH: &str = "/sign-in/with";
    pub(super) const BACK: &str = "/sign-in/with/{name}/back";
    pub(super) const CONNECT: &str = "/account/elsewhere";
    pub(super) const DISCONNECT: &str = "/account/elsewhere/remove";
    pub(super) const SCRIPT: &str = "/static/passkey.js";
    pub(super) const STYLE: &str = "/static/people.css";
    pub(super) const ICON: &str = "/static/icon.svg";
}

/// The pages; they are not there where the fleet file has no `people`.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route(paths::SIGN_IN, get(sign_in::show).post(sign_in::sign_in))
        .route(paths::SIGN_OUT, post(home::sign_out))
        .route(paths::WELCOME, get(welcome::show).post(welcome::set_password))
        .route(paths::CONSENT, post(consent::answer))
        .route(paths::SECOND_FACTOR, get(second_factor::show).post(second_factor::check))
        .route(paths::ACCOUNT, get(home::show))
        .route(paths::SIGN_OUT_EVERYWHERE, post(home::sign_out_everywhere))
        .route(paths::END_SESSION, post(home::end_session))
        .route(paths::END_CONSENT, post(home::end_consent))
        .route(paths::PASSWORD, get(home::show_password).post(home::change_password))
        .route(paths::CODE, get(home::show_code).post(home::add_code))
        .route(paths::REMOVE_CODE, post(home::remove_code))
        .route(paths::RECOVERY, post(home::new_recovery))
        .route(paths::PASSKEY, post(passkeys::sign_in))
        .route(paths::SECOND_PASSKEY, post(passkeys::second_factor))
        .route(paths::PASSKEYS, get(home::show_passkeys).post(home::add_passkey))
        .route(paths::REMOVE_PASSKEY, post(home::remove_passkey))
        .route(paths::WITH, post(upstream::begin))
        .route(paths::BACK, get(upstream::come_back))
        .route(paths::CONNECT, post(home::connect))
        .route(paths::DISCONNECT, post(home::disconnect))
        .route(paths::SCRIPT, get(pages::script))
        .route(paths::STYLE, get(pages::style))
        .route(paths::ICON, get(pages::icon))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), gate::gate))
}
