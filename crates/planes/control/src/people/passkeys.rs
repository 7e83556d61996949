//! Passkeys: signing in with one alone, or after the password. What an answer has to look like is for `bartizan_tokens` to say.

use super::deeds;
use super::forms::{self, second_mark};
use super::gate::Visit;
use super::markup::{escape, hidden};
use super::pages::{Page, Problem, see_other};
use super::paths;
use super::person::{Person, Record};
use super::session::{Factor, Shown};
use super::sign_in;
use super::step;
use super::way::{self, Way};
use crate::limits::{CHALLENGES_MAX, WAY_TTL};
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_core::event::Deed;
use bartizan_core::federation::Url;
use bartizan_crypto::raw_key::RawKey;
use bartizan_crypto::{base64, hash, random};
use bartizan_tokens::form::Form;
use bartizan_tokens::webauthn::{self, Asserted, Assertion, Expected, Known, WebauthnError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const USE: &str = "challenge";

/// A passkey of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Passkey {
    /// Its name among authenticators, base64url.
    pub(super) id: String,
    /// Its public key, base64url.
    key: String,
    counter: u32,
    backup_eligible: bool,
    backed_up: bool,
    /// Its name for its person.
    pub(super) label: String,
    pub(super) added: Timestamp,
    pub(super) used: Option<Timestamp>,
}

impl Passkey {
    pub(super) fn new(made: webauthn::Registered, label: String, now: Timestamp) -> Self {
        let webauthn::Registered { id, key, counter, backup_eligible, backed_up, verified: _ } = made;
        Self {
            id: base64::encode_url(&id),
            key: base64::encode_url(key.bytes()),
            counter,
            backup_eligible,
            backed_up,
            label,
            added: now,
            used: None,
        }
    }

    /// Checks that its holder is there. What is to be kept of it.
    fn check(&self, sent: &Assertion<'_>, expected: &Expected<'_>) -> Result<Asserted, WebauthnError> {
        let key = base64::decode_url(&self.key).ok().and_then(|bytes| RawKey::from_bytes(&bytes).ok());
        let key = key.ok_or(WebauthnError::Key)?;
        let known = Known { key: &key, counter: self.counter, backup_eligible: self.backup_eligible };
        webauthn::check(sent, &known, expected)
    }
}

/// Challenges that were answered well: each counts once. Only good answers are kept, so that strangers fill nothing.
#[derive(Debug, Default)]
pub(super) struct Answered(Mutex<HashMap<[u8; 32], Timestamp>>);

impl Answered {
    /// False where it was answered before, or nobody can remember more.
    pub(super) fn take(&self, challenge: &[u8], now: Timestamp) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= CHALLENGES_MAX {
            held.retain(|_, until| now < *until);
        }
        held.len() < CHALLENGES_MAX && held.insert(hash::sha256(challenge), now.plus(WAY_TTL)).is_none()
    }
}

/// What a page asks an authenticator: a sealed field for the form, and the challenge for the script.
pub(super) struct Challenge {
    pub(super) field: String,
    pub(super) plain: String,
}

/// A new challenge for one `path`.
pub(super) fn challenge(visit: &Visit, path: &str) -> Challenge {
    let plain: [u8; 32] = random::bytes();
    let sealed = way::seal(&visit.desk, USE, (path, plain.as_slice()), visit.now);
    Challenge { field: hidden("challenge", &sealed), plain: base64::encode_url(&plain) }
}

/// The challenge that the form at `path` answers.
pub(super) fn answered(visit: &Visit, path: &str, form: &Form) -> Result<Vec<u8>, Problem> {
    let sealed = form.get("challenge").unwrap_or_default();
    let opened: Option<(String, Vec<u8>)> = way::open(&visit.desk, USE, sealed, visit.now);
    let plain = opened.filter(|(of, _)| of == path).map(|(_, plain)| plain);
    plain.ok_or_else(|| Problem::bad("challenge: too old, or none of ours"))
}

/// For which host passkeys are: that of the issuer.
pub(super) fn rp_id(visit: &Visit) -> String {
    Url::parse(&visit.origin).map(|url| url.host).unwrap_or_default()
}

/// A part of a form in base64url.
pub(super) fn part(form: &Form, name: &str) -> Vec<u8> {
    form.get(name).and_then(|text| base64::decode_url(text).ok()).unwrap_or_default()
}

