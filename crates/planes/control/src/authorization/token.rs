//! `POST /token`: a token on a client's own behalf (RFC 6749 section 4.4), or on behalf of whoever gave it one (RFC 8693).

use super::answer::{Refusal, unstored};
use super::ask::{Asked, Connection, take};
use crate::app::App;
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_core::authorization::{Client, Grant};
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
    given.map_or_else(|refusal| refusal.answer(&app, &from), unstored)
}

async fn give(app: &App, from: &Connection, request: Request) -> Result<Value, Refusal> {
    take(app, from)?;
    let now = clock::now();
    let asked = Asked::read(app, from, request, now).await?;
    let grant = grant(&asked)?;
    let wanted = Wanted::read(&asked)?;
    let mut access = match grant {
        Grant::ClientCredentials => own(&asked, wanted)?,
        Grant::TokenExchange => on_behalf(app, &asked, &wanted, now)?,
    };
    // A token that outlived the certificate that it is bound to would be of no use.
    access.ttl = access.ttl.min(asked.peer.not_after().since(now));
    let signed = app.authorization.keys.mint(&asked.server()?.issuer, &access, now);
    let text = signed.ok_or_else(|| Refusal::unable("there is no key to sign with"))?;
    let text = text.map_err(|error| Refusal::unable(error.to_string()))?;
    let mut answer = json!({
        "access_token": text,
        "token_type": "Bearer",
        "expires_in": access.ttl.as_secs(),
        "scope": access.scopes.to_string(),
    });
    if grant == Grant::TokenExchange {
        answer["issued_token_type"] = json!(ACCESS_TOKEN);
    }
    Ok(answer)
}

/// The way that is asked for, where the client may go it.
fn grant(asked: &Asked) -> Result<Grant, Refusal> {
    let Some(named) = asked.form.get("grant_type") else {
        return Err(Refusal::invalid_request("`grant_type` is missing", ""));
    };
    let Some(grant) = Grant::ALL.into_iter().find(|grant| grant.grant_type() == named) else {
        let public = "this server has the grants client_credentials and token-exchange alone";
        return Err(Refusal::bad("unsupported_grant_type", public, ""));
    };
    if asked.client()?.grants.contains(&grant) {
        return Ok(grant);
    }
    let detail = format!("`{}` has no grant `{}` in the fleet file", asked.peer.id(), grant.as_str());
    Err(Refusal::bad("unauthorized_client", "this client has no such grant", detail))
}

/// What is asked for, where the client may have that.
struct Wanted {
    audience: String,
    /// `None` for all that are possible.
    scopes: Option<Scopes>,
}

impl Wanted {
    fn read(asked: &Asked) -> Result<Self, Refusal> {
        let client = asked.client()?;
        let target =
            |detail: String| Refusal::bad("invalid_target", "no tokens for that are given to this client", detail);
        let audience = match (asked.form.get("audience"), asked.form.get("resource")) {
            (Some(audience), Some(resource)) if audience != resource => {
                return Err(target("`audience` and `resource` name two".to_owned()));
            }
            (Some(named), _) | (None, Some(named)) => named.to_owned(),
            (None, None) => client.audiences.first().cloned().unwrap_or_default(),
        };
        if !client.audiences.contains(&audience) {
            return Err(target(format!("`{}` may not have a token for that audience", asked.peer.id())));
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

fn own(asked: &Asked, wanted: Wanted) -> Result<Access, Refusal> {
    let (client, id) = (asked.client()?, asked.peer.id().to_string());
    let possible = possible(client)?;
    let scopes = wanted.scopes.unwrap_or_else(|| possible.clone());
    if !scopes.are_within(&possible) {
        return Err(scope(format!("`{id}` may have `{possible}`")));
    }
    let mut access = Access::new(&id, &id, &wanted.audience);
    (access.scopes, access.binding) = (scopes, asked.binding());
    Ok(access)
}

fn on_behalf(app: &App, asked: &Asked, wanted: &Wanted, now: Timestamp) -> Result<Access, Refusal> {
    let subject = subject_token(asked)?;
    let (server, client) = (asked.server()?, asked.client()?);
    let issuers = app.authorization.issuers(server, now).map_err(|error| Refusal::unable(error.to_string()))?;
    let caller = Party { subject: asked.peer.id().to_string(), issuer: None };
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
