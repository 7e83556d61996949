//! What an app asks for when it sends a browser (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1): read once, whether it came
//! with the browser or was pushed before.
//!
//! What is wrong with the app or the address to come back to is said to the person, since nobody is known who could be told; everything
//! else goes back to the app.

use crate::form::Form;
use crate::limits::{HINT_BYTES_MAX, STATE_BYTES_MAX};
use crate::pkce::{Challenge, PkceError};
use crate::scopes::Scopes;
use bartizan_core::authorization::{App, Grant};
use bartizan_crypto::base64;
use serde::{Deserialize, Serialize};

/// Asks for an ID token, and for who somebody is.
pub const OPENID: &str = "openid";
/// Asks for tokens that outlive the session.
pub const OFFLINE: &str = "offline_access";

/// What an app asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The app.
    pub client_id: String,
    /// Where the browser goes with the answer: one that is registered.
    pub redirect_uri: String,
    /// Goes back as it came.
    pub state: Option<String>,
    /// What it wants; within what it may ask for.
    pub scopes: Scopes,
    /// Whom the tokens are to be for where nothing else is said later; one that it may have.
    pub audience: String,
    /// Whom they may be for too, one at a time.
    pub further: Vec<String>,
    /// What the app's secret was hashed to.
    pub challenge: Challenge,
    /// Goes into the ID token as it came.
    pub nonce: Option<String>,
    /// What may be shown to the person.
    pub prompt: Prompt,
    /// How many seconds ago the person may have signed in at most.
    pub max_age_s: Option<u64>,
    /// How the app would like the person to sign in, best first.
    pub acr_values: Option<String>,
    /// Who the app thinks that it is.
    pub login_hint: Option<String>,
    /// An ID token of who the app thinks that it is; not looked at yet.
    pub id_token_hint: Option<String>,
    /// The key that the tokens are to be bound to (RFC 9449 section 10).
    pub key: Option<[u8; 32]>,
}

/// What may be shown to the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Nothing at all.
    pub none: bool,
    /// The sign-in page, whoever is signed in.
    pub login: bool,
    /// The question what the app may have, whatever was allowed before.
    pub consent: bool,
}

/// Why nothing comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// Nobody can be told but the person: the address to come back to is missing, or none of this app's.
    Page(&'static str),
    /// The app is told.
    App(Refused),
}

/// What an app is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where.
    pub redirect_uri: String,
    /// What it sent along.
    pub state: Option<String>,
    /// One word.
    pub code: &'static str,
    /// A sentence for whoever writes the app.
    pub why: String,
}

/// Parameters by which a request could be given in another way; they are said not to be known rather than ignored.
const OTHER_WAYS: [(&str, &str); 2] =
    [("request", "request_not_supported"), ("registration", "registration_not_supported")];

impl Request {
    /// Reads what `app`, found by its name before, asks for.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn read(form: &Form, client_id: &str, app: &App) -> Result<Self, RequestError> {
        let redirect_uri = form.get("redirect_uri").ok_or(RequestError::Page("`redirect_uri` is missing"))?;
        if !app.redirect.iter().any(|known| known.allows(redirect_uri)) {
            return Err(RequestError::Page("`redirect_uri` is none that is registered for this app, to the letter"));
        }
        let state = form.get("state");
        if state.is_some_and(|state| state.len() > STATE_BYTES_MAX) {
            return Err(RequestError::Page("`state` is too long"));
        }
        let (redirect_uri, state) = (redirect_uri.to_owned(), state.map(str::to_owned));
        read(form, client_id, app, &redirect_uri, &state)
            .map_err(|(code, why)| RequestError::App(Refused { redirect_uri, state, code, why }))
    }

    /// Whether the app would like the person to sign in that way.
    pub fn wants(&self, acr: &str) -> bool {
        self.acr_values.as_deref().unwrap_or_default().split(' ').any(|wanted| wanted == acr)
    }
}

type Why = (&'static str, String);

/// RFC 8707 section 2.
const INVALID_TARGET: &str = "invalid_target";

fn invalid(why: impl Into<String>) -> Why {
    ("invalid_request", why.into())
}

fn read(form: &Form, client_id: &str, app: &App, redirect_uri: &str, state: &Option<String>) -> Result<Request, Why> {
    if let Some((name, code)) = OTHER_WAYS.iter().find(|(name, _)| form.get(name).is_some()) {
        return Err((code, format!("`{name}` is not taken here; push the request instead")));
    }
    match form.get("response_type") {
        Some("code") => {}
        None => return Err(invalid("`response_type` is missing")),
        Some(_) => return Err(("unsupported_response_type", "`response_type` has to be `code`".to_owned())),
    }
    if form.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid("`response_mode` has to be `query`, or be left out"));
    }
    if !app.grants.contains(&Grant::AuthorizationCode) {
        return Err(("unauthorized_client", "this app has no grant `authorization_code`".to_owned()));
    }
    let challenge = form.get("code_challenge").ok_or_else(|| invalid("`code_challenge` is missing"))?;
    let challenge = Challenge::read(form.get("code_challenge_method"), challenge);
    let (audience, further) = wanted_audiences(form, app)?;
    Ok(Request {
        client_id: client_id.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        state: state.clone(),
        scopes: wanted_scopes(form, app)?,
        audience,
        further,
        challenge: challenge.map_err(|why: PkceError| invalid(why.to_string()))?,
        nonce: short(form, "nonce")?,
        prompt: prompt(form)?,
        max_age_s: max_age(form)?,
        acr_values: short(form, "acr_values")?,
        login_hint: short(form, "login_hint")?,
        id_token_hint: form.get("id_token_hint").map(str::to_owned),
        key: key(form)?,
    })
}

