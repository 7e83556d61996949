//! Who asks, and with what. A client is recognised by its certificate and by nothing else (RFC 8705 section 2.1).

use super::answer::Refusal;
use super::rates::Who;
use crate::app::App;
use crate::limits::AUTHORIZATION_BODY_BYTES_MAX;
use crate::publish::Current;
use crate::stream::Peer;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use bartizan_core::Timestamp;
use bartizan_core::authorization::{Authorization, Client};
use bartizan_identity::VerifiedPeer;
use bartizan_runtime::https::Shown;
use bartizan_tokens::Binding;
use bartizan_tokens::form::Form;
use std::time::Instant;

/// The connection of a request.
pub(super) type Connection = Shown<Peer>;

const FORM: &str = "application/x-www-form-urlencoded";
/// Other ways to prove who one is; two at once are refused (RFC 6749 section 2.3), and here there is one.
const OTHER_PROOFS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// A request of a client.
pub(super) struct Asked {
    pub(super) peer: Peer,
    pub(super) form: Form,
    in_force: Current,
    name: bartizan_core::ServiceName,
}

impl Asked {
    /// Reads a request, cheapest check first.
    pub(super) async fn read(app: &App, from: &Connection, request: Request, now: Timestamp) -> Result<Self, Refusal> {
        let in_force = app.in_force();
        let peer = authenticated(&in_force, from, now)?;
        let said = in_force.desired.fleet.authorization.as_ref();
        let found = said.and_then(|said| said.client(peer.id()));
        let (name, client) = found
            .map(|(name, client)| (name.clone(), client.clone()))
            .ok_or_else(|| Refusal::invalid_client(format!("`{}` is no client under `authorization`", peer.id())))?;
        let (head, body) = request.into_parts();
        check_head(&head.headers)?;
        let body = to_bytes(body, AUTHORIZATION_BODY_BYTES_MAX).await.map_err(|_| Refusal::too_large())?;
        let form = Form::parse(&body)
            .map_err(|why| Refusal::invalid_request("the parameters cannot be read", why.to_string()))?;
        if let Some(other) = OTHER_PROOFS.iter().find(|other| form.get(other).is_some()) {
            let detail = format!("`{other}` came beside the certificate");
            return Err(Refusal::invalid_request("a client shows its certificate and nothing else", detail));
        }
        match form.get("client_id") {
            Some(id) if id == name.as_str() || id == client.id.to_string() => {}
            Some(_) => return Err(Refusal::invalid_client(format!("`{}` named another client", peer.id()))),
            None => return Err(Refusal::invalid_request("`client_id` is missing", "")),
        }
        Ok(Self { peer, form, in_force, name })
    }

    /// The server, as the fleet file has it.
    pub(super) fn server(&self) -> Result<&Authorization, Refusal> {
        // It was there a moment ago.
        self.in_force.desired.fleet.authorization.as_ref().ok_or_else(|| Refusal::unable("there is none any more"))
    }

    /// The client, as the fleet file has it.
    pub(super) fn client(&self) -> Result<&Client, Refusal> {
        self.server()?.clients.get(&self.name).ok_or_else(|| Refusal::unable("there is no such client any more"))
    }

    /// To which its tokens are bound.
    pub(super) fn binding(&self) -> Binding {
        Binding { certificate: Some(*self.peer.certificate()), key: None }
    }
}

/// The peer, asked anew at each request: a connection may be older than a denial.
fn authenticated(in_force: &Current, from: &Connection, now: Timestamp) -> Result<Peer, Refusal> {
    let peer = from.peer.clone().ok_or_else(|| Refusal::invalid_client("no certificate was shown"))?;
    if now >= peer.not_after() {
        return Err(Refusal::invalid_client(format!("the certificate of `{}` has run out", peer.id())));
    }
    if in_force.denied.denies(&peer).is_some() {
        return Err(Refusal::invalid_client(format!("`{}` is on the deny list", peer.id())));
    }
    Ok(peer)
}

fn check_head(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(AUTHORIZATION) {
        let detail = "an `Authorization` header came beside the certificate";
        return Err(Refusal::invalid_request("a client shows its certificate and nothing else", detail));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(FORM) {
        return Ok(());
    }
    Err(Refusal::invalid_request("send parameters as application/x-www-form-urlencoded", "another content type"))
}

/// Whether `from` may ask now.
pub(super) fn take(app: &App, from: &Connection) -> Result<(), Refusal> {
    let known = from.peer.as_deref().map(VerifiedPeer::id);
    let who = known.map_or(Who::Stranger(from.remote.ip()), |id| Who::Client(id.clone()));
    if app.authorization.rates.take(who, Instant::now()) { Ok(()) } else { Err(Refusal::too_often()) }
}
