//! `POST /token`: a token on a client's own behalf (RFC 6749 section 4.4), on behalf of whoever gave it one (RFC 8693), or on behalf of
//! somebody who uses an app.

use super::answer::{Refusal, unstored};
use super::ask::{Asked, Caller, Connection, take};
use super::given::Given;
use super::proof::DPOP_NONCE;
use super::{code, device, family, paths};
use crate::app::App;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_core::authorization::{Client, Grant};
use bartizan_crypto::random;
use bartizan_runtime::clock;
use bartizan_tokens::exchange::{Ceiling, Exchange, ExchangeError, Rules, exchange};
use bartizan_tokens::mint::Access;
use bartizan_tokens::{Party, Scopes, verify_subject};
use serde_json::{Value, json};
use std::sync::Arc;

/// The kind of token that goes in and comes out (RFC 8693 section 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) async fn token(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: Request,
) -> Response {
    let given = give(&app, &from, request).await;
    let mut answer = given.map_or_else(|refusal| refusal.answer(&app, &from), unstored);
    add_nonce(&app, &mut answer);
    answer
}

/// Has the next proof come with a nonce that counts for longer (RFC 9449 section 8.2).
pub(super) fn add_nonce(app: &App, answer: &mut Response) {
    if answer.headers().contains_key(DPOP_NONCE) {
        return;
    }
    if let Ok(nonce) = HeaderValue::from_str(&app.authorization.proofs.nonce(clock::now())) {
        answer.headers_mut().insert(DPOP_NONCE, nonce);
    }
}

async fn give(app: &App, from: &Connection, request: Request) -> Result<Value, Refusal> {
    take(app, from)?;
    let now = clock::now();
    let asked = Asked::read(app, from, paths::TOKEN, request, now).await?;
    let grant = grant(&asked)?;
    let given = match grant {
        Grant::ClientCredentials => at_once(own(&asked)?, now),
        Grant::TokenExchange => at_once(on_behalf(app, &asked, now)?, now),
        Grant::AuthorizationCode => code::redeem(app, &asked, now).await?,
        Grant::RefreshToken => family::refresh(app, &asked, now).await?,
        Grant::DeviceCode => device::redeem(app, &asked, now).await?,
    };
    let mut answer = given.answer(app, &asked, now)?;
    if grant == Grant::TokenExchange {
        answer["issued_token_type"] = json!(ACCESS_TOKEN);
    }
    Ok(answer)
}

/// Without anything beside it.
fn at_once(access: Access, now: Timestamp) -> Given {
    Given { access, name: random::bytes(), issued: now, refresh: None, id: None }
}

/// The way that is asked for, where the client may go it.
fn grant(asked: &Asked) -> Result<Grant, Refusal> {
    let Some(named) = asked.form.get("grant_type") else {
        return Err(Refusal::invalid_request("`grant_type` is missing", ""));
    };
    let of_apps = Grant::OF_APPS.into_iter().filter(|_| asked.server().is_ok_and(|said| said.has_apps()));
    let mut known = Grant::OF_CLIENTS.into_iter().chain(of_apps);
    let Some(grant) = known.find(|grant| grant.grant_type() == named) else {
        let public = "this server has no such grant; its metadata name those that it has";
        return Err(Refusal::bad("unsupported_grant_type", public, ""));
    };
    let had = match &asked.caller {
        Caller::Workload { .. } => asked.client()?.1.grants.contains(&grant),
        Caller::App(app) => app.rules.grants.contains(&grant),
    };
    if had {
        return Ok(grant);
    }
    let detail = format!("`{}` has no grant `{}` in the fleet file", asked.id(), grant.as_str());
    Err(Refusal::bad("unauthorized_client", "this client has no such grant", detail))
}

/// What a workload asks for, where it may have that.
struct Wanted {
    audience: String,
    /// `None` for all that are possible.
    scopes: Option<Scopes>,
}

