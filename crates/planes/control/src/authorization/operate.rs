//! What operators do with clients, over the local API. Those of the fleet file are its own business; the others go by the rules of
//! `registration`, whoever adds them.

use super::answer::Refusal;
use super::granting::Grants;
use super::register;
use super::registered::Kept;
use crate::app::App;
use bartizan_core::Timestamp;
use bartizan_core::authorization::{App as AppRules, Authorization, Grant, Registration};
use bartizan_core::client::{AddClient, ClientKind, ClientWithToken, OauthClient, OauthClients};
use bartizan_crypto::jose::json::Object;
use serde_json::json;
use std::sync::Arc;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// There is no authorization server.
    #[error("this fleet has no authorization server; write `authorization:` in the fleet file")]
    NotServed,
    /// Nobody may be registered.
    #[error(
        "apps cannot be added here: write `registration:` under `authorization` in the fleet file, or the app itself under `apps`"
    )]
    NoRegistration,
    /// There is none of that name.
    #[error("there is no client `{0}`; `bartizan client list` lists all")]
    Unknown(String),
    /// It stands in the fleet file.
    #[error("`{0}` stands in the fleet file; change it there, then `bartizan reload`")]
    InFile(String),
    /// It is none that may be.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be done now.
    #[error("{0}")]
    Unable(String),
}

impl ClientError {
    fn unable(refusal: &Refusal) -> Self {
        Self::Unable(refusal.reason().to_owned())
    }
}

/// All clients.
pub(crate) async fn list(app: &App) -> Result<OauthClients, ClientError> {
    let said = said(app)?;
    let mut clients: Vec<_> = said
        .clients
        .iter()
        .map(|(name, client)| OauthClient {
            client_id: name.to_string(),
            kind: ClientKind::Workload,
            title: name.to_string(),
            redirect: Vec::new(),
            signed_out: Vec::new(),
            scopes: client.scopes.clone(),
            audiences: client.audiences.clone(),
            grants: grants(&client.grants),
            bearer: false,
            require_pushed: false,
            backchannel_logout: None,
            workload: Some(client.id.to_string()),
            registered: None,
        })
        .collect();
    clients.extend(said.apps.iter().map(|(name, rules)| told(name.as_str(), ClientKind::App, rules, None)));
    if let Some(rules) = &said.registration {
        let held = open(app).await?;
        clients.extend(held.registered.all().iter().map(|(id, kept)| registered(id, kept, rules)));
    }
    Ok(OauthClients { clients })
}

/// One of them.
pub(crate) async fn show(app: &App, id: &str) -> Result<OauthClient, ClientError> {
    let all = list(app).await?.clients;
    all.into_iter().find(|it| it.client_id == id).ok_or_else(|| ClientError::Unknown(id.to_owned()))
}

/// Adds one, as if it registered itself.
pub(crate) async fn add(app: &App, wanted: AddClient, now: Timestamp) -> Result<ClientWithToken, ClientError> {
    let rules = said(app)?.registration.ok_or(ClientError::NoRegistration)?;
    let asked = asked(&wanted)?;
    let added = register::add(app, &rules, &asked, now).await;
    let (id, kept, token) = added.map_err(|refusal| match refusal.is_passing() {
        true => ClientError::unable(&refusal),
        false => ClientError::Invalid(refusal.reason().to_owned()),
    })?;
    Ok(ClientWithToken { client: registered(&id, &kept, &rules), registration_access_token: token })
}

/// Removes one, and ends what it was given.
pub(crate) async fn remove(app: &App, id: &str, now: Timestamp) -> Result<OauthClient, ClientError> {
    let (held, kept, rules) = find(app, id).await?;
    register::drop_app(app, &held, id, now).await.map_err(|refusal| ClientError::unable(&refusal))?;
    Ok(registered(id, &kept, &rules))
}

