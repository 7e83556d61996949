//! Asks the provider for tokens: our own authorization server in this process, others over TLS.

use super::provider::{client, secret};
use super::{Desk, Failure};
use crate::app::App;
use crate::authorization::inside;
use crate::error::chain;
use crate::limits::{ISSUER_FETCH_WITHIN, LOGIN_ANSWER_BYTES_MAX};
use crate::publish::InForce;
use bartizan_core::federation::Url;
use bartizan_core::login::Login;
use bartizan_core::user::User;
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::base64;
use bartizan_crypto::jose::json::{self, Object};
use bartizan_runtime::https;
use bartizan_tokens::id_token::{Expected, VerifiedId, verify_id};
use bartizan_tokens::request::with_parameters;
use bartizan_tokens::{Presented, Scopes, issuers_of, user_of, user_of_claims, verify_access};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// The error by which a provider says that a grant is over (RFC 6749 section 5.2).
const OVER: &str = "invalid_grant";

/// What came of a grant.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) user: User,
    /// The provider's session.
    pub(super) sid: Option<String>,
    pub(super) family: Option<String>,
    pub(super) refresh: Option<Secret<String>>,
    pub(super) id_token: Option<Secret<String>>,
    /// When the access token ends.
    pub(super) expires: Option<Timestamp>,
}

/// What somebody who is known has to be, and what is asked about now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    /// What went along with the question; `None` at a renewal.
    pub(super) nonce: Option<&'a str>,
    /// Who it was before; anybody where `None`.
    pub(super) subject: Option<&'a str>,
}

/// Asks with `parameters`, those of a grant.
pub(super) async fn ask(
    app: &App,
    in_force: &InForce,
    said: &Login,
    parameters: &[(&str, &str)],
    wanted: Wanted<'_>,
    now: Timestamp,
) -> Result<Given, Failure> {
    let given = match said.own {
        true => own(app, in_force, said, parameters, wanted, now).await?,
        false => of_another(app, in_force, said, parameters, wanted, now).await?,
    };
    if wanted.subject.is_some_and(|subject| subject != given.user.subject) {
        return Err(Failure::Refused("the provider names somebody else than before".to_owned()));
    }
    Ok(given)
}

/// The gateway's stream is its proof: nobody else can ask here, and no token leaves the process.
async fn own(
    app: &App,
    in_force: &InForce,
    said: &Login,
    parameters: &[(&str, &str)],
    wanted: Wanted<'_>,
    now: Timestamp,
) -> Result<Given, Failure> {
    let given = inside::grant(app, &said.client, parameters, now).await.map_err(|(passing, why)| match passing {
        true => Failure::Unable(why),
        false => Failure::Refused(why),
    })?;
    if wanted.nonce.is_some() && given.nonce.as_deref() != wanted.nonce {
        return Err(Failure::Refused("the code is of another log-in".to_owned()));
    }
    let users =
        in_force.desired.believed().ok_or_else(|| Failure::Unable("nobody's tokens are believed".to_owned()))?;
    let access = given.access;
    let who = (said.issuer.as_str(), access.subject.as_str(), access.client_id.as_str());
    Ok(Given {
        user: user_of_claims(who, &access.scopes, &access.more, &users),
        sid: access.more.get("sid").and_then(Value::as_str).map(str::to_owned),
        family: access.family.clone(),
        refresh: given.refresh.map(Secret::new),
        id_token: None,
        expires: Some(now.plus(access.ttl)),
    })
}

