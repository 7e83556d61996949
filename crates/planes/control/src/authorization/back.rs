//! What a browser is told: where it goes next, or why it goes nowhere.

use super::ask::Connection;
use crate::app::App;
use crate::people::{Problem, Visit};
use axum::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bartizan_core::RequestId;
use bartizan_core::Timestamp;
use bartizan_core::event::{Refused, What};
use bartizan_crypto::random;
use bartizan_tokens::request::{Refused as ToApp, with_parameters};
use std::sync::Arc;

/// Sends a browser somewhere, by GET, without a word about where it was.
pub(super) fn to(address: &str) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    if let Ok(address) = HeaderValue::from_str(address) {
        answer.headers_mut().insert(LOCATION, address);
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A code stands in the address that it goes to, and a request in the one that it comes from.
    answer.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

/// Tells an app why it gets no code, and operators.
pub(super) fn refused(app: &App, from: &Connection, issuer: &str, client: &str, refused: &ToApp) -> Response {
    let ToApp { redirect_uri, state, code, why } = refused;
    let reference = note(app, from, format!("{code}: `{client}`: {why}"));
    let why = format!("{why} (reference {reference})");
    let mut parameters = vec![("error", *code), ("error_description", why.as_str())];
    parameters.extend(state.as_deref().map(|state| ("state", state)));
    // Which server answers: an app that asks several cannot be made to mix them up (RFC 9207).
    parameters.push(("iss", issuer));
    to(&with_parameters(redirect_uri, &parameters))
}

fn note(app: &App, from: &Connection, rule: String) -> RequestId {
    let request = RequestId::from_random(random::bytes());
    let status = StatusCode::SEE_OTHER.as_u16();
    let refused = Refused { peer: None, remote: Some(from.remote), rule: rule.into(), status };
    app.own_events.write_of(request, What::Refused(refused));
    request
}

/// A page that says why nothing comes of it: there is nobody else who could be told.
pub(super) async fn page(app: &Arc<App>, from: &Connection, problem: Problem, now: Timestamp) -> Response {
    match Visit::of(app, from.remote, now).await {
        Ok(visit) => problem.answer(&visit),
        Err(answer) => *answer,
    }
}

/// The problem of a request that an app made.
pub(super) fn wrong(why: &'static str, detail: impl std::fmt::Display) -> Problem {
    let public = "The app sent you here with something that does not fit. Go back to it and begin again.";
    Problem::new(StatusCode::BAD_REQUEST, public, format!("authorize: {why}: {detail}"))
}
