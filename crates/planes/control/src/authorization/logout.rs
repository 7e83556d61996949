//! `/logout` (OpenID Connect RP-Initiated Logout): an app sends somebody to sign out here too.
//!
//! Where the app shows an ID token of this very session, it is over at once; otherwise the person is asked, so that no other site can
//! sign people out. A browser goes on to where the app registered, to the letter, and nowhere else.

use super::ask::{Connection, take};
use super::{back, carried, paths};
use crate::app::App;
use crate::error::chain;
use crate::limits::AUTHORIZATION_BODY_BYTES_MAX;
use crate::people::{self, Page, Problem, Visit, forms, hidden};
use axum::Extension;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_runtime::clock;
use bartizan_tokens::form::Form;
use bartizan_tokens::id_token::{Hint, read_hint};
use bartizan_tokens::limits::STATE_BYTES_MAX;
use bartizan_tokens::request::with_parameters;
use std::sync::Arc;

/// The field of the form that asks.
const TO: &str = "to";

/// `GET /logout`, and `POST` with the same parameters.
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: Request,
) -> Response {
    let now = clock::now();
    match begin(&app, &from, request, now).await {
        Ok(answer) => answer,
        Err(problem) => back::page(&app, &from, problem, now).await,
    }
}

async fn begin(app: &Arc<App>, from: &Connection, request: Request, now: Timestamp) -> Result<Response, Problem> {
    take(app, from).map_err(|_| Problem::too_often())?;
    let (head, body) = request.into_parts();
    let text = match head.method {
        Method::POST => to_bytes(body, AUTHORIZATION_BODY_BYTES_MAX).await.map_err(|_| {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "That was too long.", "logout: the body is too long")
        })?,
        _ => head.uri.query().unwrap_or_default().as_bytes().to_vec().into(),
    };
    let form = Form::parse(&text).map_err(|why| back::wrong("the parameters cannot be read", why))?;
    let hint = form.get("id_token_hint").and_then(|shown| read(app, shown, now));
    let to = target(app, &form, hint.as_ref()).await?;
    if head.method == Method::POST {
        // Another site may have sent the form, and then the browser keeps the session's cookie back; it does not for a link.
        let pairs: Vec<_> = form.iter().collect();
        return Ok(back::to(&with_parameters(paths::LOGOUT, &pairs)));
    }
    let Some(who) = people::signed_in(app, &head.headers, now).await else { return over(app, from, to, now).await };
    if hint.is_some_and(|hint| hint.session == Some(who.session)) {
        return end(app, from, &head.headers, to, now).await;
    }
    ask(app, from, &head.headers, to, now).await
}

fn read(app: &App, shown: &str, now: Timestamp) -> Option<Hint> {
    let in_force = app.in_force();
    let said = in_force.desired.fleet.authorization.as_ref()?;
    read_hint(&app.authorization.id_issuers(said, now).ok()?, shown).ok()
}

/// Where the browser goes afterwards: one of the app's own places, with its state.
async fn target(app: &App, form: &Form, hint: Option<&Hint>) -> Result<Option<String>, Problem> {
    let named = form.get("client_id");
    if let (Some(named), Some(hint)) = (named, hint)
        && named != hint.client_id
    {
        return Err(back::wrong("`client_id` and `id_token_hint` are of two apps", named));
    }
    let Some(to) = form.get("post_logout_redirect_uri") else { return Ok(None) };
    let client = named.or_else(|| hint.map(|hint| hint.client_id.as_str()));
    let client = client.ok_or_else(|| back::wrong("`post_logout_redirect_uri` came without an app's name", to))?;
    let rules =
        app.authorization.app(app, client).await.map_err(|_| Problem::bad("logout: apps cannot be looked up"))?;
    if !rules.is_some_and(|rules| rules.signed_out.iter().any(|known| known.allows(to))) {
        return Err(back::wrong("`post_logout_redirect_uri` is none that is registered for this app", to));
    }
    match form.get("state") {
        Some(state) if state.len() > STATE_BYTES_MAX => Err(back::wrong("`state` is too long", client)),
        Some(state) => Ok(Some(with_parameters(to, &[("state", state)]))),
        None => Ok(Some(to.to_owned())),
    }
}

async fn ask(
    app: &Arc<App>,
    from: &Connection,
    headers: &HeaderMap,
    to: Option<String>,
    now: Timestamp,
) -> Result<Response, Problem> {
    let visit = match Visit::of(app, from.remote, now).await {
        Ok(visit) => visit,
        Err(answer) => return Ok(*answer),
    };
    let sealed = carried::address(app, paths::LOGOUT_ON, &to, now);
    let sealed = sealed.map_err(|_| Problem::bad("logout: what comes afterwards is too long"))?;
    let mark = forms::mark(&visit, headers, paths::LOGOUT_ON);
    let body = format!(
        "<p>An app asks to sign you out here, and with it of what you use by this account.</p>\n\
         <form method=\"post\" action=\"{}\">\n{}{}\n<button>Sign out</button>\n</form>",
        paths::LOGOUT_ON,
        mark.field,
        hidden(TO, sealed.split_once('=').map_or("", |(_, sealed)| sealed)),
    );
    Ok(Page::new("Sign out?", body).cookies(mark.cookie).leads_out().answer(&visit))
}

/// `POST /logout/on`: somebody was asked.
pub(super) async fn confirmed(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: Request,
) -> Response {
    let now = clock::now();
    let visit = match Visit::of(&app, from.remote, now).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    let done = async {
        take(&app, &from).map_err(|_| Problem::too_often())?;
        let (headers, form) = forms::read(&visit, paths::LOGOUT_ON, request).await?;
        let to = carried::read(&app, paths::LOGOUT_ON, form.get(TO).unwrap_or_default(), now);
        let to = to.ok_or_else(|| Problem::bad("logout: too old, or none of ours"))?;
        end(&app, &from, &headers, to, now).await
    };
    done.await.unwrap_or_else(|problem| problem.answer(&visit))
}

async fn end(
    app: &Arc<App>,
    from: &Connection,
    headers: &HeaderMap,
    to: Option<String>,
    now: Timestamp,
) -> Result<Response, Problem> {
    let cookie = people::sign_out(app, headers, now).await.map_err(|error| {
        tracing::error!(why = chain(&error), "somebody could not be signed out");
        Problem::unable(&error)
    })?;
    let mut answer = over(app, from, to, now).await?;
    answer.headers_mut().append(SET_COOKIE, cookie);
    Ok(answer)
}

async fn over(app: &Arc<App>, from: &Connection, to: Option<String>, now: Timestamp) -> Result<Response, Problem> {
    if let Some(to) = to {
        return Ok(back::to(&to));
    }
    Ok(match Visit::of(app, from.remote, now).await {
        Ok(visit) => Page::new("Signed out", "<p>You are signed out.</p>".to_owned()).answer(&visit),
        Err(answer) => *answer,
    })
}
