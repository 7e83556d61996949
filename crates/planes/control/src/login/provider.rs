//! What a provider says of itself (OpenID Connect Discovery): where to send a browser, and where to ask for tokens.

use super::Failure;
use crate::error::chain;
use crate::federation::web_roots;
use crate::limits::{ISSUER_DOCUMENT_BYTES_MAX, ISSUER_FETCH_WITHIN, LOGIN_SECRET_BYTES_MAX};
use bartizan_core::Secret;
use bartizan_core::federation::Url;
use bartizan_core::login::{Login, Provider};
use bartizan_core::user::Users;
use bartizan_crypto::jose::json::{self, Object};
use bartizan_runtime::tls::WebClient;
use bartizan_runtime::{files, https};
use serde_json::Value;
use std::path::Path;

/// A provider that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) issuer: String,
    pub(super) provider: Provider,
    pub(super) token: Url,
    pub(super) revocation: Option<Url>,
    /// Where a browser is signed out.
    pub(super) end_session: Option<String>,
    /// Whether a secret goes into the form: it does not take it otherwise.
    pub(super) secret_in_form: bool,
}

/// One look.
pub(super) async fn look(said: &Login, users: Option<&Users>, dir: &Path) -> Result<Found, String> {
    let issuer = said.issuer.trim_end_matches('/');
    let url = url(&format!("{issuer}/.well-known/openid-configuration"))?;
    let client = client(said, users, dir)?;
    let looking = async {
        let stream = https::dial(&url.host, url.port).await.map_err(|error| chain(&error))?;
        let stream = client.connect(stream, &url.host, ISSUER_FETCH_WITHIN).await.map_err(|error| error.to_string())?;
        let body = https::get(stream, &url.authority(), &url.path, ISSUER_DOCUMENT_BYTES_MAX).await;
        body.map_err(|error| chain(&error))
    };
    let within = tokio::time::timeout(ISSUER_FETCH_WITHIN, looking).await;
    let body = within.map_err(|_| format!("no answer within {} s", ISSUER_FETCH_WITHIN.as_secs()))??;
    let document = json::object(&body).map_err(|error| format!("its document: {error}"))?;
    read(said, &document)
}

fn read(said: &Login, document: &Object) -> Result<Found, String> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let needed = |name: &str| text(name).ok_or_else(|| format!("its document names no `{name}`"));
    let has = |name: &str, wanted: &str| {
        document.get(name).and_then(Value::as_array).is_some_and(|all| all.iter().any(|it| it == wanted))
    };
    // Section 4.3: else somebody else's endpoints would count for it.
    if text("issuer") != Some(&said.issuer) {
        return Err("its document is of another issuer".to_owned());
    }
    // RFC 8414: a provider that knows PKCE says so, and one that does not would let codes be stolen.
    if !has("code_challenge_methods_supported", "S256") {
        return Err("its document names no `S256` among `code_challenge_methods_supported` (PKCE)".to_owned());
    }
    let methods = "token_endpoint_auth_methods_supported";
    Ok(Found {
        issuer: said.issuer.clone(),
        provider: Provider {
            authorize: page(needed("authorization_endpoint")?)?,
            names_itself: document.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        },
        token: url(needed("token_endpoint")?)?,
        revocation: text("revocation_endpoint").map(url).transpose()?,
        end_session: text("end_session_endpoint").map(page).transpose()?,
        // Where nothing is said, it is `client_secret_basic`.
        secret_in_form: has(methods, "client_secret_post") && !has(methods, "client_secret_basic"),
    })
}

/// Where a browser is sent: it goes into a header as it is.
fn page(text: &str) -> Result<String, String> {
    let good = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#') && text.len() <= 2_048;
    match text.strip_prefix("https://").filter(|_| good) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!("`{}` is no `https://` address", text.escape_debug())),
    }
}

fn url(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|why| format!("`{}`: {why}", text.escape_debug()))
}

/// Recognises the provider's server as the fleet file says for its keys.
pub(super) fn client(said: &Login, users: Option<&Users>, dir: &Path) -> Result<WebClient, String> {
    let issuer = users.and_then(|users| users.issuers.iter().find(|it| it.issuer == said.issuer));
    let roots = issuer.and_then(|issuer| issuer.roots.as_ref()).map(|roots| dir.join(roots));
    let roots = web_roots(roots.as_deref()).map_err(|error| chain(&error))?;
    WebClient::new(&roots, https::ALPN).map_err(|error| chain(&error))
}

/// The gateway's secret at the provider, read when it is used: it can be replaced without a reload.
pub(super) fn secret(said: &Login, dir: &Path) -> Result<Option<Secret<String>>, Failure> {
    let Some(file) = &said.secret else { return Ok(None) };
    let path = dir.join(file);
    let failed = |why: String| Failure::Unable(format!("cannot use `{}`: {why}", path.display()));
    let bytes = files::read_bounded(&path, LOGIN_SECRET_BYTES_MAX).map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is no text".to_owned()))?;
    let text = Secret::new(text);
    match text.expose().trim() {
        "" => Err(failed("it is empty".to_owned())),
        trimmed => Ok(Some(Secret::new(trimmed.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_of_somebody_else_without_pkce_or_with_places_in_plain_is_refused() {
        let said = Login {
            issuer: "https://login.test".into(),
            own: false,
            client: "c".into(),
            secret: None,
            scopes: vec!["openid".into()],
            origins: vec!["https://bank.test".into()],
            life_s: 3600,
            idle_s: 600,
            after_logout: "/".into(),
        };
        let whole = json!({
            "issuer": "https://login.test",
            "authorization_endpoint": "https://login.test/auth?tenant=1",
            "token_endpoint": "https://login.test/token",
            "end_session_endpoint": "https://login.test/end",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        let with = |name: &str, value: Value| {
            let mut document = whole.as_object().unwrap().clone();
            document.insert(name.to_owned(), value);
            read(&said, &document)
        };
        let found = read(&said, whole.as_object().unwrap()).unwrap();
        assert!(found.provider.names_itself && !found.secret_in_form, "{found:?}");
        assert!(with("token_endpoint_auth_methods_supported", json!(["client_secret_post"])).unwrap().secret_in_form);
        for (name, value) in [
            ("issuer", json!("https://other.test")),
            ("issuer", json!("https://login.test/")),
            ("code_challenge_methods_supported", json!(["plain"])),
            ("code_challenge_methods_supported", Value::Null),
            ("authorization_endpoint", json!("http://login.test/auth")),
            ("authorization_endpoint", json!("javascript:alert(1)")),
            ("authorization_endpoint", json!("https://login.test/a b")),
            ("authorization_endpoint", json!("https://login.test/\r\nset-cookie: a=b")),
            ("authorization_endpoint", Value::Null),
            ("token_endpoint", json!("http://login.test/token")),
            ("token_endpoint", Value::Null),
            ("end_session_endpoint", json!("http://login.test/end")),
        ] {
            assert!(with(name, value.clone()).is_err(), "{name} = {value}");
        }
    }
}
