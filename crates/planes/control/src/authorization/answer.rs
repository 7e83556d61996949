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
    /// What else goes out with it.
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, public: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, public, detail: detail.into(), headers: Vec::new() }
    }

    /// With a header.
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Its word.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// What the client may know.
    pub(super) fn public(&self) -> &'static str {
        self.public
    }

    /// Whether the same may come about later.
    pub(super) fn is_passing(&self) -> bool {
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// Why, for operators: more than the client may know, where there is more.
    pub(super) fn reason(&self) -> &str {
        if self.detail.is_empty() { self.public } else { &self.detail }
    }

    /// With another status.
    pub(super) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// What is shown (a code, a refresh token) counts for nothing here (RFC 6749 section 5.2).
    pub(super) fn invalid_grant(detail: impl Into<String>) -> Self {
        Self::bad("invalid_grant", "it is not accepted", detail)
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

    /// The word and the sentence for a client that is told in another way; operators find the rest in the log.
    pub(super) fn words(self) -> (&'static str, String) {
        tracing::warn!(code = self.code, detail = self.detail, "a request was refused");
        (self.code, self.public.to_owned())
    }

    /// Tells the client what it may know, and operators the rest.
    pub(super) fn answer(self, app: &App, from: &Connection) -> Response {
        let Self { status, code, public, detail, headers } = self;
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
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                answer.headers_mut().append(name, value);
            }
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