async fn of_another(
    app: &App,
    in_force: &InForce,
    said: &Login,
    parameters: &[(&str, &str)],
    wanted: Wanted<'_>,
    now: Timestamp,
) -> Result<Given, Failure> {
    let found = found(&app.login, said)?;
    let (status, answer) = post(app, in_force, said, &found.token, found.secret_in_form, parameters).await?;
    let answer = json::object(&answer).map_err(|error| Failure::Unable(format!("the provider's answer: {error}")))?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if status != 200 {
        let error = text("error").unwrap_or("no error that can be read");
        let why = format!("the provider answered {status}: {}", error.escape_debug().take(100).collect::<String>());
        return Err(if error == OVER { Failure::Refused(why) } else { Failure::Unable(why) });
    }
    let token = text("access_token");
    let users =
        in_force.desired.believed().ok_or_else(|| Failure::Unable("nobody's tokens are believed".to_owned()))?;
    let issuers = issuers_of(&users, 1).map_err(|error| Failure::Unable(error.to_string()))?;
    let expected = Expected { issuer: &said.issuer, client_id: &said.client, nonce: wanted.nonce, access_token: token };
    let id = match text("id_token") {
        Some(shown) => Some(verify_id(&issuers, shown, &expected, now).map_err(|error| {
            // Its keys may be others by now.
            app.issuers.ask();
            Failure::Refused(format!("the ID token: {error}"))
        })?),
        None if wanted.nonce.is_some() => return Err(Failure::Refused("no ID token came with the code".to_owned())),
        // At a renewal it may stay away (OpenID Connect Core section 12.2).
        None => None,
    };
    let granted = text("scope").map_or_else(|| said.scopes.join(" "), str::to_owned);
    // Access tokens that the gateway would believe from a program say what they would say there.
    let shown = token.map(|token| Presented { token, certificate: None, proof_key: None });
    let access = shown.and_then(|shown| verify_access(&issuers, &shown, &users.audience, now).ok());
    let access = access.filter(|it| it.issuer == said.issuer);
    let (user, family) = match (&access, &id) {
        (Some(access), Some(id)) if access.subject != id.subject => {
            return Err(Failure::Refused("the access token and the ID token name two people".to_owned()));
        }
        (Some(access), _) => (user_of(access, &users), access.family.clone()),
        (None, Some(id)) => (of_id(said, id, &granted, &users)?, None),
        (None, None) => return Err(Failure::Unable("the provider did not say who it is".to_owned())),
    };
    let life = answer.get("expires_in").and_then(Value::as_u64).map(Duration::from_secs);
    Ok(Given {
        user,
        sid: id.and_then(|id| id.session),
        family,
        refresh: text("refresh_token").map(|text| Secret::new(text.to_owned())),
        id_token: text("id_token").map(|text| Secret::new(text.to_owned())),
        expires: access.map(|it| it.expires).or_else(|| life.map(|life| now.plus(life))),
    })
}

fn of_id(said: &Login, id: &VerifiedId, granted: &str, users: &bartizan_core::user::Users) -> Result<User, Failure> {
    let scopes = Scopes::parse(granted).map_err(|error| Failure::Refused(format!("the scopes: {error}")))?;
    let claims: &Object = &id.claims;
    Ok(user_of_claims((&said.issuer, &id.subject, &said.client), &scopes, claims, users))
}

pub(super) fn found(desk: &Desk, said: &Login) -> Result<std::sync::Arc<super::provider::Found>, Failure> {
    desk.found(&said.issuer).ok_or_else(|| Failure::Unable("the provider was not reached yet".to_owned()))
}

/// POST of a form as the client that we are there.
pub(super) async fn post(
    app: &App,
    in_force: &InForce,
    said: &Login,
    to: &Url,
    secret_in_form: bool,
    parameters: &[(&str, &str)],
) -> Result<(u16, Vec<u8>), Failure> {
    let dir = app.options.fleet.parent().unwrap_or(Path::new(""));
    let client = client(said, in_force.desired.fleet.users.as_ref(), dir).map_err(Failure::Unable)?;
    let secret = secret(said, dir)?;
    let mut form = encoded(parameters);
    let mut authorization = None;
    match secret {
        // RFC 6749 section 2.3.1: both are escaped first.
        Some(secret) if !secret_in_form => {
            let pair = format!("{}:{}", escaped(&said.client), escaped(secret.expose()));
            authorization = Some(Secret::new(format!("Basic {}", base64::encode(pair.as_bytes()))));
        }
        Some(secret) => {
            form = format!("{form}&{}", encoded(&[("client_id", &said.client), ("client_secret", secret.expose())]));
        }
        None => form = format!("{form}&{}", encoded(&[("client_id", &said.client)])),
    }
    let form = Secret::new(form);
    let asking = async {
        let stream = https::dial(&to.host, to.port).await.map_err(|error| chain(&error))?;
        let stream = client.connect(stream, &to.host, ISSUER_FETCH_WITHIN).await.map_err(|error| error.to_string())?;
        let sent =
            https::Form { body: form.expose(), authorization: authorization.as_ref().map(|it| it.expose().as_str()) };
        let answer = https::post(stream, &to.authority(), &to.path, sent, LOGIN_ANSWER_BYTES_MAX).await;
        answer.map(|(status, body)| (status, Vec::from(body))).map_err(|error| chain(&error))
    };
    let within = tokio::time::timeout(ISSUER_FETCH_WITHIN, asking).await;
    let within = within.unwrap_or_else(|_| Err(format!("no answer within {} s", ISSUER_FETCH_WITHIN.as_secs())));
    within.map_err(|why| Failure::Unable(format!("the provider: {why}")))
}

pub(super) fn encoded(parameters: &[(&str, &str)]) -> String {
    with_parameters("", parameters).trim_start_matches('?').to_owned()
}

fn escaped(text: &str) -> String {
    encoded(&[("", text)]).trim_start_matches('=').to_owned()
}
