//! The pages, which are part of this program.

use super::refusal::refuse;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// Whether they are in this build.
pub(super) const BUILT: bool = false;

/// What is there in their place.
const NOT_BUILT: &str = include_str!("not_built.html");

/// Every path that is no endpoint.
pub(super) async fn answer(method: Method, uri: Uri) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "pages are only looked at");
    }
    if uri.path().starts_with("/assets/") || uri.path().starts_with("/sign-in/") {
        return refuse(StatusCode::NOT_FOUND, "there is nothing of that name");
    }
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response()
}
