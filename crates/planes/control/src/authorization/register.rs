//! `/register`: apps that register themselves (RFC 7591), and change or remove what they registered (RFC 7592). Only with a token that an
//! operator gave out, within what the fleet file lets such apps have, and always as public clients.

use super::answer::{Refusal, unstored};
use super::ask::{Connection, take};
use super::granting::Grants;
use super::registered::Kept;
use super::{family, paths};
use crate::app::App;
use crate::error::chain;
use crate::limits::{REGISTRATION_BYTES_MAX, REGISTRATION_VALUES_MAX};
use axum::Extension;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bartizan_core::Timestamp;
use bartizan_core::authorization::{Grant, REDIRECTS_MAX, Registration};
use bartizan_core::egress::special;
use bartizan_core::federation::Url;
use bartizan_core::people::{DISPLAY_BYTES_MAX, is_shown};
use bartizan_core::redirect::Redirect;
use bartizan_crypto::jose::json::{self, Object};
use bartizan_crypto::{base64, hash, random};
use bartizan_runtime::clock;
use bartizan_store::{StoredApp, Whose};
use bartizan_tokens::Scopes;
use serde_json::{Value, json};
use std::sync::Arc;

/// What the names of such apps begin with, so that none is taken for one of the fleet file.
const PREFIX: &str = "reg-";
/// OpenID Connect Back-Channel Logout section 2.2.
pub(super) const BACK_CHANNEL: &str = "backchannel_logout_uri";
const BACK_CHANNEL_SESSION: &str = "backchannel_logout_session_required";
/// RFC 9126 section 6.
pub(super) const PUSHED: &str = "require_pushed_authorization_requests";

/// `POST /register`.
pub(super) async fn register(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    request: Request,
) -> Response {
    match try_register(&app, &from, request).await {
        Ok(body) => {
            let mut answer = unstored(body);
            *answer.status_mut() = StatusCode::CREATED;
            answer
        }
        Err(refusal) => refusal.answer(&app, &from),
    }
}

async fn try_register(app: &App, from: &Connection, request: Request) -> Result<Value, Refusal> {
    take(app, from)?;
    let now = clock::now();
    let rules = rules(app)?;
    let token = bearer(request.headers())?;
    if !hash::equal(&hash::sha256(token.as_bytes()), &rules.token_sha256) {
        return Err(not_yours("the initial access token is another one"));
    }
    let asked = read_body(request).await?;
    let (id, kept, token) = add(app, &rules, &asked, now).await?;
    tracing::info!(id, title = kept.title, "an app registered itself");
    Ok(said(app, &id, &kept, &rules, Some(&token)))
}

/// Takes an app in, whoever asks; its name, and the token by which it is changed.
pub(super) async fn add(
    app: &App,
    rules: &Registration,
    asked: &Object,
    now: Timestamp,
) -> Result<(String, Kept, String), Refusal> {
    let grants = app.authorization.grants(app).await?;
    if grants.registered.count() >= usize::try_from(rules.most).unwrap_or(usize::MAX) {
        return Err(Refusal::unable(format!("{} apps registered themselves already, as many as may", rules.most)));
    }
    let (id, token) = (format!("{PREFIX}{}", base64::encode_url(&random::bytes::<16>())), new_token());
    let kept = kept(asked, rules, &token, now)?;
    keep(&grants, &id, &kept).await?;
    Ok((id, kept, token))
}

/// `GET /register/{id}`: what is kept of an app.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let shown = async {
        let (_, kept, rules) = own(&app, &from, &id, &headers).await?;
        Ok(said(&app, &id, &kept, &rules, None))
    };
    shown.await.map_or_else(|refusal: Refusal| refusal.answer(&app, &from), unstored)
}

