//! What every request goes through: whether it means us, whether it comes too often, from which page it was sent, and whose it is.

use super::headers;
use super::names;
use super::refusal::{in_json, refuse, too_often};
use super::sessions::{Asker, csrf_of};
use super::{door, pages};
use crate::api::{Actor, router};
use crate::app::App;
use crate::error::chain;
use crate::limits::{CONSOLE_ANSWER_WITHIN, CONSOLE_REQUEST_PAUSE};
use crate::people;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_core::console::{Console, ConsoleRole, Way};
use bartizan_core::event::{Deed, Person, What};
use bartizan_core::host::Authority;
use bartizan_crypto::hash;
use bartizan_runtime::clock;
use bartizan_runtime::https::Visitor;
use std::sync::Arc;

/// The header that says that a page of ours sends a request.
pub(super) const CSRF: &str = "bartizan-csrf";
/// The header by which a page says that it asks by itself, as it does again and again, and that nobody did anything.
pub(crate) const BY_ITSELF: &str = "bartizan-by-itself";
/// What a page looks on at: who opens it again after it was cut off is the page.
const STREAM: &str = "/v1/stream";
/// Where a browser says whether the page that asks is of our own origin.
const FETCH_SITE: &str = "sec-fetch-site";

/// Who asks, by a session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Its name, which opens nothing.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) subject: Option<String>,
    pub(crate) role: ConsoleRole,
    pub(crate) way: Way,
    pub(crate) until: Timestamp,
    pub(crate) csrf: String,
    pub(crate) visitor: Visitor,
}

/// Everything there is, behind one gate.
pub(super) fn console(app: &Arc<App>) -> Router {
    // Whose request it is comes before whether there is anything at its path: nobody learns what there is.
    let signed_in = middleware::from_fn_with_state(Arc::clone(app), signed_in);
    let api = router(Arc::clone(app)).fallback(nothing).layer(signed_in);
    Router::new()
        .nest("/api", api)
        .merge(door::router(app))
        .fallback(pages::answer)
        .layer(middleware::from_fn_with_state(Arc::clone(app), gate))
}

async fn nothing() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is nothing of that name; `openapi.json` says what there is")
}

/// The outermost.
async fn gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut answer = match look(&app, &request) {
        Err(refused) => *refused,
        // Until its head: some answers go on for hours.
        Ok(()) => match tokio::time::timeout(CONSOLE_ANSWER_WITHIN, next.run(request)).await {
            Ok(answer) => in_json(answer).await,
            Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "it took too long; try again"),
        },
    };
    headers::put(answer.headers_mut());
    answer
}

