//! `POST /introspect` (RFC 7662): what a token says, for the client that has it and for the one that it is for. Both show a certificate:
//! what proves nothing about who asks is told nothing.

use super::answer::{Refusal, unstored};
use super::ask::{Asked, Connection, take};
use super::paths;
use crate::app::App;
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_runtime::clock;
use bartizan_tokens::AccessToken;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn introspect(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: Request,
) -> Response {
    let said = say(&app, &from, request).await;
    said.map_or_else(|refusal| refusal.answer(&app, &from), unstored)
}

async fn say(app: &App, from: &Connection, request: Request) -> Result<Value, Refusal> {
    take(app, from)?;
    let now = clock::now();
    let asked = Asked::read(app, from, paths::INTROSPECT, request, now).await?;
    if asked.peer().is_none() {
        return Err(Refusal::invalid_client(format!("`{}` showed no certificate", asked.id())));
    }
    let text = asked.form.get("token").ok_or_else(|| Refusal::invalid_request("`token` is missing", ""))?;
    let id = asked.id();
    let token = find(app, &asked, text, now)?.filter(|token| token.client_id == id || token.audiences.contains(&id));
    // Whoever may not know learns as much as of a token that is none.
    Ok(token.map_or_else(|| json!({ "active": false }), |token| active(&token)))
}

/// A token of ours that counts, whoever shows it; `None` for every other text.
pub(super) fn find(app: &App, asked: &Asked, text: &str, now: Timestamp) -> Result<Option<AccessToken>, Refusal> {
    let issuers = app.authorization.issuers(asked.server()?, now);
    let issuers = issuers.map_err(|error| Refusal::unable(error.to_string()))?;
    // Whom it is for and bound to is not for us to check: it was shown by somebody who asks about it.
    Ok(bartizan_tokens::inspect(&issuers, text, now).ok().filter(|token| !app.authorization.revoked.has(token)))
}

fn active(token: &AccessToken) -> Value {
    let mut said = Value::Object(token.claims.clone());
    said["active"] = json!(true);
    said["token_type"] = json!(if token.binding.key.is_some() { "DPoP" } else { "Bearer" });
    said
}
