//! `POST /sign-in/with`: somebody is sent to another provider.

use super::super::forms;
use super::super::gate::Visit;
use super::super::pages::{Problem, see_other, with_cookies};
use super::super::paths;
use super::super::way::Way;
use super::book::Found;
use super::carried::Carried;
use axum::Extension;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use bartizan_core::ServiceName;
use bartizan_core::upstream::{Upstream, WITH};
use bartizan_tokens::request::with_parameters;

pub(in crate::people) async fn begin(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = lead(&visit, request).await;
    visit.said(said)
}

async fn lead(visit: &Visit, request: Request) -> Result<Response, Problem> {
    let (_, form) = forms::read(visit, paths::WITH, request).await?;
    let way = Way::open(&visit.desk, form.get("way"), visit.now);
    let way = way.ok_or_else(|| Problem::bad("way: too old, or none of ours"))?;
    send(visit, form.get("provider").unwrap_or_default(), way, None)
}

/// Sends the browser to the provider of that name, `connects` as in [`Carried`].
pub(in crate::people) fn send(
    visit: &Visit,
    name: &str,
    way: Way,
    connects: Option<(String, String)>,
) -> Result<Response, Problem> {
    let said = provider(visit, name)?;
    let found = found(visit, said)?;
    let fresh = way.fresh || connects.is_some();
    let carried = Carried::new(name, &said.issuer, way, connects, visit.now);
    let (back, state, nonce) = (back(visit, name), carried.state(), carried.nonce());
    let (scopes, challenge) = (said.scopes.join(" "), carried.challenge());
    let mut asked = vec![
        ("response_type", "code"),
        ("client_id", &said.client_id),
        ("redirect_uri", &back),
        ("scope", &scopes),
        ("state", &state),
        ("nonce", &nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    if fresh {
        // With `max_age` it has to say when that was (OpenID Connect Core section 2).
        asked.extend([("prompt", "login"), ("max_age", "0")]);
    }
    let to = see_other(&with_parameters(&found.document.authorize, &asked));
    Ok(with_cookies(to, [carried.cookie(visit)?]))
}

/// The provider of that name, as the fleet file says now.
pub(super) fn provider<'a>(visit: &'a Visit, name: &str) -> Result<&'a Upstream, Problem> {
    let said = ServiceName::parse(name).ok().and_then(|name| visit.rules.providers.get(&name));
    said.ok_or_else(|| Problem::bad("upstream: no such provider"))
}

/// What is held of it.
pub(super) fn found(visit: &Visit, said: &Upstream) -> Result<Found, Problem> {
    let why = || format!("upstream: `{}` was not reached yet", said.issuer);
    let public = "This cannot be reached now. Go back and sign in another way, or try again in a moment.";
    visit.desk.upstreams.found(said).ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, public, why()))
}

/// Where it sends the browser back to: a place of its own for each, so that an answer of one is never taken for another's.
pub(super) fn back(visit: &Visit, name: &str) -> String {
    format!("{}{WITH}/{name}/back", visit.origin)
}
