//! How a page looks, and what a browser may do with it.

use super::gate::Visit;
use super::markup::escape;
use super::paths;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bartizan_core::RequestId;
use bartizan_core::event::{Refused, What};
use bartizan_crypto::{hash, random};

const STYLE: &str = include_str!("people.css");
const SCRIPT: &str = include_str!("passkey.js");
/// A turret. Without one named, browsers ask for `/favicon.ico`.
const ICON: &str = include_str!("icon.svg");
/// Nothing from elsewhere, nothing inline, in no frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    status: StatusCode,
    title: &'static str,
    body: String,
    cookies: Vec<HeaderValue>,
    leads_out: bool,
}

impl Page {
    /// `body` is markup.
    pub(crate) fn new(title: &'static str, body: String) -> Self {
        Self { status: StatusCode::OK, title, body, cookies: Vec::new(), leads_out: false }
    }

    pub(super) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn cookies(mut self, cookies: impl IntoIterator<Item = HeaderValue>) -> Self {
        self.cookies.extend(cookies);
        self
    }

    /// What its forms are answered with may lead to a client, elsewhere. Browsers hold redirects against `form-action` too.
    pub(crate) fn leads_out(self) -> Self {
        Self { leads_out: true, ..self }
    }

    pub(crate) fn answer(self, visit: &Visit) -> Response {
        let Self { status, title, body, cookies, leads_out } = self;
        let fleet = escape(visit.app.in_force().desired.fleet.name.as_str());
        let text = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} \u{b7} {fleet}</title>\n\
             <link rel=\"icon\" type=\"image/svg+xml\" href=\"{}?v={}\">\n\
             <link rel=\"stylesheet\" href=\"{}?v={}\">\n</head>\n<body>\n<main>\n<p class=\"fleet\">{fleet}</p>\n\
             <h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n",
            paths::ICON,
            version(ICON),
            paths::STYLE,
            version(STYLE),
        );
        let policy = if leads_out { POLICY.to_owned() } else { format!("{POLICY}; form-action 'self'") };
        let mut answer = (status, text).into_response();
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
        guard(&mut answer);
        with_cookies(answer, cookies)
    }
}

/// What every answer says to browsers.
fn guard(answer: &mut Response) {
    let headers = answer.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    // Not `no-referrer`: browsers then send the forms of this very page with `Origin: null`.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

/// Sends a browser to a path of this server.
pub(super) fn see_other(path: &str) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        answer.headers_mut().insert(LOCATION, path);
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    guard(&mut answer);
    answer
}

/// The same with cookies.
pub(super) fn with_cookies(mut answer: Response, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    for cookie in cookies {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}

fn version(text: &str) -> String {
    hash::hex(&hash::sha256(text.as_bytes())[..4])
}

/// A file that never changes under its address, which names its hash.
fn unchanging(text: &'static str, kind: &'static str) -> Response {
    let mut answer = text.into_response();
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400, immutable"));
    guard(&mut answer);
    answer
}

pub(super) async fn style(_request: Request) -> Response {
    unchanging(STYLE, "text/css; charset=utf-8")
}

pub(super) async fn script(_request: Request) -> Response {
    unchanging(SCRIPT, "text/javascript; charset=utf-8")
}

pub(super) async fn icon(_request: Request) -> Response {
    unchanging(ICON, "image/svg+xml")
}

/// Where the one script is.
pub(super) fn script_address() -> String {
    format!("{}?v={}", paths::SCRIPT, version(SCRIPT))
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// What a person may know.
    public: &'static str,
    /// A short word, and what an operator has to know.
    rule: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, public: &'static str, rule: impl Into<String>) -> Self {
        Self { status, public, rule: rule.into() }
    }

    /// The request is none that a page of ours sends.
    pub(crate) fn bad(rule: impl Into<String>) -> Self {
        let public = "This page was open for too long, or was not opened here. Go back and begin again.";
        Self::new(StatusCode::BAD_REQUEST, public, rule)
    }

    /// Another site sent it.
    pub(super) fn foreign(rule: impl Into<String>) -> Self {
        let public = "This did not come from a page of this site. Go back and begin again.";
        Self::new(StatusCode::FORBIDDEN, public, rule)
    }

    pub(crate) fn too_often() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests. Wait a moment.", "too_many_requests")
    }

    pub(crate) fn unable(why: &dyn std::error::Error) -> Self {
        let why = format!("unable: {}", crate::error::chain(why));
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "This cannot be done now. Try again in a moment.", why)
    }

    pub(crate) fn answer(self, visit: &Visit) -> Response {
        let Self { status, public, rule } = self;
        let request = RequestId::from_random(random::bytes());
        let refused = Refused { peer: None, remote: Some(visit.remote), rule: rule.into(), status: status.as_u16() };
        visit.app.own_events.write_of(request, What::Refused(refused));
        let body = format!("<p>{public}</p>\n<p class=\"quiet\">Reference {request}</p>");
        let mut answer = Page::new("That did not work", body).status(status).answer(visit);
        if let Ok(id) = HeaderValue::from_str(&request.to_string()) {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

impl From<super::desk::PeopleError> for Problem {
    fn from(error: super::desk::PeopleError) -> Self {
        Self::unable(&error)
    }
}

impl From<bartizan_store::StoreError> for Problem {
    fn from(error: bartizan_store::StoreError) -> Self {
        Self::unable(&error)
    }
}

impl From<super::hasher::HashError> for Problem {
    fn from(error: super::hasher::HashError) -> Self {
        Self::unable(&error)
    }
}
