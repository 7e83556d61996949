//! Somebody logs out: the session ends everywhere, and the browser is sent on to the provider where that has a place for it.

use super::tokens::{encoded, found, post};
use super::{Failure, said as said_now};
use crate::app::App;
use crate::authorization::inside;
use bartizan_core::Timestamp;
use bartizan_core::limits::CLOCK_SKEW;
use bartizan_core::login::{Answer, End, Login};
use bartizan_core::user::WhichTokens;
use std::sync::Arc;

pub(super) async fn end(app: &Arc<App>, said: &Login, ended: &End, now: Timestamp) -> Result<Answer, Failure> {
    let held = app.login.sessions.remove(&ended.session);
    take_back(app, said, WhichTokens::Token(ended.session.clone()), now)?;
    let id_token = match (said.own, &held) {
        (true, _) => {
            if let Some(family) = &ended.family {
                inside::end_family(app, family, now).await.map_err(Failure::Unable)?;
            }
            inside::hint(app, &said.client, &ended.subject, ended.sid.as_deref(), now)
        }
        (false, Some(held)) => {
            let mut held = held.lock().await;
            if let Some(refresh) = held.refresh.take() {
                revoke(app, refresh);
            }
            held.id_token.take().map(|token| token.expose().clone())
        }
        (false, None) => None,
    };
    let page = match said.own {
        true => Some(format!("{}/logout", said.issuer)),
        false => found(&app.login, said).ok().and_then(|found| found.end_session.clone()),
    };
    let hint = id_token.as_deref().map(|hint| ("id_token_hint", hint));
    let back = ("post_logout_redirect_uri", ended.back_to.as_str());
    let parameters: Vec<_> = [("client_id", said.client.as_str()), back].into_iter().chain(hint).collect();
    let join = |page: &String| if page.contains('?') { '&' } else { '?' };
    Ok(Answer::Ended(page.map(|page| format!("{page}{}{}", join(&page), encoded(&parameters)))))
}

/// Ends a session of which nothing more is to be said to anybody.
pub(super) fn forget(app: &App, said: &Login, session: &str, now: Timestamp) -> Result<(), Failure> {
    app.login.sessions.remove(session);
    take_back(app, said, WhichTokens::Token(session.to_owned()), now)
}

/// Everybody hears of it in a moment. No cookie counts for longer than it may lie unused, and none is renewed meanwhile.
pub(super) fn take_back(app: &App, said: &Login, what: WhichTokens, now: Timestamp) -> Result<(), Failure> {
    let until = now.plus(said.idle() + CLOCK_SKEW);
    let taken = app.authorization.revoked.take_back_session(&said.issuer, what, until, now);
    taken.map_err(|error| Failure::Unable(error.to_string()))
}

/// Tells the provider that a refresh token is not used any more (RFC 7009), beside what the browser does; nobody waits for it.
fn revoke(app: &Arc<App>, refresh: bartizan_core::Secret<String>) {
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let Some((in_force, said)) = said_now(&app) else { return };
        let Ok(found) = found(&app.login, &said) else { return };
        let Some(to) = &found.revocation else { return };
        let parameters = [("token", refresh.expose().as_str()), ("token_type_hint", "refresh_token")];
        if let Err(failure) = post(&app, &in_force, &said, to, found.secret_in_form, &parameters).await {
            tracing::warn!(?failure, "the provider did not hear that a refresh token is not used any more");
        }
    });
}