/// The scopes that `form` asks for, where the app may.
///
/// # Errors
/// The word and the sentence of the answer.
pub fn wanted_scopes(form: &Form, app: &App) -> Result<Scopes, Why> {
    let refuse = |why: String| ("invalid_scope", why);
    let Some(text) = form.get("scope") else { return Err(refuse("`scope` is missing; say what is wanted".to_owned())) };
    let scopes = Scopes::parse(text).map_err(|why| refuse(why.to_string()))?;
    if scopes.iter().all(|scope| app.scopes.iter().any(|known| known == scope)) {
        return Ok(scopes);
    }
    // Not which there are: whoever asks may be anybody who knows the app's name.
    Err(refuse("more scopes are asked for than this app may have".to_owned()))
}

/// Whom the tokens that `form` asks for are to be for, where the app may have such.
///
/// # Errors
/// The word and the sentence of the answer.
pub fn wanted_audience(form: &Form, app: &App) -> Result<String, Why> {
    form.resource().map_err(|why| (INVALID_TARGET, why.to_owned()))?;
    wanted_audiences(form, app).map(|(first, _)| first)
}

/// The same of a grant that tokens for several may come of, one at a time (RFC 8707 section 2.1): for the first where nothing else is
/// said later, and for which others.
fn wanted_audiences(form: &Form, app: &App) -> Result<(String, Vec<String>), Why> {
    let mut wanted = form.resources();
    let is_had = |wanted: &str| app.audiences.iter().any(|known| known == wanted);
    if !form.resources().all(is_had) {
        return Err((INVALID_TARGET, "no tokens for that `resource` are given to this app".to_owned()));
    }
    let first = wanted.next().or(app.audiences.first().map(String::as_str)).unwrap_or_default();
    Ok((first.to_owned(), wanted.map(str::to_owned).collect()))
}

fn short(form: &Form, name: &'static str) -> Result<Option<String>, Why> {
    match form.get(name) {
        Some(text) if text.len() > HINT_BYTES_MAX => Err(invalid(format!("`{name}` is too long"))),
        text => Ok(text.map(str::to_owned)),
    }
}

fn prompt(form: &Form) -> Result<Prompt, Why> {
    let mut prompt = Prompt::default();
    let words = form.get("prompt").unwrap_or_default();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return Err(invalid("`prompt` has a word that is not known")),
        }
    }
    if prompt.none && (prompt.login || prompt.consent) {
        return Err(invalid("`prompt` asks for nothing and for something"));
    }
    Ok(prompt)
}

fn max_age(form: &Form) -> Result<Option<u64>, Why> {
    let Some(text) = form.get("max_age") else { return Ok(None) };
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| is_number);
    seconds.map(Some).ok_or_else(|| invalid("`max_age` is no number of seconds"))
}

fn key(form: &Form) -> Result<Option<[u8; 32]>, Why> {
    let Some(text) = form.get("dpop_jkt") else { return Ok(None) };
    let key = base64::decode_url(text).ok().and_then(|bytes| bytes.try_into().ok());
    key.map(Some).ok_or_else(|| invalid("`dpop_jkt` is no thumbprint of a key"))
}

