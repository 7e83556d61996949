//! Who asks, and with what. A workload is recognised by its certificate and by nothing else (RFC 8705 section 2.1); an app by its name,
//! and by the certificate of its workload where the fleet file names one.

use super::answer::Refusal;
use super::proof::{At, DPOP};
use super::rates::Who;
use crate::app::App;
use crate::limits::AUTHORIZATION_BODY_BYTES_MAX;
use crate::publish::Current;
use crate::stream::Peer;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use bartizan_core::authorization::{App as AppRules, Authorization, Client};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_identity::VerifiedPeer;
use bartizan_runtime::https::Shown;
use bartizan_tokens::Binding;
use bartizan_tokens::form::Form;
use std::sync::Arc;
use std::time::Instant;

/// The connection of a request.
pub(super) type Connection = Shown<Peer>;

const FORM: &str = "application/x-www-form-urlencoded";
/// Other ways to prove who one is; two at once are refused (RFC 6749 section 2.3), and here there is one.
const OTHER_PROOFS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// A request of a client.
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) form: Form,
    /// The key that was proven to be held, where a proof came.
    pub(super) proof: Option<[u8; 32]>,
    in_force: Current,
}

/// Who asks.
pub(super) enum Caller {
    /// On its own behalf, or on that of whoever gave it a token.
    Workload { peer: Peer, name: ServiceName },
    /// On behalf of people.
    App(AppCaller),
}

/// An app that asks.
#[derive(Clone)]
pub(super) struct AppCaller {
    pub(super) id: String,
    pub(super) rules: Arc<AppRules>,
    /// Whose certificate it showed; there exactly where it has to.
    pub(super) peer: Option<Peer>,
}

impl Asked {
    /// Reads a request to `path`, cheapest check first.
    pub(super) async fn read(
        app: &App,
        from: &Connection,
        path: &str,
        request: Request,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let in_force = app.in_force();
        let said = server(&in_force)?;
        if from.peer.is_none() && !said.has_apps() {
            return Err(Refusal::invalid_client("no certificate was shown"));
        }
        let (head, body) = request.into_parts();
        check_head(&head.headers)?;
        let body = to_bytes(body, AUTHORIZATION_BODY_BYTES_MAX).await.map_err(|_| Refusal::too_large())?;
        let form = Form::parse(&body)
            .map_err(|why| Refusal::invalid_request("the parameters cannot be read", why.to_string()))?;
        if let Some(other) = OTHER_PROOFS.iter().find(|other| form.get(other).is_some()) {
            let detail = format!("`{other}` came");
            return Err(Refusal::invalid_request("a client shows its certificate, or nothing", detail));
        }
        let caller = caller(app, said, from, &form, now).await?;
        let proof = match head.headers.contains_key(DPOP) {
            false => None,
            true => {
                let uri = format!("{}{path}", said.issuer);
                let at = At { method: head.method.as_str(), uri: &uri, token: None };
                app.authorization.proofs.check(&head.headers, at, now)?
            }
        };
        Ok(Self { caller, form, proof, in_force })
    }

    /// Of somebody whom this process knows in another way.
    pub(super) fn inside(caller: Caller, form: Form, in_force: Current) -> Self {
        Self { caller, form, proof: None, in_force }
    }

    /// The server, as the fleet file has it.
    pub(super) fn server(&self) -> Result<&Authorization, Refusal> {
        server(&self.in_force)
    }

    /// The name by which the caller's tokens know it.
    pub(super) fn id(&self) -> String {
        match &self.caller {
            Caller::Workload { peer, .. } => peer.id().to_string(),
            Caller::App(app) => app.id.clone(),
        }
    }

    /// The workload that asks, as the fleet file has it.
    pub(super) fn client(&self) -> Result<(&Peer, &Client), Refusal> {
        let Caller::Workload { peer, name } = &self.caller else {
            return Err(Refusal::bad("unauthorized_client", "this client has no such grant", "it is an app"));
        };
        let client = self.server()?.clients.get(name);
        client.map(|client| (peer, client)).ok_or_else(|| Refusal::unable("there is no such client any more"))
    }

