//! One look at an issuer: what it says of itself, then its keys.

use crate::error::chain;
use crate::federation::web_roots;
use crate::limits::{ISSUER_DOCUMENT_BYTES_MAX, ISSUER_FETCH_WITHIN};
use bartizan_core::federation::Url;
use bartizan_core::user::{TokenIssuer, Users};
use bartizan_crypto::jose::json;
use bartizan_runtime::https;
use bartizan_runtime::tls::WebClient;
use serde_json::Value;
use std::path::Path;

/// Whether the files that `users` names can be used, relative to `dir`. Blocks for the disk.
///
/// # Errors
/// What is wrong, with the file's name.
pub(crate) fn check(users: &Users, dir: &Path) -> Result<(), String> {
    users.issuers.iter().filter(|said| said.is_fetched()).try_for_each(|said| client(said, dir).map(drop))
}

/// The keys of an issuer as its server gives them. `dir` is the folder of the fleet file.
pub(super) async fn fetch(said: &TokenIssuer, dir: &Path) -> Result<String, String> {
    let client = client(said, dir)?;
    let fetching = async {
        let issuer = said.issuer.trim_end_matches('/');
        let document = get(&client, &format!("{issuer}/.well-known/openid-configuration")).await?;
        let document = json::object(&document).map_err(|error| format!("its document: {error}"))?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        // Section 4.3: else the keys of somebody else would count for it.
        if text("issuer") != Some(&said.issuer) {
            return Err("its document is of another issuer".to_owned());
        }
        let keys = get(&client, text("jwks_uri").ok_or("its document names no `jwks_uri`")?).await?;
        String::from_utf8(keys).map_err(|_| "its keys are no text".to_owned())
    };
    let within = tokio::time::timeout(ISSUER_FETCH_WITHIN, fetching).await;
    within.map_err(|_| format!("no answer within {} s", ISSUER_FETCH_WITHIN.as_secs()))?
}

fn client(said: &TokenIssuer, dir: &Path) -> Result<WebClient, String> {
    let roots =
        web_roots(said.roots.as_ref().map(|roots| dir.join(roots)).as_deref()).map_err(|error| chain(&error))?;
    WebClient::new(&roots, https::ALPN).map_err(|error| chain(&error))
}

async fn get(client: &WebClient, url: &str) -> Result<Vec<u8>, String> {
    let url = Url::parse(url).map_err(|why| format!("`{url}`: {why}"))?;
    let stream = https::dial(&url.host, url.port).await.map_err(|error| chain(&error))?;
    let stream = client.connect(stream, &url.host, ISSUER_FETCH_WITHIN).await.map_err(|error| error.to_string())?;
    let body = https::get(stream, &url.authority(), &url.path, ISSUER_DOCUMENT_BYTES_MAX).await;
    body.map(Vec::from).map_err(|error| chain(&error))
}
