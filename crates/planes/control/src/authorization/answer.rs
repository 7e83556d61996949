//! How something is refused: an error as RFC 6749 section 5.2 has it for the client, the check for operators, and one reference
//! in both.

use super::ask::Connection;
use crate::app::App;
use axum::Json;
use axum::http::header::{CACHE_CONTROL, PRAGMA, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bartizan_core::RequestId;
use bartizan_core::event::{Refused, What};
use bartizan_crypto::random;
use serde_json::{Value, json};

/// Where the reference is, beside the body.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why nothing is given.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    /// What the client may know.
    public: &'static str,
    /// What an operator has to know.
    detail: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, public: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, public, detail: detail.into() }
    }

    /// With an error of the token endpoint.
    pub(super) fn bad(code: &'static str, public: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, public, detail)
    }

    /// The request makes no sense.
    pub(super) fn invalid_request(public: &'static str, detail: impl Into<String>) -> Self {
        Self::bad("invalid_request", public, detail)
    }

    /// Whoever asks is no client, or not the one that it says.
    pub(super) fn invalid_client(detail: impl Into<String>) -> Self {
        let public = "show the certificate of a client of this server, and name that client";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", public, detail)
    }

    /// The body is too long.
    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "the body is too long", "")
    }

    /// Whoever asks, asks too often.
    pub(super) fn too_often() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "ask less often", "")
    }

    /// It is our fault.
    pub(super) fn unable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again", detail)
    }

    /// Tells the client what it may know, and operators the rest.
    pub(super) fn answer(self, app: &App, from: &Connection) -> Response {
        let Self { status, code, public, detail } = self;
        let request = RequestId::from_random(random::bytes());
        let rule = if detail.is_empty() { code.to_owned() } else { format!("{code}: {detail}") };
        let peer = from.peer.as_ref().map(|peer| peer.id().clone());
        let refused = Refused { peer, remote: Some(from.remote), rule: rule.into(), status: status.as_u16() };
        app.own_events.write_of(request, What::Refused(refused));
        let body = json!({ "error": code, "error_description": format!("{public} (reference {request})") });
        let mut answer = (status, unstored(body)).into_response();
        if let Ok(id) = HeaderValue::from_str(&request.to_string()) {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

/// A body that nobody on the way may keep (RFC 6749 section 5.1).
pub(super) fn unstored(body: Value) -> Response {
    let mut answer = Json(body).into_response();
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}
