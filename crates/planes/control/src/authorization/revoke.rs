//! `POST /revoke` (RFC 7009): a client takes back a token that it was given; with a refresh token, all that came of the same grant.

use super::answer::{Refusal, unstored};
use super::ask::{Asked, Caller, Connection, take};
use super::introspect::find;
use super::{family, paths};
use crate::app::App;
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_runtime::clock;
use bartizan_tokens::grant::RefreshToken;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: Request,
) -> Response {
    let done = take_back(&app, &from, request).await;
    done.map_or_else(|refusal| refusal.answer(&app, &from), unstored)
}

async fn take_back(app: &App, from: &Connection, request: Request) -> Result<Value, Refusal> {
    take(app, from)?;
    let now = clock::now();
    let asked = Asked::read(app, from, paths::REVOKE, request, now).await?;
    let text = asked.form.get("token").ok_or_else(|| Refusal::invalid_request("`token` is missing", ""))?;
    if matches!(asked.caller, Caller::App(_)) && end_family(app, &asked, text, now).await? {
        return Ok(json!({}));
    }
    // What is no token, or none any more, is as revoked as it can be (RFC 7009 section 2.2).
    let Some(token) = find(app, &asked, text, now)? else { return Ok(json!({})) };
    if token.client_id != asked.id() {
        return Err(others(&asked, &token.client_id));
    }
    let taken = app.authorization.revoked.take_back(&token, now);
    taken.map(|()| json!({})).map_err(|error| Refusal::unable(error.to_string()))
}

/// True where it was a refresh token.
async fn end_family(app: &App, asked: &Asked, text: &str, now: Timestamp) -> Result<bool, Refusal> {
    let grants = app.authorization.grants(app).await?;
    let token = grants.key().ok().and_then(|key| RefreshToken::read(text, key));
    let Some(token) = token else { return Ok(false) };
    let stored = grants.store.family(&token.family().0).await;
    let Some(stored) = stored.map_err(|error| Refusal::unable(crate::error::chain(&error)))? else { return Ok(true) };
    if stored.client != asked.id() {
        return Err(others(asked, &stored.client));
    }
    family::end(app, token.family(), now).await.map(|()| true)
}

fn others(asked: &Asked, owner: &str) -> Refusal {
    let detail = format!("`{}` would take back a token of `{owner}`", asked.id());
    Refusal::bad("unauthorized_client", "the token was given to another client", detail)
}