fn look(app: &App, request: &Request) -> Result<(), Box<Response>> {
    let refused = |status, why| Err(Box::new(refuse(status, why)));
    let Some(visitor) = request.extensions().get::<Visitor>() else {
        return refused(StatusCode::NOT_FOUND, "it did not come over the console's port");
    };
    let in_force = app.in_force();
    let (said, headers) = (&in_force.desired.fleet.console, request.headers());
    let Some(asked) = one(headers, HOST.as_str()).and_then(|name| names::ours(name, visitor, said)) else {
        return refused(
            StatusCode::MISDIRECTED_REQUEST,
            "that is no name of this console; use its address, or write the name under `console.hosts` of the fleet file",
        );
    };
    if !app.console.rates.take_console(visitor.remote.ip()) {
        return Err(Box::new(too_often(CONSOLE_REQUEST_PAUSE)));
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    // Whoever follows a link elsewhere comes to a page.
    let is_guarded = changes || is_answer(request.uri().path());
    if is_guarded && !is_from_own_page(headers, &asked, visitor, said, changes) {
        tracing::warn!(remote = %visitor.remote, path = request.uri().path(), "a request of another page was refused");
        return refused(StatusCode::FORBIDDEN, "it was sent by a page of another origin");
    }
    Ok(())
}

/// Whether there is something for scripts behind a path, rather than a page.
fn is_answer(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/") || path.starts_with("/sign-in/")
}

/// Browsers say it in `Sec-Fetch-Site` and, where something is changed, in `Origin`. Who says neither is no browser, and has no cookie
/// that it did not get from us.
fn is_from_own_page(headers: &HeaderMap, asked: &Authority, visitor: &Visitor, said: &Console, changes: bool) -> bool {
    let site = match headers.get_all(FETCH_SITE).iter().count() {
        0 => true,
        // `none` is somebody who typed the address.
        _ => {
            matches!(one(headers, FETCH_SITE), Some("same-origin"))
                || (!changes && one(headers, FETCH_SITE) == Some("none"))
        }
    };
    let origin = match headers.get_all(ORIGIN).iter().count() {
        0 => true,
        _ => one(headers, ORIGIN.as_str()).is_some_and(|origin| names::is_own_origin(origin, asked, visitor, said)),
    };
    site && origin
}

/// The value of a header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Lets in whoever has a session, and to what changes something only pages that carry its mark.
async fn signed_in(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let visitor = request.extensions().get::<Visitor>().copied();
    let session = match session_of(&app, visitor, request.headers(), asker(&request), clock::now()).await {
        Ok(session) => session,
        Err(refused) => return *refused,
    };
    if let Err(refused) = check_mark(&app, &session, &request) {
        return *refused;
    }
    let actor = Actor::of_session(&session);
    request.extensions_mut().insert(session);
    request.extensions_mut().insert(actor);
    next.run(request).await
}

/// Who asks. What changes something is somebody's doing, whatever it says of itself.
fn asker(request: &Request) -> Asker {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let by_itself = request.headers().contains_key(BY_ITSELF) || request.uri().path() == STREAM;
    if looks && by_itself { Asker::Page } else { Asker::Person }
}

/// The session of a request with these headers.
pub(super) async fn session_of(
    app: &Arc<App>,
    visitor: Option<Visitor>,
    headers: &HeaderMap,
    asker: Asker,
    now: Timestamp,
) -> Result<Session, Box<Response>> {
    let nobody =
        || Box::new(refuse(StatusCode::UNAUTHORIZED, "nobody is signed in; `bartizan console link` gives a link"));
    let visitor = visitor.ok_or_else(nobody)?;
    let fleet = app.in_force().desired.fleet.name.clone();
    let secret = cookies(fleet.as_str()).into_iter().find_map(|name| cookie(headers, &name).map(str::to_owned));
    let secret = secret.ok_or_else(nobody)?;
    let (row, due) = app.console.book.find(&secret, asker, now).ok_or_else(nobody)?;
    if due && let Err(error) = app.console.book.save().await {
        // After a restart it would be over sooner than it is; that is all.
        tracing::warn!(error = chain(&error), "that a session of the console is used was not written down");
    }
    let role = match &row.subject {
        None => Some(row.role),
        // What a person may do is not older than this request.
        Some(subject) => role_of_person(app, subject).await?,
    };
    let Some(role) = role else {
        if let Some(subject) = &row.subject {
            app.console.end_of_person(subject);
        }
        return Err(nobody());
    };
    Ok(Session {
        id: row.session,
        name: row.name,
        subject: row.subject,
        role,
        way: row.way,
        until: row.until,
        csrf: csrf_of(&secret),
        visitor,
    })
}

/// Whether whoever has that session may look on.
pub(crate) async fn still_may(app: &App, session: &Session) -> bool {
    match &session.subject {
        None => true,
        Some(subject) => matches!(role_of_person(app, subject).await, Ok(Some(_))),
    }
}

/// `None` for somebody who may not come any more.
async fn role_of_person(app: &App, subject: &str) -> Result<Option<ConsoleRole>, Box<Response>> {
    let account = people::account(app, subject).await.map_err(|error| {
        tracing::error!(why = chain(&error), "it cannot be said what somebody may do");
        Box::new(refuse(StatusCode::SERVICE_UNAVAILABLE, "it cannot be said who is signed in; try again"))
    })?;
    Ok(account.and_then(|account| app.in_force().desired.fleet.console.role_of(&account.roles)))
}

/// Whether a request that changes something was sent by a page of ours: only such a page knows what to put there.
pub(super) fn check_mark(app: &App, session: &Session, request: &Request) -> Result<(), Box<Response>> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    let shown = one(request.headers(), CSRF).unwrap_or_default();
    if hash::equal(shown.as_bytes(), session.csrf.as_bytes()) {
        return Ok(());
    }
    tell(app, session, Deed::Forbidden, &format!("{} {}: without `{CSRF}`", request.method(), request.uri().path()));
    Err(Box::new(refuse(StatusCode::FORBIDDEN, "the header `bartizan-csrf` is missing or wrong; `me` says it")))
}

/// Tells what somebody did at the console.
pub(crate) fn tell(app: &App, session: &Session, deed: Deed, reason: &str) {
    app.own_events.write(
        None,
        What::Person(Person {
            subject: session.subject.as_deref().map(Into::into),
            name: Some(session.name.as_str().into()),
            deed,
            factors: None,
            reason: Some(reason.into()),
            remote: Some(session.visitor.remote),
            by: None,
        }),
    );
}

/// Names of the cookie: over TLS, and not. Browsers send cookies to all ports of a host, so that each fleet needs a name of its own.
pub(super) fn cookies(fleet: &str) -> [String; 2] {
    [format!("__Host-console-{fleet}"), format!("console-{fleet}")]
}

/// The value of a cookie. `None` where it is not there, or there twice.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim_ascii().split_once('='));
    let mut values = pairs.filter(|(it, _)| *it == name).map(|(_, value)| value);
    values.next().filter(|value| !value.is_empty() && values.next().is_none())
}