impl Wanted {
    fn read(asked: &Asked) -> Result<Self, Refusal> {
        let (_, client) = asked.client()?;
        let target =
            |detail: String| Refusal::bad("invalid_target", "no tokens for that are given to this client", detail);
        let resource = asked.form.resource().map_err(|why| Refusal::bad("invalid_target", why, ""))?;
        let audience = match (asked.form.get("audience"), resource) {
            (Some(audience), Some(resource)) if audience != resource => {
                return Err(target("`audience` and `resource` name two".to_owned()));
            }
            (Some(named), _) | (None, Some(named)) => named.to_owned(),
            (None, None) => client.audiences.first().cloned().unwrap_or_default(),
        };
        if !client.audiences.contains(&audience) {
            return Err(target(format!("`{}` may not have a token for that audience", asked.id())));
        }
        let scopes = asked.form.get("scope").map(Scopes::parse).transpose();
        let scopes = scopes.map_err(|why| scope(why.to_string()))?;
        Ok(Self { audience, scopes })
    }
}

fn scope(detail: String) -> Refusal {
    Refusal::bad("invalid_scope", "more scopes are asked for than can be had", detail)
}

fn possible(client: &Client) -> Result<Scopes, Refusal> {
    Scopes::parse(&client.scopes.join(" ")).map_err(|why| Refusal::unable(why.to_string()))
}

fn own(asked: &Asked) -> Result<Access, Refusal> {
    let wanted = Wanted::read(asked)?;
    let (_, client) = asked.client()?;
    let id = asked.id();
    let possible = possible(client)?;
    let scopes = wanted.scopes.unwrap_or_else(|| possible.clone());
    if !scopes.are_within(&possible) {
        return Err(scope(format!("`{id}` may have `{possible}`")));
    }
    let mut access = Access::new(&id, &id, &wanted.audience);
    (access.scopes, access.binding) = (scopes, asked.binding());
    Ok(access)
}

fn on_behalf(app: &App, asked: &Asked, now: Timestamp) -> Result<Access, Refusal> {
    let wanted = Wanted::read(asked)?;
    let subject = subject_token(asked)?;
    let (server, (_, client)) = (asked.server()?, asked.client()?);
    let issuers = app.authorization.issuers(server, now).map_err(|error| Refusal::unable(error.to_string()))?;
    let caller = Party { subject: asked.id(), issuer: None };
    let refused = |detail: String| Refusal::invalid_request("the subject token is not accepted", detail);
    // It was given to the caller, or it is none of the caller's business.
    let subject =
        verify_subject(&issuers, subject, &[&caller.subject], now).map_err(|error| refused(error.to_string()))?;
    if app.authorization.revoked.has(subject.token()) {
        return Err(refused("it was revoked".to_owned()));
    }
    let ceilings = [Ceiling { audience: wanted.audience.clone(), scopes: possible(client)? }];
    let asked = Exchange {
        subject: &subject,
        caller: &caller,
        binding: asked.binding(),
        named_actor: None,
        audience: &wanted.audience,
        scopes: wanted.scopes.as_ref(),
    };
    let rules = Rules { issuer: &server.issuer, ceilings: &ceilings, needs_may_act: false };
    exchange(&asked, &rules, now).map_err(|error: ExchangeError| {
        Refusal::bad(error.code(), "the subject token and this client together do not allow that", error.to_string())
    })
}

fn subject_token(asked: &Asked) -> Result<&str, Refusal> {
    let form = &asked.form;
    if form.get("actor_token").is_some() {
        let public = "leave `actor_token` out: the actor is who shows the certificate";
        return Err(Refusal::invalid_request(public, ""));
    }
    let is_ours = |kind: Option<&str>| kind.is_none_or(|kind| kind == ACCESS_TOKEN);
    if form.get("subject_token_type").is_none()
        || !is_ours(form.get("subject_token_type"))
        || !is_ours(form.get("requested_token_type"))
    {
        return Err(Refusal::invalid_request("access tokens are exchanged for access tokens, by their type", ""));
    }
    form.get("subject_token").ok_or_else(|| Refusal::invalid_request("`subject_token` is missing", ""))
}
