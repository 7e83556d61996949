//! `POST /par` (RFC 9126): an app says what it wants before it sends the browser, which then carries a name alone.

use super::answer::{Refusal, unstored};
use super::ask::{Asked, Connection, take, take_as};
use super::paths;
use super::rates::Who;
use super::token::add_nonce;
use crate::app::App;
use axum::Extension;
use axum::extract::{Request as HttpRequest, State};
use axum::http::StatusCode;
use axum::response::Response;
use bartizan_crypto::{base64, random};
use bartizan_runtime::clock;
use bartizan_tokens::limits::PUSHED_TTL;
use bartizan_tokens::request::{Request, RequestError};
use serde_json::{Value, json};
use std::sync::Arc;

/// What comes before the name of a pushed request.
pub(super) const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";

pub(super) async fn push(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: HttpRequest,
) -> Response {
    let mut answer = match keep(&app, &from, request).await {
        Ok(body) => {
            let mut answer = unstored(body);
            *answer.status_mut() = StatusCode::CREATED;
            answer
        }
        Err(refusal) => refusal.answer(&app, &from),
    };
    add_nonce(&app, &mut answer);
    answer
}

async fn keep(app: &App, from: &Connection, request: HttpRequest) -> Result<Value, Refusal> {
    take(app, from)?;
    take_as(app, Who::Pushing(from.remote.ip()))?;
    let now = clock::now();
    let asked = Asked::read(app, from, paths::PAR, request, now).await?;
    let caller = asked.app()?;
    if asked.form.get("request_uri").is_some() {
        return Err(Refusal::invalid_request("`request_uri` is what this answers with", ""));
    }
    let mut request = Request::read(&asked.form, &caller.id, &caller.rules).map_err(refused)?;
    match (request.key, asked.proof) {
        (Some(named), Some(proven)) if named != proven => {
            let public = "`dpop_jkt` and the proof name two keys";
            return Err(Refusal::bad("invalid_dpop_proof", public, ""));
        }
        (named, proven) => request.key = named.or(proven),
    }
    let name = base64::encode_url(&random::bytes::<32>());
    let kept = app.authorization.pushed.put(&name, request, now.plus(PUSHED_TTL), now);
    kept.map_err(|_| Refusal::unable("too many pushed requests wait"))?;
    Ok(json!({ "request_uri": format!("{REQUEST_URI}{name}"), "expires_in": PUSHED_TTL.as_secs() }))
}

fn refused(error: RequestError) -> Refusal {
    match error {
        RequestError::Page(why) => Refusal::invalid_request(why, ""),
        RequestError::App(refused) => {
            Refusal::bad(refused.code, "the request is not one that this app may make", refused.why)
        }
    }
}