/// `PUT /register/{id}`: what is sent takes the place of what was kept.
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let replaced = async {
        let (grants, before, rules) = own(&app, &from, &id, &headers).await?;
        let asked = read_body(request).await?;
        if asked.get("client_id").is_some_and(|named| named != id.as_str()) {
            return Err(metadata("`client_id` is another one than in the address"));
        }
        let token = new_token();
        let kept = Kept { issued: before.issued, ..kept(&asked, &rules, &token, clock::now())? };
        keep(&grants, &id, &kept).await?;
        Ok(said(&app, &id, &kept, &rules, Some(&token)))
    };
    replaced.await.map_or_else(|refusal: Refusal| refusal.answer(&app, &from), unstored)
}

/// `DELETE /register/{id}`: the app is gone, and what it was given with it.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Extension(from): Extension<Connection>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let removed = async {
        let (grants, ..) = own(&app, &from, &id, &headers).await?;
        drop_app(&app, &grants, &id, clock::now()).await
    };
    match removed.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.answer(&app, &from),
    }
}

/// The app is gone, and what it was given with it.
pub(super) async fn drop_app(app: &App, grants: &Grants, id: &str, now: Timestamp) -> Result<(), Refusal> {
    grants.store.drop_app(id).await.map_err(|error| Refusal::unable(chain(&error)))?;
    grants.registered.set(id, None);
    // Of a client that is gone nothing goes on, whenever it began.
    let ever = Timestamp::from_millis(u64::MAX);
    let ended = family::end_all(app, &Whose::Client(id.to_owned()), ever, now).await;
    ended.map_err(|error| Refusal::unable(error.detail()))
}

/// Another token by which an app is changed, in the place of the one before.
pub(super) async fn renew(grants: &Grants, id: &str, before: &Kept) -> Result<String, Refusal> {
    let token = new_token();
    let token_sha256 = hash::hex(&hash::sha256(token.as_bytes()));
    keep(grants, id, &Kept { token_sha256, ..before.clone() }).await?;
    Ok(token)
}

fn rules(app: &App) -> Result<Registration, Refusal> {
    let in_force = app.in_force();
    let rules = in_force.desired.fleet.authorization.as_ref().and_then(|said| said.registration.clone());
    rules.ok_or_else(|| {
        let refusal = Refusal::invalid_request("no app registers itself here", "the fleet file has no `registration`");
        refusal.status(StatusCode::NOT_FOUND)
    })
}

type Own = (Arc<Grants>, Arc<Kept>, Registration);

/// The app whose token was shown. Whoever has no token learns nothing of which apps there are.
async fn own(app: &App, from: &Connection, id: &str, headers: &HeaderMap) -> Result<Own, Refusal> {
    take(app, from)?;
    let rules = rules(app)?;
    let token = hash::hex(&hash::sha256(bearer(headers)?.as_bytes()));
    let grants = app.authorization.grants(app).await?;
    let kept = grants.registered.get(id);
    let kept = kept.filter(|kept| hash::equal(kept.token_sha256.as_bytes(), token.as_bytes()));
    let kept = kept.ok_or_else(|| not_yours(format!("no app `{}` has that token", id.escape_debug())))?;
    Ok((grants, kept, rules))
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let text = fields.next().and_then(|value| value.to_str().ok());
    let token = text.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match (token, fields.next()) {
        (Some((_, token)), None) => Ok(token.trim()),
        _ => Err(not_yours("no token was shown")),
    }
}

fn not_yours(detail: impl Into<String>) -> Refusal {
    let public = "show a token that lets you do that";
    let refusal = Refusal::bad("invalid_token", public, detail).status(StatusCode::UNAUTHORIZED);
    refusal.with(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
}

fn metadata(detail: impl Into<String>) -> Refusal {
    Refusal::bad("invalid_client_metadata", "what is asked for is not registered here", detail)
}

async fn read_body(request: Request) -> Result<Object, Refusal> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(metadata("another content type than application/json"));
    }
    let body = to_bytes(request.into_body(), REGISTRATION_BYTES_MAX).await.map_err(|_| Refusal::too_large())?;
    json::bounded(&body, REGISTRATION_VALUES_MAX).map_err(metadata)
}

