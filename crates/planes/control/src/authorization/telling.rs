//! Apps are told that a session is over (OpenID Connect Back-Channel Logout 1.0): those at which its person logged in, by a signed token
//! that is posted to where they want it.
//!
//! Who is to be told stands in the database until it was, or could not be often enough; so a restart forgets nobody.

use super::answer::Refusal;
use super::granting::{Grants, GrantsError};
use crate::app::App;
use crate::error::chain;
use crate::federation::web_roots;
use crate::limits::{FEDERATION_RETRY, LOGIN_KEPT, TELL_ANSWER_BYTES_MAX, TELL_LOOK, TELL_PAUSES, TELL_WITHIN};
use bartizan_core::Timestamp;
use bartizan_core::authorization::{App as AppRules, Authorization, BackChannel};
use bartizan_core::egress::{Special, special};
use bartizan_core::event::{self, Deed, What};
use bartizan_crypto::random;
use bartizan_runtime::tls::WebClient;
use bartizan_runtime::{clock, https};
use bartizan_store::{LoginChange, StoredLogin};
use bartizan_tokens::grant::Family;
use bartizan_tokens::logout_token::SignedOut;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Wakes whoever tells.
#[derive(Debug, Default)]
pub(super) struct Telling(Notify);

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Told,
    /// The app is gone, or wants to be told no more.
    Nobody,
    /// Another try may do.
    Later(String),
    /// None would.
    Never(String),
}

/// Whether the files that are named for apps can be used, relative to `dir`. Blocks for the disk.
///
/// # Errors
/// What is wrong, with the file's name.
pub(crate) fn check(said: &Authorization, dir: &Path) -> Result<(), String> {
    let roots = said.apps.values().filter_map(|app| app.back_channel.as_ref()?.roots.as_ref());
    roots.into_iter().try_for_each(|roots| client(Some(&dir.join(roots))).map(drop))
}

fn client(roots: Option<&Path>) -> Result<WebClient, String> {
    let roots = web_roots(roots).map_err(|error| chain(&error))?;
    WebClient::new(&roots, https::ALPN).map_err(|error| chain(&error))
}

/// Notes a log-in at an app that wants to be told when its session is over.
pub(super) async fn note(app: &App, rules: &AppRules, family: &Family, now: Timestamp) -> Result<(), Refusal> {
    let session = family.granted.claims.get("sid").and_then(|sid| sid.as_str());
    let (Some(_), Some(session)) = (&rules.back_channel, session) else { return Ok(()) };
    let grants = app.authorization.grants(app).await?;
    let change = LoginChange::Began {
        session: session.to_owned(),
        client: family.granted.client_id.clone(),
        subject: family.granted.subject.clone(),
        ends: now.plus(LOGIN_KEPT),
    };
    grants.store.change_login(change, now).await.map_err(|error| Refusal::unable(chain(&error)))
}

/// Has the apps of a session told that it is over.
pub(super) async fn session_over(app: &App, session: &str, now: Timestamp) -> Result<(), GrantsError> {
    let grants = app.authorization.granting.open(app).await?;
    grants.store.change_login(LoginChange::Over { session: session.to_owned(), due: now }, now).await?;
    app.authorization.telling.0.notify_one();
    Ok(())
}

/// Tells whoever is to be told, until the app stops.
pub(crate) async fn tell_apps(app: Arc<App>) {
    let mut pause = std::time::Duration::ZERO; // somebody may be left from before
    loop {
        let woken = tokio::time::timeout(pause, app.authorization.telling.0.notified());
        if app.stop.run_until_cancelled(woken).await.is_none() {
            return;
        }
        let Some(told) = app.stop.run_until_cancelled(round(&app)).await else { return };
        pause = match told {
            Ok(Some(due)) => due.since(clock::now()).min(TELL_LOOK),
            Ok(None) => TELL_LOOK,
            Err(error) => {
                tracing::error!(why = chain(&error), "apps cannot be told that sessions are over, trying again");
                FEDERATION_RETRY
            }
        };
    }
}

/// Tells those that are due; when the next ones are.
async fn round(app: &Arc<App>) -> Result<Option<Timestamp>, GrantsError> {
    if app.in_force().desired.fleet.authorization.as_ref().is_none_or(|said| !said.has_apps()) {
        return Ok(None);
    }
    let grants = app.authorization.granting.open(app).await?;
    let mut trying = JoinSet::new();
    for login in grants.store.logins_due(clock::now()).await? {
        let app = Arc::clone(app);
        trying.spawn(async move { (try_telling(&app, &login).await, login) });
    }
    while let Some(tried) = trying.join_next().await {
        let Ok((outcome, login)) = tried else { continue }; // a panic was reported where it happened
        settle(app, &grants, outcome, login).await?;
    }
    Ok(grants.store.next_login_due().await?)
}

