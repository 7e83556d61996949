//! `POST /revoke` (RFC 7009): a client takes back a token that it was given.

use super::answer::{Refusal, unstored};
use super::ask::{Asked, Connection, take};
use super::introspect::find;
use crate::app::App;
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use bartizan_runtime::clock;
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
    let asked = Asked::read(app, from, request, now).await?;
    let text = asked.form.get("token").ok_or_else(|| Refusal::invalid_request("`token` is missing", ""))?;
    // What is no token, or none any more, is as revoked as it can be (RFC 7009 section 2.2).
    let Some(token) = find(app, &asked, text, now)? else { return Ok(json!({})) };
    let id = asked.peer.id().to_string();
    if token.client_id != id {
        let detail = format!("`{id}` would take back a token of `{}`", token.client_id);
        return Err(Refusal::bad("unauthorized_client", "the token was given to another client", detail));
    }
    let taken = app.authorization.revoked.take_back(&token, now);
    taken.map(|()| json!({})).map_err(|error| Refusal::unable(error.to_string()))
}
