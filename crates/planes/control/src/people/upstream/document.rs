//! What a provider says of itself (OpenID Connect Discovery 1.0 section 3).

use bartizan_core::federation::Url;
use bartizan_crypto::jose::json;
use serde_json::Value;

/// Longest address to which a browser is sent, in bytes, before our parameters.
const PAGE_BYTES_MAX: usize = 2_048;

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Where a browser is sent.
    pub(super) authorize: String,
    pub(super) token: Url,
    pub(super) userinfo: Option<Url>,
    pub(super) keys: String,
    /// Whether its answers say whose they are (RFC 9207).
    pub(super) names_itself: bool,
    /// Whether our secret goes into the form: it does not take it otherwise.
    pub(super) secret_in_form: bool,
}

pub(super) fn read(issuer: &str, text: &[u8]) -> Result<Document, String> {
    let document = json::object(text).map_err(|error| format!("its document: {error}"))?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let needed = |name: &str| text(name).ok_or_else(|| format!("its document names no `{name}`"));
    let list = |name: &str| document.get(name).and_then(Value::as_array);
    let has = |name: &str, wanted: &str| list(name).is_some_and(|all| all.iter().any(|it| it == wanted));
    // Section 4.3: else somebody else's endpoints and keys would count for it.
    if text("issuer") != Some(issuer) {
        return Err("its document is of another issuer".to_owned());
    }
    // Some say nothing of it, and do it; one that says it does not would let codes be stolen.
    let pkce = "code_challenge_methods_supported";
    if list(pkce).is_some() && !has(pkce, "S256") {
        return Err(format!("its document names no `S256` among `{pkce}`"));
    }
    let methods = "token_endpoint_auth_methods_supported";
    Ok(Document {
        authorize: page(needed("authorization_endpoint")?)?,
        token: url(needed("token_endpoint")?)?,
        userinfo: text("userinfo_endpoint").map(url).transpose()?,
        keys: url(needed("jwks_uri")?).and_then(|_| needed("jwks_uri").map(str::to_owned))?,
        names_itself: document.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        // Where nothing is said, it is `client_secret_basic`.
        secret_in_form: has(methods, "client_secret_post") && !has(methods, "client_secret_basic"),
    })
}

/// Where a browser is sent: it goes into a header as it is.
fn page(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#') && text.len() <= PAGE_BYTES_MAX;
    match text.strip_prefix("https://").filter(|_| plain) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!("`{}` is no `https://` address", shown(text))),
    }
}

pub(super) fn url(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|why| format!("`{}`: {why}", shown(text)))
}

fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn whole() -> Value {
        json!({
            "issuer": "https://login.test",
            "authorization_endpoint": "https://login.test/auth?tenant=1",
            "token_endpoint": "https://login.test/token",
            "userinfo_endpoint": "https://login.test/me",
            "jwks_uri": "https://login.test/keys",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    fn with(name: &str, value: Value) -> Result<Document, String> {
        let mut document = whole();
        document[name] = value;
        read("https://login.test", document.to_string().as_bytes())
    }

    #[test]
    fn a_document_of_somebody_else_or_with_places_in_plain_is_refused() {
        for (name, value) in [
            ("issuer", json!("https://other.test")),
            ("issuer", json!("https://login.test/")),
            ("issuer", json!(["https://login.test"])),
            ("code_challenge_methods_supported", json!(["plain"])),
            ("code_challenge_methods_supported", json!([])),
            ("authorization_endpoint", json!("http://login.test/auth")),
            ("authorization_endpoint", json!("javascript:alert(1)")),
            ("authorization_endpoint", json!("https://login.test/a b")),
            ("authorization_endpoint", json!("https://login.test/\r\nset-cookie: a=b")),
            ("authorization_endpoint", json!(format!("https://login.test/{}", "a".repeat(PAGE_BYTES_MAX)))),
            ("authorization_endpoint", Value::Null),
            ("token_endpoint", json!("http://login.test/token")),
            ("token_endpoint", json!("https://somebody@login.test/token")),
            ("token_endpoint", Value::Null),
            ("userinfo_endpoint", json!("file:///etc/passwd")),
            ("jwks_uri", json!("http://login.test/keys")),
            ("jwks_uri", Value::Null),
        ] {
            assert!(with(name, value.clone()).is_err(), "{name} = {value}");
        }
        for garbage in ["", "{", "[]", "null", "{\"issuer\":\"a\",\"issuer\":\"https://login.test\"}"] {
            assert!(read("https://login.test", garbage.as_bytes()).is_err(), "{garbage}");
        }
    }

    #[test]
    fn what_is_not_said_is_the_usual() {
        let found = with("userinfo_endpoint", Value::Null).unwrap();
        assert!(found.names_itself && !found.secret_in_form && found.userinfo.is_none(), "{found:?}");
        assert!(with("code_challenge_methods_supported", Value::Null).is_ok(), "Entra ID says nothing of it");
        let methods = "token_endpoint_auth_methods_supported";
        assert!(with(methods, json!(["client_secret_post"])).unwrap().secret_in_form);
        assert!(!with(methods, json!(["client_secret_post", "client_secret_basic"])).unwrap().secret_in_form);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_browser_go_anywhere_but_over_https(place in "\\PC{0,60}") {
            if let Ok(found) = with("authorization_endpoint", json!(place)) {
                prop_assert!(found.authorize.starts_with("https://"));
                prop_assert!(found.authorize.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
