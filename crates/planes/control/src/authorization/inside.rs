//! The gateway as a client, asked for from within: people who log in at it. Its stream to control proved who it is, and no token leaves
//! this process.

use super::ask::{AppCaller, Asked, Caller};
use super::given::Given;
use super::{code, family};
use crate::app::App;
use bartizan_core::authorization::App as AppRules;
use bartizan_core::{ServiceName, Timestamp};
use bartizan_tokens::form::Form;
use bartizan_tokens::grant::FamilyId;
use bartizan_tokens::id_token::IdToken;
use bartizan_tokens::mint::Access;
use bartizan_tokens::request::with_parameters;
use serde_json::json;
use std::sync::Arc;

/// What came of a grant.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) access: Access,
    pub(crate) refresh: Option<String>,
    /// What the client sent along when it sent the browser.
    pub(crate) nonce: Option<String>,
}

/// Why nothing came of it: whether it may later, and what the operator is told.
type Failed = (bool, String);

/// Redeems a code or a refresh token of `client`, of which the fleet file makes the gateway the only holder.
pub(crate) async fn grant(
    app: &App,
    client: &str,
    parameters: &[(&str, &str)],
    now: Timestamp,
) -> Result<Inside, Failed> {
    let refused = |why: &str| (false, why.to_owned());
    let in_force = app.in_force();
    let said = in_force.desired.fleet.authorization.as_ref().ok_or_else(|| refused("there is no server any more"))?;
    let name = ServiceName::parse(client).map_err(|_| refused("the client's name is none"))?;
    let rules = said.apps.get(&name).ok_or_else(|| refused("the gateway is no client any more"))?;
    // Bound to nothing, since it goes nowhere.
    let rules = Arc::new(AppRules { bearer: true, ..rules.clone() });
    let body = with_parameters("", parameters);
    let form = Form::parse(body.trim_start_matches('?').as_bytes()).map_err(|error| (false, error.to_string()))?;
    let is_code = form.get("grant_type") == Some("authorization_code");
    let caller = Caller::App(AppCaller { id: client.to_owned(), rules, peer: None });
    let asked = Asked::inside(caller, form, app.in_force());
    let given = match is_code {
        true => code::redeem(app, &asked, now).await,
        false => family::refresh(app, &asked, now).await,
    };
    let Given { access, refresh, id, .. } =
        given.map_err(|refusal| (refusal.is_passing(), refusal.reason().to_owned()))?;
    Ok(Inside { access, refresh, nonce: id.flatten() })
}

/// Ends what a log-in was good for.
pub(crate) async fn end_family(app: &App, name: &str, now: Timestamp) -> Result<(), String> {
    let Some(id) = FamilyId::parse(name) else { return Ok(()) };
    family::end(app, id, now).await.map_err(|refusal| refusal.reason().to_owned())
}

/// An ID token by which the server knows whom to sign out without asking.
pub(crate) fn hint(app: &App, client: &str, subject: &str, sid: Option<&str>, now: Timestamp) -> Option<String> {
    let in_force = app.in_force();
    let said = in_force.desired.fleet.authorization.as_ref()?;
    let mut more = bartizan_crypto::jose::json::Object::new();
    more.insert("sid".to_owned(), json!(sid?));
    let said_of = IdToken { subject, client_id: client, nonce: None, access_token: None, more };
    app.authorization.id_keys.mint_id(&said.issuer, &said_of, now)?.ok()
}