fn new_token() -> String {
    format!("bzt.{}", base64::encode_url(&random::bytes::<32>()))
}

/// What is kept of what an app asks for. What it does not say, or may not have, is decided here and said in the answer (RFC 7591
/// section 2); what it may not be at all refuses it.
fn kept(asked: &Object, rules: &Registration, token: &str, now: Timestamp) -> Result<Kept, Refusal> {
    if asked.contains_key("software_statement") {
        let public = "no statement is trusted here";
        return Err(Refusal::bad("unapproved_software_statement", public, "a statement came"));
    }
    for (name, why) in [("jwks", "keys"), ("jwks_uri", "keys"), ("client_secret", "secrets")] {
        if asked.contains_key(name) {
            return Err(metadata(format!("`{name}` is there, and apps have no {why} here")));
        }
    }
    if text(asked, "token_endpoint_auth_method")?.is_some_and(|method| method != "none") {
        return Err(metadata("`token_endpoint_auth_method` has to be `none`"));
    }
    if texts(asked, "response_types")?.is_some_and(|types| types != ["code"]) {
        return Err(metadata("`response_types` has to be `code` alone"));
    }
    let grants = grants(asked)?;
    let redirect = redirects(asked, "redirect_uris")?;
    if redirect.is_empty() && grants.iter().any(|grant| grant == Grant::AuthorizationCode.grant_type()) {
        return Err(redirect_uri("`redirect_uris` is missing"));
    }
    let wants_bound = flag(asked, "dpop_bound_access_tokens")?;
    Ok(Kept {
        title: title(asked)?,
        redirect,
        signed_out: redirects(asked, "post_logout_redirect_uris")?,
        scopes: scopes(asked, rules)?,
        grants,
        bearer: rules.bearer && !wants_bound,
        pushed: flag(asked, PUSHED)?,
        back_channel: back_channel(asked)?,
        token_sha256: hash::hex(&hash::sha256(token.as_bytes())),
        issued: now,
    })
}

/// The session is always named, so whether it has to be says nothing.
fn back_channel(asked: &Object) -> Result<Option<String>, Refusal> {
    flag(asked, BACK_CHANNEL_SESSION)?;
    let Some(text) = text(asked, BACK_CHANNEL)? else { return Ok(None) };
    let url = Url::parse(text).map_err(|why| metadata(format!("`{BACK_CHANNEL}`: {why}")))?;
    // What a name leads to is judged each time that it is dialled; an address can be judged now.
    match url.host.parse().ok().and_then(special) {
        None => Ok(Some(text.to_owned())),
        Some(special) => Err(metadata(format!("`{BACK_CHANNEL}`: {} is {}", url.host, special.as_str()))),
    }
}

fn flag(asked: &Object, name: &'static str) -> Result<bool, Refusal> {
    match asked.get(name) {
        None => Ok(false),
        Some(Value::Bool(wanted)) => Ok(*wanted),
        Some(_) => Err(metadata(format!("`{name}` is neither true nor false"))),
    }
}

fn text<'a>(asked: &'a Object, name: &'static str) -> Result<Option<&'a str>, Refusal> {
    match asked.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(metadata(format!("`{name}` is no text"))),
    }
}

fn texts<'a>(asked: &'a Object, name: &'static str) -> Result<Option<Vec<&'a str>>, Refusal> {
    let refuse = || metadata(format!("`{name}` is no list of texts"));
    match asked.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(all)) => {
            let all: Option<Vec<_>> = all.iter().map(Value::as_str).collect();
            all.map(Some).ok_or_else(refuse)
        }
        Some(_) => Err(refuse()),
    }
}

fn title(asked: &Object) -> Result<String, Refusal> {
    match text(asked, "client_name")? {
        None => Ok("An app without a name".to_owned()),
        // Characters that turn the direction of writing make one name look like another.
        Some(title) if is_shown(title, DISPLAY_BYTES_MAX) && !title.chars().any(turns_writing) => Ok(title.to_owned()),
        Some(_) => Err(metadata("`client_name` is empty, too long, or cannot be shown")),
    }
}

