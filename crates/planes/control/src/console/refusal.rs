//! How an answer says that it is none: `{ "error": … }` with a status, whatever the endpoint says it with.

use crate::limits::CONSOLE_REFUSAL_BYTES_MAX;
use axum::Json;
use axum::body::to_bytes;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bartizan_core::console::Refusal;
use std::time::Duration;

/// One with that text.
pub(super) fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(Refusal { error: why.to_owned(), wants_code: None })).into_response()
}

/// 429: to come later.
pub(super) fn too_often(wait: Duration) -> Response {
    let mut answer = refuse(StatusCode::TOO_MANY_REQUESTS, "too often; wait a while, then try again");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    answer
}

/// The same answer, in the form of the console where it is a refusal in another one.
pub(super) async fn in_json(answer: Response) -> Response {
    const KEPT: [HeaderName; 2] = [RETRY_AFTER, ALLOW];
    let status = answer.status();
    let is_json = answer.headers().get(CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"application/json"));
    if !(status.is_client_error() || status.is_server_error()) || is_json {
        return answer;
    }
    let (head, body) = answer.into_parts();
    let text = to_bytes(body, CONSOLE_REFUSAL_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let why = match text.trim() {
        "" => status.canonical_reason().unwrap_or("refused").to_lowercase(),
        text => text.to_owned(),
    };
    let mut answer = refuse(status, &why);
    for name in KEPT {
        if let Some(value) = head.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}
