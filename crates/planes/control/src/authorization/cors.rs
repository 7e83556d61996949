//! Lets pages of apps read what is answered to them: pages of the origins that apps come back to, and no others, never with cookies.

use crate::app::App;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const ASKED_WITH: HeaderValue = HeaderValue::from_static("authorization, content-type, dpop");
const READ: HeaderValue = HeaderValue::from_static("dpop-nonce, retry-after, www-authenticate, x-request-id");
/// How long a browser remembers what it may ask, in seconds.
const REMEMBERED_S: HeaderValue = HeaderValue::from_static("600");

pub(super) async fn cors(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let known = match origin.as_ref().and_then(|origin| origin.to_str().ok()) {
        Some(origin) => is_of_an_app(&app, origin).await,
        None => false,
    };
    let is_question =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut answer = match is_question && known {
        true => StatusCode::NO_CONTENT.into_response(),
        false => next.run(request).await,
    };
    let headers = answer.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin.filter(|_| known) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        if is_question {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ASKED_WITH);
            headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED_S);
        }
    }
    answer
}

async fn is_of_an_app(app: &App, origin: &str) -> bool {
    let in_force = app.in_force();
    let Some(said) = in_force.desired.fleet.authorization.as_ref() else { return false };
    if said.apps.values().flat_map(|app| &app.redirect).any(|known| known.origin() == Some(origin)) {
        return true;
    }
    if said.registration.is_none() {
        return false;
    }
    app.authorization.grants(app).await.is_ok_and(|grants| grants.registered.has_origin(origin))
}