/// An address with parameters behind those that it has.
pub fn with_parameters(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut out = address.to_owned();
    let mut mark = if address.contains('?') { '&' } else { '?' };
    for (name, value) in parameters {
        out.push(mark);
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        mark = '&';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::redirect::Redirect;
    use proptest::prelude::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const BACK: &str = "https://shop.test/back?a=b";

    fn app() -> App {
        App {
            title: "Shop".into(),
            redirect: vec![Redirect::parse(BACK).unwrap(), Redirect::parse("http://127.0.0.1/cb").unwrap()],
            signed_out: Vec::new(),
            scopes: vec!["openid".into(), "read".into()],
            audiences: vec!["api".into(), "other".into()],
            trusted: false,
            grants: vec![Grant::AuthorizationCode],
            bearer: false,
            workload: None,
            pushed: false,
            back_channel: None,
        }
    }

    fn good() -> Vec<(&'static str, &'static str)> {
        vec![
            ("redirect_uri", BACK),
            ("response_type", "code"),
            ("scope", "openid read"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "s"),
        ]
    }

    fn read(fields: &[(&'static str, &str)]) -> Result<Request, RequestError> {
        let body = with_parameters("x", fields).split_off(2);
        Request::read(&Form::parse(body.as_bytes()).unwrap(), "shop", &app())
    }

    /// As [`good`], with one of them other, or one more.
    fn with<'a>(name: &'static str, value: &'a str) -> Vec<(&'static str, &'a str)> {
        let mut fields: Vec<_> = good().into_iter().filter(|(known, _)| *known != name).collect();
        fields.push((name, value));
        fields
    }

    #[test]
    fn who_is_to_be_sent_elsewhere_is_not_sent_at_all() {
        for back in [
            "",
            "https://evil.test/",
            "https://shop.test/back",
            "https://shop.test/back?a=b&c",
            "https://shop.test/back?a=b#",
            "http://127.0.0.1.evil.test/cb",
            "http://127.0.0.1:1@evil.test/cb",
            "//shop.test/back?a=b",
        ] {
            assert!(matches!(read(&with("redirect_uri", back)), Err(RequestError::Page(_))), "{back}");
        }
        let long = "s".repeat(STATE_BYTES_MAX + 1);
        assert!(matches!(read(&with("state", &long)), Err(RequestError::Page(_))));
    }

    #[test]
    fn what_is_not_taken_goes_back_to_the_app_with_its_state() {
        let long = "n".repeat(HINT_BYTES_MAX + 1);
        for (name, value, code) in [
            ("response_type", "", "invalid_request"),
            ("response_type", "token", "unsupported_response_type"),
            ("response_type", "code id_token", "unsupported_response_type"),
            ("response_mode", "fragment", "invalid_request"),
            ("code_challenge", "", "invalid_request"),
            ("code_challenge", "short", "invalid_request"),
            ("code_challenge_method", "", "invalid_request"),
            ("code_challenge_method", "plain", "invalid_request"),
            ("scope", "", "invalid_scope"),
            ("scope", "openid write", "invalid_scope"),
            ("scope", "openid  read", "invalid_scope"),
            ("resource", "https://elsewhere.test", "invalid_target"),
            ("prompt", "none login", "invalid_request"),
            ("prompt", "create", "invalid_request"),
            ("max_age", "-1", "invalid_request"),
            ("max_age", "+1", "invalid_request"),
            ("nonce", &long, "invalid_request"),
            ("dpop_jkt", "x", "invalid_request"),
            ("request", "e30.e30.", "request_not_supported"),
            ("registration", "{}", "registration_not_supported"),
        ] {
            let Err(RequestError::App(refused)) = read(&with(name, value)) else { panic!("{name}={value}") };
            assert_eq!((refused.code, refused.state.as_deref()), (code, Some("s")), "{name}={value} {}", refused.why);
            assert_eq!(refused.redirect_uri, BACK);
        }
        let no_code = App { grants: vec![Grant::DeviceCode], ..app() };
        let body = with_parameters("x", &good()).split_off(2);
        let refused = Request::read(&Form::parse(body.as_bytes()).unwrap(), "shop", &no_code);
        assert!(matches!(refused, Err(RequestError::App(refused)) if refused.code == "unauthorized_client"));
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let request = read(&good()).unwrap();
        assert_eq!((request.audience.as_str(), request.scopes.to_string().as_str()), ("api", "openid read"));
        assert_eq!((request.prompt, request.max_age_s, request.key), (Prompt::default(), None, None));
        let mut fields = with("redirect_uri", "http://127.0.0.1:5123/cb");
        let more = [("prompt", "login consent"), ("max_age", "0"), ("resource", "other"), ("dpop_jkt", CHALLENGE)];
        fields.extend(more);
        let request = read(&fields).unwrap();
        assert_eq!(request.redirect_uri, "http://127.0.0.1:5123/cb");
        assert!(request.prompt.login && request.prompt.consent && !request.prompt.none);
        assert_eq!((request.max_age_s, request.audience.as_str()), (Some(0), "other"));
        assert!(request.key.is_some());
    }

    proptest! {
        #[test]
        fn parameters_come_back_as_they_were(value in "\\PC{1,20}", address in "https://a/[a-z]{0,3}(\\?x=y)?") {
            let whole = with_parameters(&address, &[("state", &value)]);
            prop_assert!(whole.starts_with(&address));
            let query = whole.split_once('?').unwrap().1;
            let form = Form::parse(query.as_bytes()).unwrap();
            prop_assert_eq!(form.get("state"), Some(value.as_str()));
        }

        #[test]
        fn any_request_is_read_or_refused_and_nobody_is_sent_elsewhere(fields in proptest::collection::btree_map("[a-z_]{1,14}", "[ -~]{0,24}", 0..8)) {
            let pairs: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let body = with_parameters("", &pairs);
            if let Ok(form) = Form::parse(body.trim_start_matches('?').as_bytes()) {
                match Request::read(&form, "shop", &app()) {
                    Ok(request) => prop_assert!(app().redirect.iter().any(|known| known.allows(&request.redirect_uri))),
                    Err(RequestError::App(refused)) => prop_assert!(app().redirect.iter().any(|known| known.allows(&refused.redirect_uri))),
                    Err(RequestError::Page(_)) => {}
                }
            }
        }
    }
}