fn turns_writing(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn grants(asked: &Object) -> Result<Vec<String>, Refusal> {
    let usual = vec![Grant::AuthorizationCode.grant_type()];
    let named = texts(asked, "grant_types")?.unwrap_or(usual);
    let known = |name: &&str| Grant::OF_APPS.iter().any(|grant| grant.grant_type() == *name);
    if let Some(other) = named.iter().find(|name| !known(name)) {
        return Err(metadata(format!("`grant_types` has `{}`, which no app has here", other.escape_debug())));
    }
    if named.is_empty() || named == [Grant::RefreshToken.grant_type()] {
        return Err(metadata("`grant_types` has no way to a first token"));
    }
    Ok(named.into_iter().map(str::to_owned).collect())
}

fn redirect_uri(detail: impl Into<String>) -> Refusal {
    Refusal::bad("invalid_redirect_uri", "an address to come back to is not taken", detail)
}

fn redirects(asked: &Object, name: &'static str) -> Result<Vec<String>, Refusal> {
    let all = texts(asked, name)?.unwrap_or_default();
    if all.len() > REDIRECTS_MAX {
        return Err(redirect_uri(format!("`{name}` has more than {REDIRECTS_MAX}")));
    }
    let check = |text: &str| Redirect::parse(text).map(|_| text.to_owned());
    all.into_iter().map(|text| check(text).map_err(|why| redirect_uri(format!("`{name}`: {why}")))).collect()
}

/// All that such apps may have where it does not say.
fn scopes(asked: &Object, rules: &Registration) -> Result<Vec<String>, Refusal> {
    let Some(text) = text(asked, "scope")? else { return Ok(rules.scopes.clone()) };
    let scopes = Scopes::parse(text).map_err(|why| metadata(format!("`scope`: {why}")))?;
    let had = scopes.iter().filter(|scope| rules.scopes.iter().any(|known| known == scope)).map(str::to_owned);
    Ok(had.collect())
}

async fn keep(grants: &Grants, id: &str, kept: &Kept) -> Result<(), Refusal> {
    let state = serde_json::to_string(kept).map_err(|error| Refusal::unable(error.to_string()))?;
    let stored = grants.store.put_app(StoredApp { id: id.to_owned(), state }).await;
    stored.map_err(|error| Refusal::unable(chain(&error)))?;
    grants.registered.set(id, Some(kept.clone()));
    Ok(())
}

fn said(app: &App, id: &str, kept: &Kept, rules: &Registration, token: Option<&str>) -> Value {
    let issuer = app.in_force().desired.fleet.authorization.as_ref().map(|said| said.issuer.clone());
    let now = kept.rules(rules);
    let mut said = json!({
        "client_id": id,
        "client_id_issued_at": kept.issued.as_secs(),
        "registration_client_uri": format!("{}{}/{id}", issuer.unwrap_or_default(), paths::REGISTER),
        "client_name": kept.title,
        "redirect_uris": kept.redirect,
        "post_logout_redirect_uris": kept.signed_out,
        "grant_types": kept.grants,
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": now.scopes.join(" "),
        "dpop_bound_access_tokens": !now.bearer,
        PUSHED: now.pushed,
        BACK_CHANNEL_SESSION: now.back_channel.is_some(),
        "id_token_signed_response_alg": "ES256",
    });
    if let Some(to) = &kept.back_channel {
        said[BACK_CHANNEL] = json!(to);
    }
    if let Some(token) = token {
        said["registration_access_token"] = json!(token);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Registration {
        Registration {
            token_sha256: [0; 32],
            scopes: vec!["openid".into(), "email".into()],
            audiences: vec!["api".into()],
            most: 5,
            bearer: false,
        }
    }

    fn read(text: &str) -> Result<Kept, Refusal> {
        let asked = json::bounded(text.as_bytes(), REGISTRATION_VALUES_MAX).map_err(metadata)?;
        kept(&asked, &rules(), "t", Timestamp::from_secs(1))
    }

    #[test]
    fn what_no_app_may_be_is_refused() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        let many = format!("{{\"redirect_uris\":[{}1]}}", "1,".repeat(400));
        for (text, code) in [
            ("[]", "invalid_client_metadata"),
            ("{", "invalid_client_metadata"),
            (deep.as_str(), "invalid_client_metadata"),
            (many.as_str(), "invalid_client_metadata"),
            (r#"{"redirect_uris":["https://a.test/"],"redirect_uris":["https://b.test/"]}"#, "invalid_client_metadata"),
            (r#"{}"#, "invalid_redirect_uri"),
            (r#"{"redirect_uris":"https://a.test/"}"#, "invalid_client_metadata"),
            (r#"{"redirect_uris":["http://a.test/"]}"#, "invalid_redirect_uri"),
            (r#"{"redirect_uris":["https://a.test/#x"]}"#, "invalid_redirect_uri"),
            (r#"{"redirect_uris":["javascript:alert(1)"]}"#, "invalid_redirect_uri"),
            (r#"{"redirect_uris":["https://a.test/"],"grant_types":["implicit"]}"#, "invalid_client_metadata"),
            (r#"{"redirect_uris":["https://a.test/"],"grant_types":["password"]}"#, "invalid_client_metadata"),
            (r#"{"redirect_uris":["https://a.test/"],"grant_types":["refresh_token"]}"#, "invalid_client_metadata"),
            (r#"{"redirect_uris":["https://a.test/"],"response_types":["token"]}"#, "invalid_client_metadata"),
            (
                r#"{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"client_secret_basic"}"#,
                "invalid_client_metadata",
            ),
            (r#"{"redirect_uris":["https://a.test/"],"jwks_uri":"https://a.test/keys"}"#, "invalid_client_metadata"),
            (r#"{"redirect_uris":["https://a.test/"],"software_statement":"x"}"#, "unapproved_software_statement"),
            (r#"{"redirect_uris":["https://a.test/"],"client_name":"a\u202eb"}"#, "invalid_client_metadata"),
            (
                r#"{"redirect_uris":["https://a.test/"],"backchannel_logout_uri":"http://a.test/out"}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"backchannel_logout_uri":"https://169.254.169.254/latest"}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"backchannel_logout_uri":"https://[::ffff:10.0.0.1]/"}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"backchannel_logout_session_required":"yes"}"#,
                "invalid_client_metadata",
            ),
            (r#"{"redirect_uris":["https://a.test/"],"client_name":""}"#, "invalid_client_metadata"),
        ] {
            assert_eq!(read(text).map_err(|refusal| refusal.code()).unwrap_err(), code, "{text:.80}");
        }
    }

    #[test]
    fn what_is_not_said_is_the_strict_choice_and_what_may_not_be_had_is_left_out() {
        let kept = read(r#"{"redirect_uris":["https://a.test/"],"scope":"openid admin","logo_uri":"x"}"#).unwrap();
        assert_eq!((kept.scopes.as_slice(), kept.bearer), (&["openid".to_owned()][..], false));
        let now = kept.rules(&rules());
        assert!(!now.trusted && !now.bearer && now.workload.is_none());
        assert_eq!(
            (now.grants.as_slice(), now.audiences.as_slice()),
            (&[Grant::AuthorizationCode][..], &["api".to_owned()][..])
        );
        let kept = read(r#"{"redirect_uris":["https://a.test/"],"dpop_bound_access_tokens":false}"#).unwrap();
        assert!(!kept.bearer, "the fleet file has the word");
        let loose = Registration { bearer: true, ..rules() };
        let asked = json::object(br#"{"redirect_uris":["https://a.test/"]}"#).unwrap();
        let kept = super::kept(&asked, &loose, "t", Timestamp::from_secs(1)).unwrap();
        assert!(kept.rules(&loose).bearer && !kept.rules(&rules()).bearer, "as it says now");
    }
}
