//! The provider says that a session is over (OpenID Connect Back-Channel Logout 1.0).

use super::Failure;
use super::end::take_back;
use crate::app::App;
use crate::publish::InForce;
use bartizan_core::Timestamp;
use bartizan_core::login::{Answer, Login};
use bartizan_core::user::WhichTokens;
use bartizan_tokens::issuers_of;
use bartizan_tokens::logout_token::verify_logout;
use std::sync::PoisonError;

pub(super) fn hear(
    app: &App,
    in_force: &InForce,
    said: &Login,
    token: &str,
    now: Timestamp,
) -> Result<Answer, Failure> {
    let refused = |why: String| Failure::Refused(format!("a logout token: {why}"));
    let issuers = match (said.own, in_force.desired.fleet.authorization.as_ref()) {
        (true, Some(own)) => app.authorization.id_issuers(own, now).map_err(|error| error.to_string()),
        (true, None) => Err("there is no authorization server".to_owned()),
        (false, _) => in_force
            .desired
            .believed()
            .ok_or_else(|| "nobody's tokens are believed".to_owned())
            .and_then(|users| issuers_of(&users, 1).map_err(|error| error.to_string())),
    };
    let issuers = issuers.map_err(Failure::Unable)?;
    let whom = (said.issuer.as_str(), said.client.as_str());
    let logout = verify_logout(&issuers, token, whom, now).map_err(|error| refused(error.to_string()))?;
    if !logout.take(&mut app.login.logouts.lock().unwrap_or_else(PoisonError::into_inner), now) {
        return Err(refused("it was shown before".to_owned()));
    }
    let what = match (logout.session, logout.subject) {
        (Some(session), _) => WhichTokens::Session(session),
        (None, Some(subject)) => WhichTokens::Subject(subject, now),
        (None, None) => return Err(refused("it names nobody".to_owned())),
    };
    take_back(app, said, what, now)?;
    Ok(Answer::Ended(None))
}
