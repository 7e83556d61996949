//! What is to be said of somebody now: asked with the refresh token, before the access token ends, by one at a time.

use super::redeem::{renew_at, short};
use super::tokens::{Wanted, ask};
use super::{Failure, end};
use crate::app::App;
use crate::limits::LOGIN_RENEW_RETRY;
use crate::publish::InForce;
use bartizan_core::Timestamp;
use bartizan_core::login::{Answer, Login};

pub(super) async fn renew(
    app: &App,
    in_force: &InForce,
    said: &Login,
    session: &str,
    now: Timestamp,
) -> Result<Answer, Failure> {
    let Some(held) = app.login.sessions.get(session) else { return Ok(Answer::Later(None)) };
    // Whoever comes second waits, and finds it done.
    let mut held = held.lock().await;
    if held.renew.is_none_or(|renew| now < renew) {
        return Ok(Answer::Renewed(Box::new(held.user.clone()), held.renew));
    }
    let Some(refresh) = &held.refresh else { return Ok(Answer::Later(None)) };
    let parameters = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose().as_str())];
    let wanted = Wanted { nonce: None, subject: Some(&held.user.subject) };
    let given = match ask(app, in_force, said, &parameters, wanted, now).await {
        Ok(given) => given,
        // The provider said no: whoever it was is not to go on.
        Err(Failure::Refused(why)) => {
            tracing::info!(why, "a session at the gateway ends: the provider does not renew it");
            drop(held);
            end::forget(app, said, session, now)?;
            return Ok(Answer::Ended(None));
        }
        Err(Failure::Unable(why)) => {
            tracing::warn!(why, "the provider cannot be asked; a session at the gateway goes on as it is");
            let again = now.plus(LOGIN_RENEW_RETRY);
            held.renew = Some(again);
            return Ok(Answer::Later(Some(again)));
        }
    };
    held.renew = renew_at(&given, now).or_else(|| {
        // The refresh token before counts on where no other came (RFC 6749 section 6).
        given.expires.map(|expires| expires.max(now.plus(LOGIN_RENEW_RETRY)))
    });
    if let Some(refresh) = short(given.refresh) {
        held.refresh = Some(refresh);
    }
    if let Some(id_token) = short(given.id_token) {
        held.id_token = Some(id_token);
    }
    held.user = given.user;
    Ok(Answer::Renewed(Box::new(held.user.clone()), held.renew))
}