/// Gives one another token by which it is changed; the one before counts no more.
pub(crate) async fn rotate(app: &App, id: &str) -> Result<ClientWithToken, ClientError> {
    let (held, kept, rules) = find(app, id).await?;
    let token = register::renew(&held, id, &kept).await.map_err(|refusal| ClientError::unable(&refusal))?;
    Ok(ClientWithToken { client: registered(id, &kept, &rules), registration_access_token: token })
}

fn said(app: &App) -> Result<Authorization, ClientError> {
    app.in_force().desired.fleet.authorization.clone().ok_or(ClientError::NotServed)
}

async fn open(app: &App) -> Result<Arc<Grants>, ClientError> {
    app.authorization.grants(app).await.map_err(|refusal| ClientError::unable(&refusal))
}

/// One that is no business of the fleet file.
async fn find(app: &App, id: &str) -> Result<(Arc<Grants>, Arc<Kept>, Registration), ClientError> {
    let said = said(app)?;
    if said.apps.keys().chain(said.clients.keys()).any(|name| name.as_str() == id) {
        return Err(ClientError::InFile(id.to_owned()));
    }
    let rules = said.registration.ok_or(ClientError::NoRegistration)?;
    let held = open(app).await?;
    let kept = held.registered.get(id).ok_or_else(|| ClientError::Unknown(id.to_owned()))?;
    Ok((held, kept, rules))
}

/// As RFC 7591 has it, so that it is read and refused like every other.
fn asked(wanted: &AddClient) -> Result<Object, ClientError> {
    let AddClient { title, redirect, signed_out, scopes, grants, require_pushed, backchannel_logout } = wanted;
    let grants = grants.iter().map(|named| {
        let known = Grant::OF_APPS.iter().find(|grant| grant.as_str() == named);
        known.map(|grant| grant.grant_type()).ok_or_else(|| {
            let known = Grant::OF_APPS.map(Grant::as_str).join("`, `");
            ClientError::Invalid(format!("`{named}` is no grant of apps; known are `{known}`"))
        })
    });
    let grants = grants.collect::<Result<Vec<_>, _>>()?;
    let mut asked = Object::new();
    asked.insert("redirect_uris".to_owned(), json!(redirect));
    asked.insert("post_logout_redirect_uris".to_owned(), json!(signed_out));
    asked.insert(register::PUSHED.to_owned(), json!(require_pushed));
    if let Some(to) = backchannel_logout {
        asked.insert(register::BACK_CHANNEL.to_owned(), json!(to));
    }
    if let Some(title) = title {
        asked.insert("client_name".to_owned(), json!(title));
    }
    if !scopes.is_empty() {
        asked.insert("scope".to_owned(), json!(scopes.join(" ")));
    }
    if !grants.is_empty() {
        asked.insert("grant_types".to_owned(), json!(grants));
    }
    Ok(asked)
}

fn registered(id: &str, kept: &Kept, rules: &Registration) -> OauthClient {
    told(id, ClientKind::Registered, &kept.rules(rules), Some(kept.issued))
}

fn told(id: &str, kind: ClientKind, rules: &AppRules, registered: Option<Timestamp>) -> OauthClient {
    let shown = |all: &[bartizan_core::redirect::Redirect]| all.iter().map(ToString::to_string).collect();
    OauthClient {
        client_id: id.to_owned(),
        kind,
        title: rules.title.clone(),
        redirect: shown(&rules.redirect),
        signed_out: shown(&rules.signed_out),
        scopes: rules.scopes.clone(),
        audiences: rules.audiences.clone(),
        grants: grants(&rules.grants),
        bearer: rules.bearer,
        require_pushed: rules.pushed,
        backchannel_logout: rules.back_channel.as_ref().map(|it| it.to.text()),
        workload: rules.workload.as_ref().map(ToString::to_string),
        registered,
    }
}

fn grants(all: &[Grant]) -> Vec<String> {
    all.iter().map(|grant| grant.as_str().to_owned()).collect()
}