/// The form that a script fills; nobody sees it without. `ids` are those that may answer: none named, any.
pub(super) fn form(
    visit: &Visit,
    headers: &HeaderMap,
    path: &str,
    more: &str,
    ids: &[String],
    cookie: Option<&str>,
) -> String {
    let (mark, challenge) = (second_mark(visit, headers, path, cookie), challenge(visit, path));
    let verification = if path == paths::PASSKEY { "required" } else { "preferred" };
    let fields = ["id", "user", "client_data", "auth_data", "signature"].map(|name| hidden(name, "")).concat();
    format!(
        "<form id=\"passkey\" method=\"post\" action=\"{path}\" hidden data-do=\"get\" data-challenge=\"{}\" data-rp=\"{}\" \
         data-verification=\"{verification}\" data-ids=\"{}\">\n{}{}{more}{fields}\n\
         <button type=\"button\" class=\"plain\">Use a passkey</button>\n<p class=\"quiet\" role=\"status\"></p>\n</form>\n{}",
        challenge.plain,
        escape(&rp_id(visit)),
        escape(&ids.join(" ")),
        mark,
        challenge.field,
        script(),
    )
}

/// The one script.
pub(super) fn script() -> String {
    format!("<script src=\"{}\" defer></script>", super::pages::script_address())
}

impl Record {
    /// The names of the passkeys, for a page whose visitor has shown the password.
    pub(super) fn passkey_ids(&self) -> Vec<String> {
        self.passkeys.iter().map(|it| it.id.clone()).collect()
    }
}

pub(super) async fn sign_in(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = alone(&visit, request).await;
    visit.said(said)
}

/// A passkey alone: it names its person, and the authenticator verified who is there.
async fn alone(visit: &Visit, request: Request) -> Result<Response, Problem> {
    let (headers, form) = forms::read(visit, paths::PASSKEY, request).await?;
    let way = Way::open(&visit.desk, form.get("way"), visit.now);
    let way = way.ok_or_else(|| Problem::bad("way: too old, or none of ours"))?;
    let user = String::from_utf8(part(&form, "user")).unwrap_or_default();
    let person = visit.desk.person(&user).await?.filter(|person| !person.record.disabled);
    match person {
        Some(person) => take(visit, &headers, &person, &form, paths::PASSKEY, Shown::default(), &way).await,
        None => Ok(refused(visit, None, "no such person")),
    }
}

pub(super) async fn second_factor(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = after_password(&visit, request).await;
    visit.said(said)
}

async fn after_password(visit: &Visit, request: Request) -> Result<Response, Problem> {
    let (headers, form) = forms::read(visit, paths::SECOND_PASSKEY, request).await?;
    let Some((person, way, shown)) = step::read(visit, &headers).await? else { return Ok(see_other(paths::SIGN_IN)) };
    take(visit, &headers, &person, &form, paths::SECOND_PASSKEY, shown, &way).await
}

/// Checks what was sent, keeps the counter, and signs in.
async fn take(
    visit: &Visit,
    headers: &HeaderMap,
    person: &Person,
    form: &Form,
    path: &str,
    mut shown: Shown,
    way: &Way,
) -> Result<Response, Problem> {
    let challenge = answered(visit, path, form)?;
    let (client_data, auth_data, signature) =
        (part(form, "client_data"), part(form, "auth_data"), part(form, "signature"));
    let sent = Assertion { client_data: &client_data, auth_data: &auth_data, signature: &signature };
    let rp_id = rp_id(visit);
    let expected =
        Expected { challenge: &challenge, origin: &visit.origin, rp_id: &rp_id, verified: shown.factors.is_empty() };
    let mut why = "no such passkey".to_owned();
    let id = form.get("id").unwrap_or_default();
    let taken = visit.desk.change(&person.id, |record| {
        let held = record.passkeys.iter_mut().find(|it| it.id == id)?;
        // Looked at inside: a counter that grew meanwhile refuses the slower of two.
        let asserted = held.check(&sent, &expected).map_err(|error| why = error.to_string()).ok()?;
        (held.counter, held.backed_up, held.used) = (asserted.counter, asserted.backed_up, Some(visit.now));
        Some((asserted.verified, held.backup_eligible))
    });
    let Some((verified, copied)) = taken.await? else { return Ok(refused(visit, Some(person), &why)) };
    if !visit.desk.answered.take(&challenge, visit.now) {
        return Ok(refused(visit, Some(person), "the challenge was answered before"));
    }
    let passkey = if copied { Factor::SyncedPasskey } else { Factor::Passkey };
    shown = shown.and(passkey);
    if verified {
        shown = shown.and(Factor::Verified);
    }
    sign_in::finish(visit, headers, person, shown, way).await
}

fn refused(visit: &Visit, person: Option<&Person>, why: &str) -> Response {
    deeds::tell(visit, person, Deed::NotSignedIn, Some("passkey"), Some(why));
    let text = "<p>That passkey did not work here.</p>\n<p><a href=\"/sign-in\">Sign in another way</a></p>";
    Page::new("Sign in", text.to_owned()).status(StatusCode::FORBIDDEN).answer(visit)
}
