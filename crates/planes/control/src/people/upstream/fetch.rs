//! Questions to a provider: over TLS, to the server that its name says, without following it anywhere.

use super::document::{read, url};
use crate::error::chain;
use crate::federation::web_roots;
use crate::limits::{
    ISSUER_DOCUMENT_BYTES_MAX, ISSUER_FETCH_WITHIN, UPSTREAM_ANSWER_BYTES_MAX, UPSTREAM_SECRET_BYTES_MAX,
};
use bartizan_core::Secret;
use bartizan_core::authorization::Authorization;
use bartizan_core::federation::Url;
use bartizan_core::upstream::Upstream;
use bartizan_crypto::base64;
use bartizan_runtime::tls::WebClient;
use bartizan_runtime::{files, https};
use bartizan_tokens::request::with_parameters;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a provider says of itself, and its keys, as they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) document: String,
    pub(super) jwks: String,
}

/// Whether the files that are named for providers can be used, relative to `dir`. Blocks for the disk.
///
/// # Errors
/// What is wrong, with the file's name.
pub(crate) fn check(said: &Authorization, dir: &Path) -> Result<(), String> {
    let providers = said.people.iter().flat_map(|rules| rules.providers.values());
    providers.into_iter().try_for_each(|said| secret(said, dir).and_then(|_| client(said, dir)).map(drop))
}

/// One look: its document, then its keys.
pub(super) async fn look(said: &Upstream, dir: &Path) -> Result<Seen, String> {
    let client = client(said, dir)?;
    let looking = async {
        let issuer = said.issuer.trim_end_matches('/');
        let document = get(&client, &url(&format!("{issuer}/.well-known/openid-configuration"))?).await?;
        let keys = get(&client, &url(&read(&said.issuer, &document)?.keys)?).await?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "its answer is no text".to_owned());
        Ok(Seen { document: text(document)?, jwks: text(keys)? })
    };
    within(looking).await
}

/// What its token endpoint answers to `parameters`: status and body.
pub(super) async fn post(
    said: &Upstream,
    to: &Url,
    secret_in_form: bool,
    parameters: &[(&str, &str)],
    dir: &Path,
) -> Result<(u16, Vec<u8>), String> {
    let client = client(said, dir)?;
    let mut form = encoded(parameters);
    let mut authorization = None;
    match secret(said, dir)? {
        // RFC 6749 section 2.3.1: both are escaped first.
        Some(secret) if !secret_in_form => {
            let pair = format!("{}:{}", escaped(&said.client_id), escaped(secret.expose()));
            authorization = Some(Secret::new(format!("Basic {}", base64::encode(pair.as_bytes()))));
        }
        Some(secret) => {
            let own = encoded(&[("client_id", &said.client_id), ("client_secret", secret.expose())]);
            form = format!("{form}&{own}");
        }
        None => form = format!("{form}&{}", encoded(&[("client_id", &said.client_id)])),
    }
    let form = Secret::new(form);
    let asking = async {
        let stream = dial(&client, to).await?;
        let authorization = authorization.as_ref().map(|it| it.expose().as_str());
        let sent = https::Form { body: form.expose(), authorization };
        let answer = https::post(stream, &to.authority(), &to.path, sent, UPSTREAM_ANSWER_BYTES_MAX).await;
        answer.map(|(status, body)| (status, Vec::from(body))).map_err(|error| chain(&error))
    };
    within(asking).await
}

/// What its userinfo endpoint says to the bearer of a token.
pub(super) async fn userinfo(said: &Upstream, from: &Url, token: &str, dir: &Path) -> Result<Vec<u8>, String> {
    let client = client(said, dir)?;
    let authorization = Secret::new(format!("Bearer {token}"));
    let asking = async {
        let stream = dial(&client, from).await?;
        let (authority, bytes_max) = (from.authority(), UPSTREAM_ANSWER_BYTES_MAX);
        let body = https::get_as(stream, &authority, &from.path, Some(authorization.expose()), bytes_max).await;
        body.map(Vec::from).map_err(|error| chain(&error))
    };
    within(asking).await
}

async fn within<T>(asking: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let within = tokio::time::timeout(ISSUER_FETCH_WITHIN, asking).await;
    within.unwrap_or_else(|_| Err(format!("no answer within {} s", ISSUER_FETCH_WITHIN.as_secs())))
}

async fn get(client: &WebClient, from: &Url) -> Result<Vec<u8>, String> {
    let stream = dial(client, from).await?;
    let body = https::get(stream, &from.authority(), &from.path, ISSUER_DOCUMENT_BYTES_MAX).await;
    body.map(Vec::from).map_err(|error| chain(&error))
}

async fn dial(
    client: &WebClient,
    to: &Url,
) -> Result<bartizan_runtime::tls::ClientStream<tokio::net::TcpStream>, String> {
    let stream = https::dial(&to.host, to.port).await.map_err(|error| chain(&error))?;
    client.connect(stream, &to.host, ISSUER_FETCH_WITHIN).await.map_err(|error| error.to_string())
}

fn client(said: &Upstream, dir: &Path) -> Result<WebClient, String> {
    let roots =
        web_roots(said.roots.as_ref().map(|roots| dir.join(roots)).as_deref()).map_err(|error| chain(&error))?;
    WebClient::new(&roots, https::ALPN).map_err(|error| chain(&error))
}

/// Our secret there, read when it is used: it can be replaced without a reload.
fn secret(said: &Upstream, dir: &Path) -> Result<Option<Secret<String>>, String> {
    let Some(file) = &said.secret else { return Ok(None) };
    let path = dir.join(file);
    let failed = |why: &str| format!("cannot use `{}`, our secret at `{}`: {why}", path.display(), said.issuer);
    let bytes = files::read_bounded(&path, UPSTREAM_SECRET_BYTES_MAX).map_err(|error| failed(&error.to_string()))?;
    let text = Secret::new(String::from_utf8(bytes).map_err(|_| failed("it is no text"))?);
    match text.expose().trim() {
        "" => Err(failed("it is empty")),
        trimmed => Ok(Some(Secret::new(trimmed.to_owned()))),
    }
}

fn encoded(parameters: &[(&str, &str)]) -> String {
    with_parameters("", parameters).trim_start_matches('?').to_owned()
}

fn escaped(text: &str) -> String {
    encoded(&[("", text)]).trim_start_matches('=').to_owned()
}
