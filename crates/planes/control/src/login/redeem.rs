//! From the code that a browser brought to who it is.

use super::Failure;
use super::sessions::Held;
use super::tokens::{Given, Wanted, ask};
use crate::app::App;
use crate::limits::{LOGIN_RENEW_LEAD, LOGIN_RENEW_LEAST, LOGIN_TOKEN_BYTES_MAX};
use crate::publish::InForce;
use bartizan_core::login::{Answer, LoggedIn, Login, Redeem};
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::{base64, random};

pub(super) async fn redeem(
    app: &App,
    in_force: &InForce,
    said: &Login,
    asked: &Redeem,
    now: Timestamp,
) -> Result<Answer, Failure> {
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", asked.code.as_str()),
        ("redirect_uri", asked.redirect_uri.as_str()),
        ("code_verifier", asked.verifier.as_str()),
    ];
    let wanted = Wanted { nonce: Some(&asked.nonce), subject: None };
    let given = ask(app, in_force, said, &parameters, wanted, now).await?;
    // A name of its own, whatever the browser came with.
    let session = base64::encode_url(&random::bytes::<16>());
    let issued = app.authorization.revoked.issued_at(&said.issuer, &given.user.subject, now);
    let renew = renew_at(&given, now);
    let logged_in = LoggedIn {
        session: session.clone(),
        user: given.user.clone(),
        issued,
        sid: given.sid.clone(),
        family: given.family.clone(),
        renew,
    };
    let Given { user, refresh, id_token, .. } = given;
    app.login.sessions.put(&session, Held { refresh: short(refresh), id_token: short(id_token), user, renew });
    Ok(Answer::LoggedIn(Box::new(logged_in)))
}

/// When to renew: before the access token ends, where that is possible.
pub(super) fn renew_at(given: &Given, now: Timestamp) -> Option<Timestamp> {
    let expires = given.refresh.as_ref().and(given.expires)?;
    // A provider that gives tokens of a second is not asked each second.
    Some(expires.minus(LOGIN_RENEW_LEAD).max(now.plus(LOGIN_RENEW_LEAST)))
}

/// What is too long is not kept.
pub(super) fn short(token: Option<Secret<String>>) -> Option<Secret<String>> {
    token.filter(|token| token.expose().len() <= LOGIN_TOKEN_BYTES_MAX)
}