async fn settle(app: &App, grants: &Grants, outcome: Outcome, login: StoredLogin) -> Result<(), GrantsError> {
    let (now, tries) = (clock::now(), login.tries.saturating_add(1));
    let next = usize::try_from(login.tries).ok().and_then(|tried| TELL_PAUSES.get(tried));
    if let (Outcome::Later(why), Some(pause)) = (&outcome, next) {
        tracing::warn!(client = login.client, why, tries, "an app was not told that a session is over, trying again");
        let later = LoginChange::Later { login: StoredLogin { tries, ..login }, due: now.plus(*pause) };
        return Ok(grants.store.change_login(later, now).await?);
    }
    if let Outcome::Later(why) | Outcome::Never(why) = &outcome {
        tracing::error!(client = login.client, why, tries, "an app was not told that a session is over");
        not_told(app, &login, format!("app `{}` was not told, after {tries} tries: {why}", login.client));
    }
    let StoredLogin { session, client, .. } = login;
    Ok(grants.store.change_login(LoginChange::Done { session, client }, now).await?)
}

fn not_told(app: &App, login: &StoredLogin, reason: String) {
    let what = event::Person {
        subject: Some(login.subject.as_str().into()),
        name: None,
        deed: Deed::NotTold,
        factors: None,
        reason: Some(reason.into()),
        remote: None,
        by: None,
    };
    app.own_events.write(None, What::Person(what));
}

async fn try_telling(app: &App, login: &StoredLogin) -> Outcome {
    let rules = match app.authorization.app(app, &login.client).await {
        Ok(rules) => rules,
        Err(refusal) => return Outcome::Later(refusal.reason().to_owned()),
    };
    let Some(channel) = rules.as_ref().and_then(|rules| rules.back_channel.as_ref()) else { return Outcome::Nobody };
    let token = match token(app, login) {
        Ok(token) => token,
        Err(why) => return Outcome::Later(why),
    };
    let posting = tokio::time::timeout(TELL_WITHIN, post(app, channel, &token));
    match posting.await {
        // What a library of the app may answer besides (section 2.8).
        Ok(Ok(200 | 204)) => Outcome::Told,
        Ok(Ok(status @ 300..=399)) => Outcome::Never(format!("it answered {status}, and nobody is sent on")),
        Ok(Ok(status @ (408 | 425 | 429 | 500..=599))) => Outcome::Later(format!("it answered {status}")),
        Ok(Ok(status)) => Outcome::Never(format!("it answered {status}")),
        Ok(Err(why)) => Outcome::Later(why),
        Err(_) => Outcome::Later(format!("no answer within {} s", TELL_WITHIN.as_secs())),
    }
}

/// Another one for each try: the app may have taken one whose answer was lost, and takes none twice.
fn token(app: &App, login: &StoredLogin) -> Result<String, String> {
    let in_force = app.in_force();
    let said = in_force.desired.fleet.authorization.as_ref().ok_or("there is no authorization server any more")?;
    let StoredLogin { session, client, subject, .. } = login;
    let signed_out = SignedOut { subject, client_id: client, session, name: random::bytes() };
    let minted = app.authorization.id_keys.mint_logout(&said.issuer, &signed_out, clock::now());
    minted.ok_or("there is no key to sign with")?.map_err(|error| error.to_string())
}

/// The status that it answered with.
async fn post(app: &App, channel: &BackChannel, token: &str) -> Result<u16, String> {
    let BackChannel { to, roots, outside } = channel;
    let roots = roots.as_ref().map(|roots| app.options.fleet.parent().unwrap_or(Path::new("")).join(roots));
    let client = client(roots.as_deref())?;
    let stream = https::dial_where(&to.host, to.port, |address| may_dial(address, *outside)).await;
    let stream = stream.map_err(|error| chain(&error))?;
    let stream = client.connect(stream, &to.host, TELL_WITHIN).await.map_err(|error| error.to_string())?;
    // Signs of a JWT stand in forms as they are.
    let body = format!("logout_token={token}");
    let form = https::Form { body: &body, authorization: None };
    let answered = https::post(stream, &to.authority(), &to.path, form, TELL_ANSWER_BYTES_MAX).await;
    answered.map(|(status, _)| status).map_err(|error| chain(&error))
}

/// Whoever registered an app may be a stranger, and is not to make us talk to what only we can reach. Nobody's app is where clouds hand
/// out credentials.
fn may_dial(address: IpAddr, outside: bool) -> Result<(), &'static str> {
    match special(address) {
        Some(special) if outside || matches!(special, Special::Metadata | Special::NoHost) => Err(special.as_str()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_that_registered_are_not_told_at_inner_addresses_and_nobody_at_those_of_clouds() {
        for (address, file, registered) in [
            ("127.0.0.1", true, false),
            ("10.1.2.3", true, false),
            ("::1", true, false),
            ("fd00::1", true, false),
            ("169.254.169.254", false, false),
            ("0.0.0.0", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("93.184.216.34", true, true),
        ] {
            let at = address.parse().unwrap();
            assert_eq!((may_dial(at, false).is_ok(), may_dial(at, true).is_ok()), (file, registered), "{address}");
        }
    }
}
