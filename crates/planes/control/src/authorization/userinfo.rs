//! `/userinfo` (OpenID Connect Core section 5.3): who somebody is, for an app that has a token with `openid`.

use super::answer::{Refusal, unstored};
use super::ask::{Connection, take};
use super::paths;
use super::proof::{At, DPOP};
use super::token::add_nonce;
use crate::app::App;
use crate::error::chain;
use crate::people::{self, Account};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_runtime::clock;
use bartizan_tokens::dpop::ALGS;
use bartizan_tokens::request::OPENID;
use bartizan_tokens::{AccessToken, PublicReason, Scopes};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn userinfo(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let said = say(&app, &from, &head).await;
    let mut answer = said.map_or_else(|refusal| refusal.answer(&app, &from), unstored);
    if head.headers.contains_key(DPOP) {
        add_nonce(&app, &mut answer);
    }
    answer
}

async fn say(app: &App, from: &Connection, head: &Parts) -> Result<Value, Refusal> {
    take(app, from)?;
    let now = clock::now();
    let token = shown(app, from, head, now)?;
    if !token.scopes.has(OPENID) {
        let refusal = refuse("insufficient_scope", "the token has no scope `openid`", "");
        return Err(refusal.status(StatusCode::FORBIDDEN));
    }
    let account = people::account(app, &token.subject).await.map_err(|error| Refusal::unable(chain(&error)))?;
    let account = account.ok_or_else(|| invalid("there is no such account, or it is disabled"))?;
    Ok(claims(&account, &token.scopes))
}

/// The token that was shown, by whom it is bound to.
fn shown(app: &App, from: &Connection, head: &Parts, now: Timestamp) -> Result<AccessToken, Refusal> {
    let (scheme, text) = authorization(&head.headers)?;
    let in_force = app.in_force();
    let said = in_force.desired.fleet.authorization.as_ref();
    let said = said.ok_or_else(|| Refusal::unable("there is no server any more"))?;
    let uri = format!("{}{}", said.issuer, paths::USERINFO);
    let proof = match scheme {
        Scheme::Bearer => None,
        Scheme::Dpop => {
            let at = At { method: head.method.as_str(), uri: &uri, token: Some(text) };
            let proof = app.authorization.proofs.check(&head.headers, at, now).map_err(as_resource)?;
            Some(proof.ok_or_else(|| refuse(PublicReason::InvalidProof.code(), "send a proof in `DPoP`", ""))?)
        }
    };
    let issuers = app.authorization.issuers(said, now).map_err(|error| Refusal::unable(error.to_string()))?;
    // Whoever issued a token may be shown it, whomever it is for.
    let token = bartizan_tokens::inspect(&issuers, text, now).map_err(|error| invalid(error.to_string()))?;
    if app.authorization.revoked.has(&token) {
        return Err(invalid("it was revoked"));
    }
    let certificate = from.peer.as_ref().map(|peer| peer.certificate());
    token.binding.check(certificate, proof.as_ref()).map_err(|error| invalid(error.to_string()))?;
    Ok(token)
}

#[derive(Clone, Copy)]
enum Scheme {
    Bearer,
    Dpop,
}

fn authorization(headers: &HeaderMap) -> Result<(Scheme, &str), Refusal> {
    let missing = |why: &str| refuse("invalid_request", "show an access token in `Authorization`", why);
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let text = fields.next().and_then(|value| value.to_str().ok()).ok_or_else(|| missing("there is none"))?;
    if fields.next().is_some() {
        return Err(missing("there are two"));
    }
    let (scheme, token) = text.split_once(' ').ok_or_else(|| missing("it has no scheme"))?;
    match scheme {
        _ if scheme.eq_ignore_ascii_case("bearer") => Ok((Scheme::Bearer, token.trim())),
        _ if scheme.eq_ignore_ascii_case("dpop") => Ok((Scheme::Dpop, token.trim())),
        _ => Err(missing("it has another scheme")),
    }
}

fn invalid(detail: impl Into<String>) -> Refusal {
    let reason = PublicReason::InvalidToken;
    refuse(reason.code(), reason.text(), detail)
}

fn refuse(code: &'static str, public: &'static str, detail: impl Into<String>) -> Refusal {
    as_resource(Refusal::bad(code, public, detail))
}

/// With the challenges that a resource answers with (RFC 9449 section 7.1).
fn as_resource(refusal: Refusal) -> Refusal {
    let algs: Vec<_> = ALGS.iter().map(|alg| alg.as_str()).collect();
    let (code, public) = (refusal.code(), refusal.public());
    let challenge = format!("DPoP error=\"{code}\", error_description=\"{public}\", algs=\"{}\"", algs.join(" "));
    refusal.status(StatusCode::UNAUTHORIZED).with(WWW_AUTHENTICATE, challenge)
}

fn claims(account: &Account, scopes: &Scopes) -> Value {
    let mut said = json!({ "sub": account.subject });
    if scopes.has("profile") {
        said["name"] = json!(account.display_name);
        said["preferred_username"] = json!(account.username);
    }
    if scopes.has("email")
        && let Some(email) = &account.email
    {
        said["email"] = json!(email);
        said["email_verified"] = json!(account.email_verified);
    }
    said
}