    /// The app that asks.
    pub(super) fn app(&self) -> Result<&AppCaller, Refusal> {
        match &self.caller {
            Caller::App(app) => Ok(app),
            Caller::Workload { .. } => {
                Err(Refusal::bad("unauthorized_client", "this client has no such grant", "it is no app"))
            }
        }
    }

    /// The certificate that was shown.
    pub(super) fn peer(&self) -> Option<&Peer> {
        match &self.caller {
            Caller::Workload { peer, .. } => Some(peer),
            Caller::App(app) => app.peer.as_ref(),
        }
    }

    /// To which its tokens are bound.
    pub(super) fn binding(&self) -> Binding {
        Binding { certificate: self.peer().map(|peer| *peer.certificate()), key: self.proof }
    }

    /// The key of the proof; an error where the app's tokens have to be bound to something and nothing is there.
    pub(super) fn needed_proof(&self) -> Result<Option<[u8; 32]>, Refusal> {
        let app = self.app()?;
        if self.proof.is_some() || app.peer.is_some() || app.rules.bearer {
            return Ok(self.proof);
        }
        let public = "send a proof in `DPoP`: tokens of this app are bound to its key";
        Err(Refusal::bad("invalid_dpop_proof", public, format!("`{}` sent no proof", app.id)))
    }
}

fn server(in_force: &Current) -> Result<&Authorization, Refusal> {
    let said = in_force.desired.fleet.authorization.as_ref();
    said.ok_or_else(|| Refusal::unable("there is none any more")) // it was there a moment ago
}

async fn caller(
    app: &App,
    said: &Authorization,
    from: &Connection,
    form: &Form,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let shown = from.peer.as_ref().map(|_| authenticated(&app.in_force(), from, now)).transpose()?;
    let Some(named) = form.get("client_id") else {
        return Err(match shown {
            Some(_) => Refusal::invalid_request("`client_id` is missing", ""),
            None => Refusal::invalid_client("neither a certificate nor a name was shown"),
        });
    };
    if let Some(peer) = &shown
        && let Some(name) = workload(said, peer, named)
    {
        return Ok(Caller::Workload { peer: Arc::clone(peer), name });
    }
    let Some(rules) = app.authorization.app(app, named).await? else {
        let who = shown.map_or_else(|| "nobody".to_owned(), |peer| format!("`{}`", peer.id()));
        return Err(Refusal::invalid_client(format!("{who} is no client by the name that was given")));
    };
    let peer = match (&rules.workload, shown) {
        (None, _) => None,
        (Some(wanted), Some(peer)) if peer.id() == wanted => Some(peer),
        (Some(wanted), _) => {
            return Err(Refusal::invalid_client(format!("`{named}` has to show the certificate of `{wanted}`")));
        }
    };
    Ok(Caller::App(AppCaller { id: named.to_owned(), rules, peer }))
}

/// The name of the client that shows its certificate and is `named` so, by its name or its SPIFFE ID.
fn workload(said: &Authorization, peer: &Peer, named: &str) -> Option<ServiceName> {
    let by_name = ServiceName::parse(named).ok().filter(|name| {
        let client = said.clients.get(name);
        client.is_some_and(|client| client.id == *peer.id())
    });
    let by_id = || said.client(peer.id()).filter(|_| named == peer.id().as_str()).map(|(name, _)| name.clone());
    by_name.or_else(by_id)
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
        let detail = "an `Authorization` header came";
        return Err(Refusal::invalid_request("a client shows its certificate, or nothing", detail));
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
    take_as(app, who)
}

/// The same for something of which there is less.
pub(super) fn take_as(app: &App, who: Who) -> Result<(), Refusal> {
    if app.authorization.rates.take(who, Instant::now()) { Ok(()) } else { Err(Refusal::too_often()) }
}
